"""The analytic signal: instantaneous amplitude, phase and frequency."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.kernels.hht import checks

Floats = npt.NDArray[np.float64]


class Analytic(NamedTuple):
    """What a signal does at each moment.

    Attributes
    ----------
    analytic : ndarray     complex128 (…, n): the signal and, as imaginary part, its Hilbert transform
    amplitude : ndarray    float64 (…, n), unit of the signal
    phase : ndarray        float64 (…, n), radians, going on over ±π
    frequency : ndarray    float64 (…, n), cycles per sample
    """

    analytic: npt.NDArray[np.complex128]
    amplitude: Floats
    phase: Floats
    frequency: Floats


def hilbert(x: npt.ArrayLike) -> Analytic:
    """Analytic signal, and its amplitude, phase and frequency (Gabor 1946; Huang et al. 1998).

    a(t) = x(t) + i·H[x](t) = A(t)·exp(iφ(t)), by the discrete Fourier transform with its negative frequencies set to
    0 (Marple 1999), as `scipy.signal.hilbert`. The frequency is the slope of φ over 2π: central differences, one-sided
    at the ends.

    Parameters
    ----------
    x : array_like      (n,) or (k, n), real and finite: a signal, or modes; n is 2 or more

    Raises
    ------
    ValueError
        If x is anything else.
    """
    given = np.asarray(x)
    if given.ndim not in (1, 2):
        raise ValueError(f"x has the shape {given.shape}; pass a signal (n,) or modes (k, n).")
    values = (
        np.array([checks.signal(row, f"x[{k}]") for k, row in enumerate(given)]) if given.ndim == 2 else None
    )
    values = checks.signal(given) if values is None else values.reshape(given.shape)
    n = values.shape[-1]
    if n < 2:
        raise ValueError(f"x has {n} sample; a frequency asks for two at least.")
    gain = np.zeros(n)
    gain[0] = 1.0
    gain[1 : (n + 1) // 2] = 2.0
    if n % 2 == 0:
        gain[n // 2] = 1.0
    analytic = np.fft.ifft(np.fft.fft(values) * gain)
    phase = np.unwrap(np.angle(analytic))
    return Analytic(analytic, np.abs(analytic), phase, np.gradient(phase, axis=-1) / (2.0 * np.pi))


def hilbert_weights(n: int, at: int) -> Floats:
    """Weights whose dot product with a signal is its Hilbert transform at one sample: no Fourier transform.

    The transform is a circular convolution with (2/n)·cot(πm/n) for odd m, else 0, where n is even, and with
    (cot(πm/n) − cos(πm)/sin(πm/n))/n where it is odd (m = 0: 0).

    Returns
    -------
    ndarray     float64 (n,)
    """
    m = (at - np.arange(n)) % n
    angle = np.pi * np.where(m == 0, 1, m) / n
    even = n % 2 == 0
    value = (
        np.where(m % 2 == 1, 2.0 / np.tan(angle), 0.0)
        if even
        else (np.cos(angle) - (-1.0) ** m) / np.sin(angle)
    )
    return np.where(m == 0, 0.0, value / n)
