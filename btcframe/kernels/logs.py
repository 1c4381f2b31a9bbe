"""Logarithms of ratios of prices."""

from __future__ import annotations

import math

from btcframe.kernels import kernel

NEAR = 1e-3
"""Up to here six terms of the series of ln(1 + x) leave out less than a double holds: x⁶/7 < 2⁻⁵³/700."""


@kernel
def log_one_plus(x):
    """ln(1 + x), to the last digits.

    Near 0 by the series, a fraction of the time of the library's log1p; from 1 on by the plain logarithm, a third of
    it: there the addition costs no digit that counts.
    """
    if -NEAR < x < NEAR:
        return x * (1.0 + x * (-1 / 2 + x * (1 / 3 + x * (-1 / 4 + x * (1 / 5 + x * (-1 / 6))))))
    return math.log(1.0 + x) if x >= 1.0 else math.log1p(x)


@kernel
def log_ratio(new, old):
    """ln(new/old) of two prices, to the last digits even where they are close, as ln new − ln old is not.

    Parameters
    ----------
    new, old : float     > 0
    """
    x = (new - old) / old
    return log_one_plus(x) if -0.5 < x < 1.0 else math.log(new / old)
