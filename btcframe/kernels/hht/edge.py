"""Going on beyond the right edge: an autoregressive forecast of the window's changes, by Burg's method.

A mode is worst known at the window's last bar, where the mirror says that the signal turns back. A forecast says that
it goes on as it used to; for a walk, that it stays. The extension is cut off again: nothing is read from it.
"""

from __future__ import annotations

from btcframe.kernels import kernel
from btcframe.kernels.hht.simd import fma, get, load, put, splat, store, total
from btcframe.kernels.hht.workspace import PAD


@kernel
def scratch_size(n, order, ahead):
    """Floats that `extend` works on: the changes, the weights, and two rows of errors."""
    return 3 * n + ahead + order + 8 * PAD


@kernel
def extend(w, start, n, order, ahead, scratch):
    """Write w[start + n : start + n + ahead], the forecast after w[start : start + n].

    The changes are taken for an autoregression of `order`, fitted by `burg`; each forecast change is a weighted sum of
    the `order` changes before it. `scratch` is of `scratch_size(n, order, ahead)`.
    """
    padded = (order + 7) // 8 * 8
    changes, weights = PAD, PAD + n + ahead + PAD
    errors = weights + padded + PAD
    store(scratch, 0, splat(0.0))  # weights of 0 may reach in front of the changes
    for k in range(n - 1):
        put(scratch, changes + k, get(w, start + k + 1) - get(w, start + k))
    burg(scratch, changes, n - 1, order, padded, weights, errors)
    for k in range(n - 1, n - 1 + ahead):
        first = changes + k - padded
        products = splat(0.0)
        for i in range(0, padded, 8):
            products = fma(load(scratch, weights + i), load(scratch, first + i), products)
        change = total(products)
        put(scratch, changes + k, change)
        put(w, start + k + 1, get(w, start + k) + change)


@kernel
def burg(w, x, n, order, padded, weights, errors):
    """Weights of x_{t−padded} … x_{t−1} in the forecast of x_t, from w[x : x + n] (Burg 1975).

    Errors of forecasting forwards and backwards, f and b, are made smaller together, one reflection coefficient
    k = −2 Σ f b / Σ (f² + b²) after the other; Levinson's recursion turns them into weights. |k| ≤ 1, so a forecast
    dies away and does not run off.
    """
    f, b = errors, errors + n + PAD
    for i in range(n):
        put(w, f + i, get(w, x + i))
        put(w, b + i, get(w, x + i))
    last = weights + padded - 1  # the weight of the value just before
    for i in range(padded):
        put(w, weights + i, 0.0)
    for m in range(order):
        # in place: pairs are (f_i, b_{i−m−1})
        left, size = f + m + 1, n - m - 1
        product, power = _sums(w, left, b, size)
        if not power > 0.0:
            return
        k = -2.0 * product / power
        for i in range((m + 1) // 2):
            one, other = get(w, last - i), get(w, last - (m - 1 - i))
            put(w, last - i, fma(k, other, one))
            put(w, last - (m - 1 - i), fma(k, one, other))
        put(w, last - m, -k)
        _reflect(w, left, b, size, k)


@kernel
def _sums(w, f, b, n):
    """Σ f b and Σ (f² + b²)."""
    whole = n // 8 * 8
    product, power = splat(0.0), splat(0.0)
    for i in range(0, whole, 8):
        forwards, backwards = load(w, f + i), load(w, b + i)
        product = fma(forwards, backwards, product)
        power = fma(forwards, forwards, fma(backwards, backwards, power))
    product_, power_ = total(product), total(power)
    for i in range(whole, n):
        one, other = get(w, f + i), get(w, b + i)
        product_ += one * other
        power_ += one * one + other * other
    return product_, power_


@kernel
def _reflect(w, f, b, n, k):
    """f + k·b and b + k·f, each in its place; what is behind the last has no use any more."""
    k8 = splat(k)
    for i in range(0, n, 8):
        forwards, backwards = load(w, f + i), load(w, b + i)
        store(w, f + i, fma(k8, backwards, forwards))
        store(w, b + i, fma(k8, forwards, backwards))
