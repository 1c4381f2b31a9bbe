"""Random numbers for kernels: any record with a field `random` (uint64) is a generator.

splitmix64 passes BigCrush, has 8 bytes of state, and is restarted by copying the record: what numba's own generators,
which live in the thread, cannot do.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel


@kernel
def uniform(s):
    """The next of splitmix64 (Steele, Lea & Flood 2014) as a float in (0, 1)."""
    s.random += np.uint64(0x9E3779B97F4A7C15)
    z = s.random
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (np.float64(z >> np.uint64(11)) + 0.5) / 9007199254740992.0


@kernel
def normal(s):
    """Standard normal (Box & Muller 1958; the second of the pair is not kept)."""
    return np.sqrt(-2.0 * np.log(uniform(s))) * np.cos(2.0 * np.pi * uniform(s))


@kernel
def exponential(s):
    """Exponential of mean 1."""
    return -np.log(uniform(s))
