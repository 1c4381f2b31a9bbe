"""The Hilbert-Huang transform: modes of a signal, and how fast and how strongly each swings at each moment.

`emd` is exact against PyEMD; `eemd` and `ceemdan` average over noise; `hilbert` and `hht` give instantaneous
amplitude and frequency; `rolling_hht` is the causal form, bar by bar in `rolling_push`. See docs/hht.md.
"""

from __future__ import annotations

from btcframe.kernels.hht.analytic import Analytic, hilbert
from btcframe.kernels.hht.ensemble import NoiseBank, ceemdan, eemd, noise_bank
from btcframe.kernels.hht.modes import Decomposition, emd
from btcframe.kernels.hht.rolling import RollingBands, rolling_hht, rolling_push, rolling_state
from btcframe.kernels.hht.spectrum import Spectrum, hht

__all__ = [
    "Analytic",
    "Decomposition",
    "NoiseBank",
    "RollingBands",
    "Spectrum",
    "ceemdan",
    "eemd",
    "emd",
    "hht",
    "hilbert",
    "noise_bank",
    "rolling_hht",
    "rolling_push",
    "rolling_state",
]
