"""The causal transform: a window that ends at the bar, and what each band of periods does there.

The number of a mode means little: it changes between neighbouring bars one time in seven. So modes are gathered in
bands by their mean period in the window, and a band is the sum of its modes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.kernels import kernel
from btcframe.kernels.hht import checks
from btcframe.kernels.hht.analytic import hilbert_weights
from btcframe.kernels.hht.edge import extend, scratch_size
from btcframe.kernels.hht.extrema import find_extrema
from btcframe.kernels.hht.parallel import share_out
from btcframe.kernels.hht.sift import NO_MODE, copy, give_back, next_mode, take_off
from btcframe.kernels.hht.simd import fma, get, load, splat, store, total
from btcframe.kernels.hht.workspace import KNOTS, PAD, rows, workspace

Floats = npt.NDArray[np.float64]

_PER_BAND = 4
_BLOCK = 256  # windows a thread takes at a time


class RollingBands(NamedTuple):
    """One row per window, one column per band, the fastest first.

    Attributes
    ----------
    energy : ndarray       float64 (t, b), mean square of the band over the window; 0 for an empty band
    amplitude : ndarray    float64 (t, b), at the sample that is read; 0 for an empty band
    frequency : ndarray    float64 (t, b), cycles per bar there, from the bar before; NaN for an empty band
    phase : ndarray        float64 (t, b), radians in (−π, π], 0 at a crest; NaN for an empty band
    residue : ndarray      float64 (t,), what no mode holds, at the sample that is read; unit of the signal
    slope : ndarray        float64 (t,), its change there per bar
    modes : ndarray        float64 (t,), number of modes
    """

    energy: Floats
    amplitude: Floats
    frequency: Floats
    phase: Floats
    residue: Floats
    slope: Floats
    modes: Floats


class _Spec(NamedTuple):
    window: int
    stride: int
    lag: int
    most: int
    rule: int
    sifts: int
    order: int
    ahead: int


def rolling_hht(
    x: npt.ArrayLike,
    *,
    window: int = 512,
    stride: int = 1,
    bands: tuple[float, ...] = (5.0, 15.0, 60.0, 240.0),
    lag: int = 0,
    max_imfs: int = 8,
    stop: str = "fixed",
    sifts: int = 10,
    edge: str = "mirror",
    order: int = 32,
    ahead: int = 64,
    threads: int | None = None,
) -> RollingBands:
    """Hilbert-Huang transform of each trailing window, by bands of periods, read at its end. Causal.

    Row j is about the bar window − 1 + j·stride: the `window` bars up to it are decomposed, each mode goes to the band
    its mean period in the window falls in (twice the mean distance of its extrema), and the bands' energy, amplitude,
    frequency and phase are read `lag` bars before the last. The Hilbert transform of one sample is one dot product
    (`hilbert_weights`), equal to that of the whole window.

    Parameters
    ----------
    x : array_like      (n,), a price or its logarithm, one sample a bar; a window with NaN or ±inf in it gives NaN
    window : int        bars, 8 or more
    stride : int        bars between windows
    bands : tuple       edges between periods, bars, rising: (5, 15) makes the bands <5, 5–15 and ≥15
    lag : int           bars before the window's last that are read: the ends are where modes are worst known
    max_imfs : int      modes at the most; what they leave is in the residue
    stop, sifts :       as in `emd`
    edge : str          how a window goes on behind its last bar: "mirror", at the extrema near it, or "ar", by the
                        forecast of an autoregression (`edge.py`), which is decomposed with it and then cut off
    order, ahead : int  for "ar": of the autoregression, half a window at most, and how many bars it forecasts
    threads : int       None for as many as there are processors; the bits are the same

    Returns
    -------
    RollingBands        t = (n − window) // stride + 1 rows; 0 where n < window

    Raises
    ------
    ValueError
        If x is not one-dimensional and real, or a setting is none.
    """
    state = rolling_state(
        window=window, stride=stride, bands=bands, lag=lag, max_imfs=max_imfs, stop=stop, sifts=sifts,
        edge=edge, order=order, ahead=ahead,
    )  # fmt: skip
    return _roll(_series(x), state, checks.threads(threads))


def rolling_state(
    *,
    window: int = 512,
    stride: int = 1,
    bands: tuple[float, ...] = (5.0, 15.0, 60.0, 240.0),
    lag: int = 0,
    max_imfs: int = 8,
    stop: str = "fixed",
    sifts: int = 10,
    edge: str = "mirror",
    order: int = 32,
    ahead: int = 64,
) -> np.ndarray:
    """State for `rolling_push`: a NumPy record with the settings of `rolling_hht` and the bars a window still needs.

    Copying it restarts from there; it can be saved as it is.
    """
    window = checks.whole("window", window, 8, 100_000_000)
    stride = checks.whole("stride", stride, 1, 2**62)
    lag = checks.whole("lag", lag, 0, window - 2)
    max_imfs = checks.whole("max_imfs", max_imfs, 1, 64)
    order, ahead = _beyond(edge, order, ahead, window)
    edges = np.asarray(bands, np.float64)
    if edges.ndim != 1 or not (np.diff(edges) > 0).all() or not (edges > 0).all():
        raise ValueError(f"bands is {bands}; edges between periods are positive and rise.")
    state = np.zeros(
        (),
        [
            ("spec", np.int64, len(_Spec._fields)),
            ("edges", np.float64, len(edges)),
            ("weights", np.float64, (3, window + ahead)),  # see `_products`
            ("held", np.int64),  # bars in `past`
            ("skip", np.int64),  # bars until the next window ends, beyond those it needs
            ("past", np.float64, window),
        ],
    )
    state["spec"] = _Spec(window, stride, lag, max_imfs, checks.rule(stop, sifts), sifts, order, ahead)
    state["edges"] = edges
    read, decomposed = window - 1 - lag, window + ahead
    inside = (np.arange(decomposed) < window) / window
    state["weights"] = inside, hilbert_weights(decomposed, read), hilbert_weights(decomposed, read - 1)
    return state


def _beyond(edge: str, order: int, ahead: int, window: int) -> tuple[int, int]:
    """Order of the autoregression and bars it forecasts; none where the edge is mirrored."""
    if edge not in ("mirror", "ar"):
        raise ValueError(f"there is no edge {edge!r}; there are mirror, ar.")
    if edge == "mirror":
        return 0, 0
    checks.whole("order", order, 1)
    checks.whole("ahead", ahead, 1)
    if 2 * order > window:
        raise ValueError(f"order is {order}; it is half the window at most: {window // 2}.")
    return order, ahead


def rolling_push(bars: npt.ArrayLike, state: np.ndarray) -> RollingBands:
    """The next bars, one or many: the rows of the windows that end at them, equal to `rolling_hht` to the bit.

    Parameters
    ----------
    bars : array_like   a number or (n,)
    state : ndarray     from `rolling_state`; changed
    """
    return _roll(_series(np.atleast_1d(np.asarray(bars))), state, 1)


def _series(x: npt.ArrayLike) -> Floats:
    """Contiguous float64; gaps are allowed here."""
    given = np.asarray(x)
    if given.ndim != 1 or given.dtype.kind not in "iufb":
        raise ValueError(
            f"x is {given.dtype} of the shape {given.shape}; pass real numbers in one dimension."
        )
    return checks.plain(given)


def _roll(bars: Floats, state: np.ndarray, threads: int) -> RollingBands:
    spec = _Spec(*state["spec"].tolist())
    held, skip = int(state["held"]), int(state["skip"])
    series = np.concatenate((state["past"][:held], bars)) if held else bars
    windows = max(0, (len(series) - spec.window - skip) // spec.stride + 1)
    edges, weights = np.ascontiguousarray(state["edges"]), np.ascontiguousarray(state["weights"]).ravel()
    n_bands = len(edges) + 1
    out = np.empty((windows, _PER_BAND * n_bands + 3))

    def block(number: int) -> None:
        first = number * _BLOCK
        last = min(windows, first + _BLOCK)
        _roll_block(series[skip + first * spec.stride :], spec, edges, weights, out[first:last])

    share_out(block, -(-windows // _BLOCK), threads)
    _remember(series, skip + windows * spec.stride, state)
    parts = [out[:, k * n_bands : (k + 1) * n_bands] for k in range(_PER_BAND)]
    return RollingBands(*parts, *out[:, _PER_BAND * n_bands :].T)


def _remember(series: Floats, begin: int, state: np.ndarray) -> None:
    """Keep the bars the next window needs, from `begin` on, and how many of them are still to come."""
    kept = series[begin:]
    state["held"], state["skip"] = len(kept), max(0, begin - len(series))
    state["past"][: len(kept)] = kept


@kernel
def _roll_block(series, spec, edges, weights, out):
    """One window after the other; out is (windows, 4 bands + 3)."""
    n = spec.window + spec.ahead
    at = rows(n)
    w = workspace(n)
    scratch = np.empty(scratch_size(spec.window, spec.order, spec.ahead))
    n_bands = edges.size + 1
    length = (n + 2 * PAD) // 8 * 8
    sums = np.empty(n_bands * length)
    used = np.empty(n_bands, np.int64)
    for row in range(out.shape[0]):
        copy(series, row * spec.stride, w, at.residue, spec.window)
        if not _all_finite(w, at.residue, spec.window):
            out[row] = np.nan
            continue
        if spec.ahead:
            extend(w, at.residue, spec.window, spec.order, spec.ahead, scratch)
        used[:] = 0
        modes = _gather(w, at, n, spec, edges, sums, length, used)
        _read(w, at, n, spec, weights, sums, length, used, out[row])
        out[row, out.shape[1] - 1] = modes


@kernel
def _all_finite(w, start, n):
    """Whether w[start : start + n] holds numbers only: x − x is 0 for a number, NaN for what is none."""
    for i in range(n):
        x = get(w, start + i)
        if x - x != 0.0:
            return False
    return True


@kernel
def _gather(w, at, n, spec, edges, sums, length, used):
    """Modes of w[residue…] added up by band in `sums`, `length` apart; `used` counts them. Their number."""
    for k in range(spec.most):
        mode, count = next_mode(w, at, n, spec.rule, spec.sifts)
        if count == NO_MODE:
            return k
        spent = take_off(w, at.residue, mode, n)
        if (spent or k == spec.most - 1) and count <= 2:
            give_back(w, at.residue, mode, n)
            return k
        band = 0
        period = _mean_period(w, at, mode, n, count)
        while band < edges.size and period >= edges[band]:
            band += 1
        start = band * length
        if used[band] == 0:
            for i in range(0, n, 8):
                store(sums, start + i, load(w, mode + i))
        else:
            for i in range(0, n, 8):
                store(sums, start + i, load(sums, start + i) + load(w, mode + i))
        used[band] += 1
        if spent:
            return k + 1
    return spec.most


@kernel
def _mean_period(w, at, mode, n, count):
    """Twice the mean distance between a mode's extrema, bars; the window where it has less than two."""
    count = find_extrema(w, at, mode, n, count)
    if count < 2:
        return float(n)
    return 2.0 * (get(w, at.x + KNOTS + count - 1) - get(w, at.x + KNOTS)) / (count - 1)


