"""Both envelopes at once: not-a-knot cubic splines (de Boor 1978) through the interleaved list of extrema.

Knots k and k + 2 belong to one envelope. With d_k = x_{k+2} − x_k, s = d_{k-2} + d_k, and c_k half the second
derivative, the inner rows are

    d_{k-2}/(2s) · c_{k-2} + c_k + d_k/(2s) · c_{k+2} = 3/(2s) · ((y_{k+2} − y_k)/d_k − (y_k − y_{k-2})/d_{k-2}).

A tridiagonal solve divides at each step and waits for the quotient. Here it does not: with t_k the product of the
pivots so far, t_k = t_{k-2} − lower_k upper_{k-2} t_{k-4} and z_k = right_k t_{k-2} − lower_k z_{k-2} need a
multiplication a step, and the divisions are left to a loop that does eight at a time. Four such chains run at once:
maxima and minima, from the left end and from the right, which meet in the middle.
"""

from __future__ import annotations

from btcframe.kernels import kernel
from btcframe.kernels.hht.simd import (
    fma,
    fnma,
    get,
    load,
    load2,
    put,
    splat,
    splat2,
    store,
    store2,
)

_STRETCH = 256  # steps before the products of pivots, each between 1/2 and 3/2, are scaled back to 1


@kernel
def fit(w, at, knots):
    """Write the half second derivatives of both splines to `curve`."""
    _equations(w, at, knots)
    _ends(w, at, knots)
    _solve(w, at, knots)
    _outermost(w, at, at.curve, at.x, 1)
    _outermost(w, at, at.curve + 1, at.x + 1, 1)
    _outermost(w, at, at.curve + knots - 1, at.x + knots - 1, -1)
    _outermost(w, at, at.curve + knots - 2, at.x + knots - 2, -1)


@kernel
def _outermost(w, at, curve, x, inwards):
    """The last knot's value: the third derivative is the same on both sides of the last but one."""
    one, two = get(w, curve + 2 * inwards), get(w, curve + 4 * inwards)
    near = get(w, x + 2 * inwards) - get(w, x)
    far = get(w, x + 4 * inwards) - get(w, x + 2 * inwards)
    put(w, curve, fma(near / far, one - two, one))


@kernel
def _equations(w, at, knots):
    """Rows of the two systems, diagonal 1; one division for the three quotients of a row."""
    x, y = at.x, at.y
    half = splat(0.5)
    for k in range(0, knots - 2, 8):
        x0, x2, x4 = load(w, x + k), load(w, x + k + 2), load(w, x + k + 4)
        y0, y2, y4 = load(w, y + k), load(w, y + k + 2), load(w, y + k + 4)
        before, after, both = x2 - x0, x4 - x2, x4 - x0
        product = before * after
        shared = half / (product * both)
        lower = before * (product * shared)
        upper = after * (product * shared)
        right = fnma(y2 - y0, after, (y4 - y2) * before) * shared * splat(3.0)
        store(w, at.inverse + k, after * both * shared * splat(2.0))
        store(w, at.lower + k + 2, lower)
        store(w, at.upper + k + 2, upper)
        store(w, at.right + k + 2, right)
    last = knots - 4  # in the last two of `inverse` the width after is not there
    for k in (last, last + 1):
        put(w, at.inverse + k, 1.0 / (get(w, x + k + 2) - get(w, x + k)))


@kernel
def _ends(w, at, knots):
    """Not-a-knot: the end rows take up the condition and lose their outer neighbour."""
    x = at.x
    for side in (0, 1):
        k = 2 + side
        near, far = get(w, x + k) - get(w, x + k - 2), get(w, x + k + 2) - get(w, x + k)
        scale = 1.0 / (near + 2.0 * far)
        put(w, at.upper + k, (far - near) * scale)
        put(w, at.lower + k, 0.0)
        put(w, at.right + k, get(w, at.right + k) * (2.0 * far * scale))
        k = knots - 3 - side
        near, far = get(w, x + k + 2) - get(w, x + k), get(w, x + k) - get(w, x + k - 2)
        scale = 1.0 / (near + 2.0 * far)
        put(w, at.lower + k, (far - near) * scale)
        put(w, at.upper + k, 0.0)
        put(w, at.right + k, get(w, at.right + k) * (2.0 * far * scale))


