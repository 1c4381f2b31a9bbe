"""Where the kernels keep what they work on: one array, in rows, addressed by offsets.

One array and whole numbers cost nothing to hand on; twenty arrays would be counted at every call.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from btcframe.kernels import kernel

KNOTS = 4  # knots that the boundary adds on either side
PAD = 8  # a block before each row's first element, and at least one behind its last


class Rows(NamedTuple):
    """Offsets of the rows in the workspace's array; `size` floats in all."""

    size: int
    residue: int  # what is left of the signal
    first: int  # the two signals a sift goes from and to, in turn
    second: int
    marks: int  # of each block of eight samples, which are extrema: one bit each
    x: int  # knots: place and height; the extrema from KNOTS on
    y: int
    inverse: int  # 1 / (x_{k+2} − x_k)
    lower: int  # the spline's equations
    upper: int
    right: int
    pivot: int
    back: int
    curve: int  # half the spline's second derivative at each knot
    spare: int


@kernel
def rows(n):
    """Rows for a signal of n samples.

    A row's length is no multiple of 512 floats: the rows would share the cache's lines.
    """
    length = (n + 2 * KNOTS + 7) // 8 * 8 + 3 * PAD
    if length % 64 < 8:
        length += 8
    row = PAD
    inner = PAD - 2 + 7 * length  # the spline's equations begin at knot 2, and there a line of the cache does
    return Rows(
        PAD + 14 * length, row, row + length, row + 2 * length, row + 3 * length, row + 4 * length,
        row + 5 * length, row + 6 * length, inner, inner + length, inner + 2 * length, inner + 3 * length,
        inner + 4 * length, inner + 5 * length, row + 13 * length,
    )  # fmt: skip


@kernel
def workspace(n):
    """An array for signals of n samples, its rows on cache lines. Its content means nothing yet."""
    size = rows(n).size
    memory = np.empty(size + PAD)
    into_line = memory.ctypes.data // 8 % 8
    skip = (8 - into_line) % 8
    return memory[skip : skip + size]
