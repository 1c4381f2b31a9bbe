"""Windows and exponential means over rows, shared by the kernels of features.

Every helper is one step of a stream: memory in, one row, memory out, so that n rows at once are n single rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from btcframe.kernels import kernel

FADED = 1e-200
"""What has decayed to this counts as nothing: smaller numbers soon lose their digits, and cost a hundred times the time."""


def decays(half_lives: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Weight w = 0.5^(1/h) that a row loses per row, for half-lives h in rows."""
    return np.array([0.5 ** (1.0 / h) for h in half_lives], np.float64)


@kernel
def lagged(ring, position, lag):
    """Value pushed `lag` rows before the row at `position`; 1 <= lag <= len(ring).

    Read before the row at `position` is pushed: a lag of len(ring) shares its slot.
    """
    return ring[position % len(ring) - lag]  # below 0 an index counts from the end


@kernel
def push(ring, position, value):
    """Store the row at `position`, forgetting the one len(ring) rows earlier."""
    ring[position % len(ring)] = value


@kernel
def ewm_gap(gap, weight, decay, step):
    """One row of an exponential mean, held as its distance from the newest value.

    With num ← w·num + x and den ← w·den + 1 the mean is num/den. For prices the mean's distance from x is a
    millionth of x, and a difference of two such means would lose the digits that matter: so we carry
    g = num/den − x itself. From x to x + step: g ← w·den·(g − step)/(w·den + 1), which has no large terms.

    Parameters
    ----------
    gap, weight : float      g and den after the last valid row; den includes the decay of rows without a value
    decay : float            w
    step : float             newest value minus the one before

    Returns
    -------
    (gap, weight) : (float, float)
    """
    old = decay * weight
    return old * (gap - step) / (old + 1.0), old + 1.0


@kernel
def ewm(mean, weight, decay, x):
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
def fade(weight, decay):
    """The weight after a row without a value: the mean stays, as num and den lose the same share."""
    weight *= decay
    return weight if weight > FADED else 0.0
