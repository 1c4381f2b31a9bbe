"""Exponential means over rows: the step that several families share."""

from __future__ import annotations

from btcframe.kernels import kernel

FADED = 1e-200
"""What has decayed to this counts as nothing: smaller numbers soon lose their digits, and cost a hundred times the time."""


@kernel
def ewm(mean: float, weight: float, decay: float, x: float) -> tuple[float, float]:
    """One row of an exponential mean: num ← w·num + x, den ← w·den + 1, held as num/den and den.

    Parameters
    ----------
    mean, weight : float    num/den and den after the last valid row; den includes the decay of rows without a value
    decay : float           w
    x : float               the row's value, a number

    Returns
    -------
    (mean, weight) : (float, float)
    """
    weight = decay * weight + 1.0
    mean += (x - mean) / weight
    return (mean if abs(mean) > FADED else 0.0), weight


@kernel
def fade(weight: float, decay: float) -> float:
    """The weight after a row without a value: the mean stays, as num and den lose the same share."""
    weight *= decay
    return weight if weight > FADED else 0.0
