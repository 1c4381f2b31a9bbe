"""Numba kernels: arrays in, arrays out, no Python objects.

`kernel` is the one decorator: compiled on first use, cached beside the source, GIL released, and IEEE semantics
(no fastmath: NaN means something here).
"""

from __future__ import annotations

from typing import Any

import numba

kernel: Any = numba.njit(cache=True, nogil=True, error_model="numpy")
