"""Numba kernels: arrays in, arrays out, no Python objects.

`kernel` is the one decorator: compiled on first use, cached on disk, GIL released, and IEEE semantics (no fastmath:
NaN means something here).
"""

from __future__ import annotations

from btcframe.kernels.compile import kernel

__all__ = ["kernel"]
