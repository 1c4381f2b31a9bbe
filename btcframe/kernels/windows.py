"""Sums and extremes of the last n rows in O(1) a row, without a subtraction.

A window of n rows is cut into blocks of n rows: the current window is the end of the block before and the beginning of
this one. So two aggregates are kept, one for every end of the last block (made when the block is full, where its values
stood) and one of this block so far (`prefix`), and the window's is the two together (the sliding aggregation of van
Herk 1992 and Gil & Werman 1993, also known as two stacks). Nothing is ever taken away again, so no digits are lost and
nothing drifts. Moments and products are in `powers`, which is cut into the same blocks.

Every window is a record in a feature's state: make its dtype here, call its `slide_…` once a row, read its totals. A row
that has no value is slid as nothing (0, or -inf for a maximum) and counted by a sum of its own. Windows that a kernel
goes through in a loop have one dtype, made for the longest of them: `slide_…(…, n)` then says how many rows this one has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from btcframe.kernels import kernel

# ------------------------------------------------------------------------------------------------------ sums


def sums(n: int, k: int) -> np.dtype[Any]:
    """Memory of k sums over the last n rows: write `new`, call `slide_sums`, read `total`."""
    return np.dtype(
        [
            ("at", "i8"),  # rows of this block
            ("new", "f8", (k,)),
            ("total", "f8", (k,)),
            ("prefix", "f8", (k,)),
            (
                "block",
                "f8",
                (n + 1, k),
            ),  # this block's values; from `at` on the suffixes of the last, then nothing
        ],
        align=True,
    )


@kernel
def slide_sums(w, n=0):
    """One row on: total[j] = Σ new[j] of the last n rows."""
    n, k = n or len(w.block) - 1, w.block.shape[1]
    if w.at == n:
        for i in range(n - 2, -1, -1):
            for j in range(k):
                w.block[i, j] += w.block[i + 1, j]
        for j in range(k):
            w.prefix[j] = 0.0
        w.at = 0
    at = w.at
    for j in range(k):
        new = w.new[j]
        sofar = w.prefix[j] + new
        w.total[j] = sofar + w.block[at + 1, j]
        w.prefix[j] = sofar
        w.block[at, j] = new
    w.at = at + 1


# -------------------------------------------------------------------------------------------------- extremes


def extremes(n: int, k: int) -> np.dtype[Any]:
    """Memory of k maxima over the last n rows: write `new` (-inf for none), call `slide_maxima`, read `total`."""
    return sums(n, k)


@kernel
def slide_maxima(w, n=0):
    """One row on: total[j] = max new[j] of the last n rows, -inf where there was none. A state begins at `no_maxima`."""
    n, k = n or len(w.block) - 1, w.block.shape[1]
    if w.at == n:
        for i in range(n - 2, -1, -1):
            for j in range(k):
                w.block[i, j] = max(w.block[i, j], w.block[i + 1, j])
        for j in range(k):
            w.prefix[j] = -np.inf
        w.at = 0
    at = w.at
    for j in range(k):
        new = w.new[j]
        sofar = max(w.prefix[j], new)
        w.total[j] = max(sofar, w.block[at + 1, j])
        w.prefix[j] = sofar
        w.block[at, j] = new
    w.at = at + 1


def no_maxima(window: Any) -> None:
    """Set a new window of `extremes` to hold nothing."""
    for name in ("new", "total", "prefix", "block"):
        window[name] = -np.inf


# ------------------------------------------------------------------------------------------ what the rules say


@kernel
def enough(count, n):
    """Whether a window of n rows has ⌈0.8 n⌉ valid entries."""
    return count >= np.ceil(0.8 * n)


@kernel
def ratio(over, under):
    """over/under; an empty denominator (nothing traded, nothing removed) gives 0."""
    return 0.0 if under == 0.0 else over / under
