"""What a caller may pass, and what it is told if it does not."""

from __future__ import annotations

import math
import operator
import os

import numpy as np
import numpy.typing as npt

from btcframe.kernels import kernel
from btcframe.kernels.hht import stop as rules

STOPS = {"pyemd": rules.PYEMD, "fixed": rules.FIXED, "rilling": rules.RILLING}
MOST = 1_000_000
"""The most trials, threads, bins or modes: beyond it the number is a mistake, and would fill the memory."""

MOST_SIFTS = 999  # PyEMD's own limit, which ends any mode

_LARGEST = 1e150  # squares of more than that, and sums of them, are no numbers


def signal(x: npt.ArrayLike, name: str = "x") -> npt.NDArray[np.float64]:
    """The signal as contiguous float64, or a ValueError that says what is wrong with it and where."""
    if np.ma.is_masked(x):
        raise ValueError(f"{name} has masked samples. Fill them, or decompose the pieces between them.")
    given = np.asarray(x)
    if given.ndim != 1:
        raise ValueError(
            f"{name} has the shape {given.shape}; a signal has one dimension. Pass one row at a time."
        )
    if given.dtype.kind not in "iufb":
        raise ValueError(
            f"{name} is of {given.dtype}; a signal is of real numbers. Convert it with .astype(float)."
        )
    if not given.size:
        raise ValueError(f"{name} is empty; a signal has one sample at least.")
    values = plain(given)
    wrong = _first_unfit(values)
    if wrong >= 0:
        raise ValueError(
            f"{name}[{wrong}] is {values[wrong]}; samples are finite and below {_LARGEST:.0e} in size. "
            "Fill the gaps, or decompose the pieces between them."
        )
    return values


def plain(given: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Contiguous float64, copied where it may not be written to: numba would compile the kernels for that anew."""
    return np.require(given, np.float64, ["C", "W"])


@kernel
def _first_unfit(values):
    """Index of the first sample that is no number or too large; −1 if there is none. One look, and no copy."""
    for i in range(values.size):
        if not abs(values[i]) <= _LARGEST:
            return i
    return -1


def rule(stop: str, sifts: int) -> int:
    """The number of a stop rule, or a ValueError."""
    if stop not in STOPS:
        raise ValueError(f"there is no stop rule {stop!r}; there are {', '.join(STOPS)}.")
    whole("sifts", sifts, 1, MOST_SIFTS)
    return STOPS[stop]


def whole(name: str, value: int, least: int, most: int = MOST) -> int:
    """The setting as an int, or a ValueError where it is no whole number from `least` to `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; it is a whole number.") from None
    if not least <= number <= most:
        raise ValueError(f"{name} is {number}; it is from {least:,} to {most:,}.")
    return number


def width(value: float) -> float:
    """The width of noise, or a ValueError where it is not a number from 0 to 1000."""
    if not isinstance(value, (int, float, np.number)) or not 0.0 <= value <= 1000.0 or math.isnan(value):
        raise ValueError(f"noise_width is {value!r}; it is from 0 to 1000 times the signal's size.")
    return float(value)


def threads(asked: int | None) -> int:
    """Threads to use: as asked, or as many as there are processors for us."""
    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return whole("threads", asked, 1)
