"""The Hilbert spectrum: energy by frequency and time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.kernels import kernel
from btcframe.kernels.hht import checks
from btcframe.kernels.hht.analytic import hilbert
from btcframe.kernels.hht.modes import emd

Floats = npt.NDArray[np.float64]


class Spectrum(NamedTuple):
    """Energy of the modes where and when it is.

    Attributes
    ----------
    frequency : ndarray    float64 (f,), centres of the bins, cycles per sample
    energy : ndarray       float64 (f, n), Σ of squared amplitudes of the modes whose frequency is in the bin then
    marginal : ndarray     float64 (f,), energy summed over time
    """

    frequency: Floats
    energy: Floats
    marginal: Floats


def hht(
    x: npt.ArrayLike,
    *,
    bins: int | npt.ArrayLike = 64,
    max_imfs: int | None = None,
    stop: str = "pyemd",
    sifts: int = 10,
) -> Spectrum:
    """Hilbert-Huang spectrum (Huang et al. 1998): `emd`, then `hilbert` of each mode, its energy put into bins.

    A moment at which a mode's frequency lies outside of the bins (a negative one, for example) is left out.

    Parameters
    ----------
    x : array_like      (n,), real and finite, n is 2 or more; or modes (k, n) that are there already
    bins : int          bins of equal width from 0 to 1/2 cycle per sample; or their edges, rising
    max_imfs, stop, sifts : as in `emd`

    Raises
    ------
    ValueError
        As `emd`, or if bins are none.
    """
    given = np.asarray(x)
    modes = given if given.ndim == 2 else emd(given, max_imfs=max_imfs, stop=stop, sifts=sifts).imfs
    if isinstance(bins, int):
        checks.whole("bins", bins, 1)
        edges = np.linspace(0.0, 0.5, bins + 1)
    else:
        edges = np.asarray(bins, np.float64)
        if edges.ndim != 1 or edges.size < 2 or not (np.diff(edges) > 0.0).all():
            raise ValueError(f"bins is {bins}; edges of bins are two at least, and rise.")
    energy = np.zeros((edges.size - 1, modes.shape[1]))
    if len(modes):
        analytic = hilbert(modes)
        _bin_energy(analytic.frequency, analytic.amplitude, edges, energy)
    return Spectrum((edges[1:] + edges[:-1]) / 2.0, energy, energy.sum(1))


@kernel
def _bin_energy(frequency, amplitude, edges, energy):
    """energy[bin, t] += amplitude² of each mode; the last bin has its right edge, too."""
    last = edges.size - 1
    for mode in range(frequency.shape[0]):
        for t in range(frequency.shape[1]):
            f = frequency[mode, t]
            if edges[0] <= f <= edges[last]:
                k = min(np.searchsorted(edges, f, side="right"), last) - 1
                energy[k, t] += amplitude[mode, t] ** 2
