"""Empirical mode decomposition of one signal, or of a block of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.kernels import kernel
from btcframe.kernels.hht import checks
from btcframe.kernels.hht.sift import decompose
from btcframe.kernels.hht.workspace import rows, workspace

Floats = npt.NDArray[np.float64]


class Decomposition(NamedTuple):
    """Modes and what they leave: imfs.sum(0) + residue is the signal.

    Attributes
    ----------
    imfs : ndarray      float64 (k, n), the fastest first; unit of the signal
    residue : ndarray   float64 (n,)
    """

    imfs: Floats
    residue: Floats


@kernel
def _decompose_rows(signals, most, more, rule, sifts, out, counts, ended):
    """Each row of signals (m, n) by `decompose` into out[row], (most + 1) · n."""
    n = signals.shape[1]
    w, at = workspace(n), rows(n)
    for row in range(signals.shape[0]):
        counts[row], ended[row] = decompose(w, at, signals[row], 0, n, most, more, rule, sifts, out[row], 0)


def emd(
    x: npt.ArrayLike, *, max_imfs: int | None = None, stop: str = "pyemd", sifts: int = 10
) -> Decomposition:
    """Empirical mode decomposition (Huang et al. 1998), equal to PyEMD's.

    A mode is what is left after sifting: h ← h − (u + l)/2, where u and l are the not-a-knot cubic splines through the
    maxima and the minima of h, two of each mirrored beyond either end (`boundary.py`). Modes are taken off one after
    the other until two extrema are left or less, or next to nothing (range below 0.001 or Σ|r| below 0.005: these
    are PyEMD's, and absolute, so scale a small signal up).

    Parameters
    ----------
    x : array_like      (n,), real and finite, evenly sampled
    max_imfs : int      modes at the most; None for all
    stop : str          when a mode is done: "pyemd" (its default: little change, `stop.pyemd`), "fixed" (after `sifts`
                        sifts), or "rilling" (Rilling, Flandrin & Gonçalves 2003, `stop.rilling`)
    sifts : int         for "fixed"

    Returns
    -------
    Decomposition

    Raises
    ------
    ValueError
        If x is not one-dimensional, real, finite and below 10¹⁵⁰, or a setting is none.

    Notes
    -----
    A signal without three extrema (constant, monotone, very short) is its own residue. The whole of x decides on each
    of its modes, at their ends above all: nothing here is causal but a window's last sample (`rolling_hht`).
    """
    values = checks.signal(x)
    rule = checks.rule(stop, sifts)
    if max_imfs is not None:
        checks.whole("max_imfs", max_imfs, 1)
    parts, counts = decompose_rows(values[None], max_imfs, 4 + values.size.bit_length(), rule, sifts)
    k = int(counts[0])
    return Decomposition(parts[0, :k], parts[0, k])


def decompose_rows(
    signals: Floats, max_imfs: int | None, room: int, rule: int, sifts: int
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Each row of signals (m, n): modes and then the residue (m, rows, n), and how many modes.

    There is room for so many at first, and for twice as many where that ends it before `max_imfs` does. Each mode has about
    half the extrema of the one before, so `room` of 4 + log2 n seldom does.
    """
    m, n = signals.shape
    while True:
        most = room if max_imfs is None else min(max_imfs, room)
        out, counts = np.empty((m, most + 1, n)), np.empty(m, np.int64)
        _decompose_rows(signals, most, False, rule, sifts, out.reshape(m, -1), counts, np.empty(m, np.bool_))
        # the last of them may have been given back to the residue because room ended
        if most == max_imfs or counts.max() < most - 1:
            return out, counts
        room *= 2


def take_modes(
    signals: Floats, rule: int, sifts: int
) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The next mode of each row of signals (m, n) and what is left (m, 2, n), as a whole decomposition goes on from it.

    How many modes, 0 or 1 (then what is left comes first), and whether no other may follow.
    """
    m, n = signals.shape
    out, counts, ended = np.empty((m, 2, n)), np.empty(m, np.int64), np.empty(m, np.bool_)
    _decompose_rows(signals, 1, True, rule, sifts, out.reshape(m, -1), counts, ended)
    return out, counts, ended