@kernel
def _read(w, at, n, spec, weights, sums, length, used, out):
    """Energy, amplitude, frequency and phase of each band, then the residue and its slope."""
    read = spec.window - 1 - spec.lag
    n_bands = used.size
    for band in range(n_bands):
        if used[band] == 0:
            out[band] = out[n_bands + band] = 0.0
            out[2 * n_bands + band] = out[3 * n_bands + band] = np.nan
            continue
        start = band * length
        energy, now, before = _products(sums, start, weights, n)
        re, re_before = get(sums, start + read), get(sums, start + read - 1)
        out[band] = energy
        out[n_bands + band] = np.sqrt(re * re + now * now)
        turn = np.arctan2(now * re_before - re * before, re * re_before + now * before)
        out[2 * n_bands + band] = turn / (2.0 * np.pi)
        out[3 * n_bands + band] = np.arctan2(now, re)
    residue = get(w, at.residue + read)
    out[4 * n_bands] = residue
    out[4 * n_bands + 1] = residue - get(w, at.residue + read - 1)


@kernel
def _products(sums, start, weights, n):
    """Mean of s² inside the window, and s times Hilbert weights of the sample that is read and of the one before."""
    energy, now, before = splat(0.0), splat(0.0), splat(0.0)
    whole = n // 8 * 8
    for i in range(0, whole, 8):
        s = load(sums, start + i)
        energy = fma(s * s, load(weights, i), energy)
        now = fma(s, load(weights, n + i), now)
        before = fma(s, load(weights, 2 * n + i), before)
    energy_, now_, before_ = total(energy), total(now), total(before)
    for i in range(whole, n):
        s_ = get(sums, start + i)
        energy_ += s_ * s_ * get(weights, i)
        now_ += s_ * get(weights, n + i)
        before_ += s_ * get(weights, 2 * n + i)
    return energy_, now_, before_
