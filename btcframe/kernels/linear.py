"""Linear models: robust scaling, ridge regression by normal equations, and prediction.

Sums run in one fixed order in one thread, so the bits depend neither on the number of threads nor on how the rows
were batched. (A threaded BLAS gives neither.)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import Floats


class Linear(NamedTuple):
    """A fitted linear model of k columns and h horizons."""

    center: Floats  # float64[k]
    scale: Floats  # float64[k], 0 for a column that is not used
    coef: Floats  # float64[h, k]
    intercept: Floats  # float64[h]
    sigma: Floats  # float64[h], standard deviation of the residuals
    clip: float  # scaled values are cut at ±clip
    max_missing: int  # used columns that may be missing in a row
    width: float  # half width of the interval in units of sigma


@kernel
def scaled(value, center, scale, clip):
    """(value − center)/scale cut at ±clip; 0, the centre, where the value is missing or the column unused."""
    if scale == 0.0 or not math.isfinite(value):
        return 0.0
    return min(max((value - center) / scale, -clip), clip)


@kernel
def standardise(x, model, out):
    """x float64[n, k] → out float64[n, k + 1] whose last column is 1; returns bool[n], the rows that can be used."""
    n, k = x.shape
    usable = np.empty(n, np.bool_)
    for i in range(n):
        missing = 0
        for j in range(k):
            missing += model.scale[j] != 0.0 and not math.isfinite(x[i, j])
            out[i, j] = scaled(x[i, j], model.center[j], model.scale[j], model.clip)
        out[i, k] = 1.0
        usable[i] = missing <= model.max_missing
    return usable


@kernel
def ridge(z, y, weight, alpha):
    """argmin_β Σ w_i (y_i − z_i β)² + α Σ_{j<k} β_j²; the last column of z is the intercept's and not penalised.

    Normal equations, Cholesky. A column that is 0 everywhere gets 0.

    Parameters
    ----------
    z : float64[n, k + 1]
    y, weight : float64[n]
    alpha : float          > 0

    Returns
    -------
    float64[k + 1]
    """
    n, m = z.shape
    gram = np.zeros((m, m))
    beta = np.zeros(m)
    for i in range(n):
        for a in range(m):
            v = weight[i] * z[i, a]
            beta[a] += v * y[i]
            for b in range(a + 1):
                gram[a, b] += v * z[i, b]
    for a in range(m - 1):
        gram[a, a] += alpha
    for a in range(m):  # gram = L Lᵀ, in place
        for b in range(a + 1):
            s = gram[a, b]
            for c in range(b):
                s -= gram[a, c] * gram[b, c]
            gram[a, b] = math.sqrt(s) if a == b else s / gram[b, b]
    for a in range(m):  # L u = b
        for c in range(a):
            beta[a] -= gram[a, c] * beta[c]
        beta[a] /= gram[a, a]
    for a in range(m - 1, -1, -1):  # Lᵀ β = u
        for c in range(a + 1, m):
            beta[a] -= gram[c, a] * beta[c]
        beta[a] /= gram[a, a]
    return beta


@kernel
def predict(x, model, out):
    """Fill mean, p_up, low, high of out PREDICTION[n, h] from x float64[n, k]; NaN where too much is missing.

    mean = intercept + Σ_j coef_j · scaled(x_j); p_up = Φ(mean/σ); low, high = mean ∓ width·σ.
    """
    n, k = x.shape
    z = np.empty(k)
    for i in range(n):
        missing = 0
        for j in range(k):
            missing += model.scale[j] != 0.0 and not math.isfinite(x[i, j])
            z[j] = scaled(x[i, j], model.center[j], model.scale[j], model.clip)
        for h in range(len(model.intercept)):
            mean = model.intercept[h]
            for j in range(k):
                mean += model.coef[h, j] * z[j]
            if missing > model.max_missing:
                mean = np.nan
            sigma = model.sigma[h]
            out[i, h].mean = mean
            out[i, h].p_up = 0.5 * math.erfc(-mean / (sigma * math.sqrt(2.0))) if sigma > 0.0 else np.nan
            out[i, h].low = mean - model.width * sigma
            out[i, h].high = mean + model.width * sigma