@kernel
def _solve(w, at, knots):
    """Eliminate from both ends to the middle, then go back; rows 2 … knots − 3, `curve` in pairs of envelopes."""
    pivot, curve, back = at.pivot, at.curve, at.back
    lower, upper, right = at.lower, at.upper, at.right
    one = splat2(1.0)
    i, j = 2, knots - 4  # the pairs (i, i+1) and (j, j+1) are done next, from the left and from the right
    steps = (knots - 4) // 4
    store2(w, pivot, one)
    store2(w, pivot + knots - 2, one)
    left, left_before, left_right = one, one, load2(w, right + i)
    right_, right_before, right_right = one, one, load2(w, right + j)
    store2(w, pivot + i, left)
    store2(w, curve + i, left_right)
    store2(w, pivot + j, right_)
    store2(w, curve + j, right_right)
    done = 1
    while True:
        stretch = min(steps - done, _STRETCH)
        for _ in range(stretch):
            i += 2
            j -= 2
            left_right = fnma(load2(w, lower + i), left_right, load2(w, right + i) * left)
            left, left_before = fnma(load2(w, lower + i) * load2(w, upper + i - 2), left_before, left), left
            right_right = fnma(load2(w, upper + j), right_right, load2(w, right + j) * right_)
            right_, right_before = (
                fnma(load2(w, lower + j + 2) * load2(w, upper + j), right_before, right_),
                right_,
            )
            store2(w, pivot + i, left)
            store2(w, curve + i, left_right)
            store2(w, pivot + j, right_)
            store2(w, curve + j, right_right)
        done += stretch
        if done == steps:
            break
        scale = one / left  # the quotients formed below stay what they are
        store2(w, pivot + i, one)
        store2(w, upper + i, load2(w, upper + i) * scale)
        left, left_right = one, left_right * scale  # left_before meets the scale in upper
        store2(w, curve + i, left_right)
        scale = one / right_
        store2(w, pivot + j, one)
        store2(w, lower + j, load2(w, lower + j) * scale)
        right_, right_right = one, right_right * scale
        store2(w, curve + j, right_right)
    # what the chains leave over in the middle: up to three rows, done from the left
    middle = j - 1
    for k in range(i + 2, j):
        put(
            w,
            pivot + k,
            fnma(get(w, lower + k) * get(w, upper + k - 2), get(w, pivot + k - 4), get(w, pivot + k - 2)),
        )
        put(
            w,
            curve + k,
            fnma(get(w, lower + k), get(w, curve + k - 2), get(w, right + k) * get(w, pivot + k - 2)),
        )
    for k in range(2, middle + 1, 8):
        scale = splat(1.0) / load(w, pivot + k)
        store(w, back + k, load(w, upper + k) * load(w, pivot + k - 2) * scale)
        store(w, right + k, load(w, curve + k) * scale)
    for k in range(middle + 1, knots - 2, 8):
        scale = splat(1.0) / load(w, pivot + k)
        store(w, back + k, load(w, lower + k) * load(w, pivot + k + 2) * scale)
        store(w, right + k, load(w, curve + k) * scale)
    for k in (
        middle,
        middle - 1,
    ):  # c_k + back_k c_{k+2} = right_k and c_{k+2} + back_{k+2} c_k = right_{k+2}
        a, b = get(w, back + k), get(w, back + k + 2)
        low = fnma(a, get(w, right + k + 2), get(w, right + k)) / fnma(a, b, 1.0)
        put(w, curve + k, low)
        put(w, curve + k + 2, fnma(b, low, get(w, right + k + 2)))
    left, right_ = load2(w, curve + middle - 1), load2(w, curve + middle + 1)
    i, j = middle - 3, middle + 3
    while i >= 1 or j <= knots - 3:  # the outermost pair may run over by one: the end conditions write there
        left = fnma(load2(w, back + i), left, load2(w, right + i))
        right_ = fnma(load2(w, back + j), right_, load2(w, right + j))
        store2(w, curve + i, left)
        store2(w, curve + j, right_)
        i -= 2
        j += 2
