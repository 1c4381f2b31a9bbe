"""What a row weighs in training besides its quality."""

from __future__ import annotations

import numpy as np

from btcframe.types import Floats, Ints


def uniqueness(row_ns: Ints, t_end: Ints, y: Floats) -> Floats:
    """How little the labels of each row overlap with others, float64[n] of mean 1.

    A horizon's average uniqueness, divided by its mean, so that short labels do not outweigh long ones; then the mean over
    the horizons of which a row has a label. A row without any weighs 1: nothing is learned from it. On a regular
    clock, labels of constant horizons overlap alike, and all weights are nearly 1 but at the edges.

    Parameters
    ----------
    row_ns : int64[n]       strictly increasing
    t_end : int64[n, h]
    y : float64[n, h]       NaN where a label is not known
    """
    from btcframe.kernels.uniqueness import average_uniqueness

    total, horizons = np.zeros(len(row_ns)), np.zeros(len(row_ns))
    one = np.empty(len(row_ns))
    for h in range(y.shape[1]):
        known = np.isfinite(y[:, h])
        if not known.any():
            continue
        average_uniqueness(np.ascontiguousarray(row_ns), np.ascontiguousarray(t_end[:, h]), known, one)
        total[known] += one[known] / one[known].mean()
        horizons += known
    some = horizons > 0
    weight = np.ones(len(row_ns))
    weight[some] = total[some] / horizons[some]
    weight[some] /= weight[some].mean() if some.any() else 1.0
    return weight
