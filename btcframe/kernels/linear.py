"""Linear models: robust scaling, ridge regression by normal equations, and prediction.

Sums run in one fixed order in one thread, so the bits depend neither on the number of threads nor on how the rows
were batched. (A threaded BLAS gives neither.)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from btcframe.kernels import kernel
from btcframe.types import Floats, Ints


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


class Sums(NamedTuple):
    """What is left of training rows: all that h ridge regressions on m columns need of them."""

    gram: Floats  # float64[h, m, m], Σ w z zᵀ, the lower triangle
    moment: Floats  # float64[h, m], Σ w z y
    rows: Ints  # int64[h]
    weight: Floats  # float64[h], Σ w
    low: Floats  # float64[h], least and greatest y
    high: Floats


def no_rows(horizons: int, columns: int) -> Sums:
    """The sums of no rows, to be added to."""
    return Sums(
        np.zeros((horizons, columns, columns)),
        np.zeros((horizons, columns)),
        np.zeros(horizons, np.int64),
        np.zeros(horizons),
        np.full(horizons, np.inf),
        np.full(horizons, -np.inf),
    )


@kernel
def scaled(value, center, scale, clip):
    """(value − center)/scale cut at ±clip; 0, the centre, where the value is missing or the column unused."""
    if scale == 0.0 or not math.isfinite(value):
        return 0.0
    return min(max((value - center) / scale, -clip), clip)


@kernel
def standardise(x, model, out):
    """x float64[n, k] → out float64[>=n, k + 1] whose last column is 1; returns bool[n], the rows that can be used."""
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
def add_rows(z, usable, y, weight, sums):
    """Add rows to the sums, those that can be used and have weight and a label; in order, so batches do not matter.

    Parameters
    ----------
    z : float64[>=n, m]
    usable : bool[n]
    y : float64[n, h]      NaN where unknown
    weight : float64[n]
    sums : Sums
    """
    m = z.shape[1]
    for i in range(len(y)):
        if not usable[i] or not weight[i] > 0.0:
            continue
        for h in range(y.shape[1]):
            if not math.isfinite(y[i, h]):
                continue
            sums.rows[h] += 1
            sums.weight[h] += weight[i]
            sums.low[h] = min(sums.low[h], y[i, h])
            sums.high[h] = max(sums.high[h], y[i, h])
            for a in range(m):
                v = weight[i] * z[i, a]
                sums.moment[h, a] += v * y[i, h]
                for b in range(a + 1):
                    sums.gram[h, a, b] += v * z[i, b]


@kernel
def ridge(gram, moment, alpha):
    """argmin_β Σ w_i (y_i − z_i β)² + α Σ_{j<m−1} β_j²; the last column of z is the intercept's and not penalised.

    Normal equations, Cholesky. A column that is 0 everywhere gets 0.

    Parameters
    ----------
    gram : float64[m, m]   Σ w z zᵀ, the lower triangle
    moment : float64[m]    Σ w z y
    alpha : float          > 0

    Returns
    -------
    float64[m]
    """
    m = len(moment)
    lower = gram.copy()
    beta = moment.copy()
    for a in range(m - 1):
        lower[a, a] += alpha
    for a in range(m):  # gram + α = L Lᵀ, in place
        for b in range(a + 1):
            s = lower[a, b]
            for c in range(b):
                s -= lower[a, c] * lower[b, c]
            lower[a, b] = math.sqrt(s) if a == b else s / lower[b, b]
    for a in range(m):  # L u = b
        for c in range(a):
            beta[a] -= lower[a, c] * beta[c]
        beta[a] /= lower[a, a]
    for a in range(m - 1, -1, -1):  # Lᵀ β = u
        for c in range(a + 1, m):
            beta[a] -= lower[c, a] * beta[c]
        beta[a] /= lower[a, a]
    return beta


@kernel
def add_squares(z, usable, y, weight, beta, squares):
    """Add Σ w (y − zβ)² of the rows that `add_rows` takes to squares float64[h]; beta float64[h, m]."""
    for i in range(len(y)):
        if not usable[i] or not weight[i] > 0.0:
            continue
        for h in range(y.shape[1]):
            if math.isfinite(y[i, h]):
                residual = y[i, h]
                for a in range(z.shape[1]):
                    residual -= beta[h, a] * z[i, a]
                squares[h] += weight[i] * residual * residual


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
