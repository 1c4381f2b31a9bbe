"""Seeded white noise: realisation t is a function of the seed and t alone, whoever asks for it and in what order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from btcframe.kernels import kernel
from btcframe.kernels.hht.simd import get, put

Floats = npt.NDArray[np.float64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_LAYERS = 256
_TAIL = 3.6541528853610088  # where the lowest layer's tail begins
_AREA = 0.00492867323399  # of each layer
_SCALE = 1.0 / 9007199254740992.0  # 2⁻⁵³


def _ziggurat() -> tuple[Floats, Floats]:
    """Right ends of the layers of exp(−x²/2) from the widest to 0, and the density there (Marsaglia & Tsang 2000)."""
    x = np.zeros(_LAYERS + 1)
    x[0], x[1] = _AREA / np.exp(-0.5 * _TAIL**2), _TAIL
    for k in range(2, _LAYERS):
        x[k] = np.sqrt(-2.0 * np.log(_AREA / x[k - 1] + np.exp(-0.5 * x[k - 1] ** 2)))
    return x, np.exp(-0.5 * x**2)


_RIGHT, _DENSITY = _ziggurat()


@kernel
def _next(state):
    """splitmix64 (Steele, Lea & Flood 2014): the state after, and 64 bits."""
    state += _STEP
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state, z ^ (z >> np.uint64(31))


@kernel
def _uniform(bits):
    """In (0, 1)."""
    return (float(bits >> np.uint64(11)) + 0.5) * _SCALE


@kernel
def _rare(state, layer, x):
    """What one draw in a hundred needs: the tail or a wedge. The state, the value, and whether it is accepted."""
    if layer == 0:
        while True:
            state, bits = _next(state)
            beyond = -np.log(_uniform(bits)) / _TAIL
            state, bits = _next(state)
            if -2.0 * np.log(_uniform(bits)) > beyond * beyond:
                return state, _TAIL + beyond, True
    state, bits = _next(state)
    height = _DENSITY[layer] + _uniform(bits) * (_DENSITY[layer + 1] - _DENSITY[layer])
    return state, x, height < np.exp(-0.5 * x * x)


@kernel
def _fill(out, seed, first):
    """Standard normal numbers, row k of realisation first + k (Marsaglia & Tsang 2000; 53 bits, Doornik 2005)."""
    for row in range(out.shape[0]):
        line = out[row]
        _, state = _next(np.uint64(seed))
        _, state = _next(state + np.uint64(first + row) * _STEP)
        for i in range(line.size):
            while True:
                state, bits = _next(state)
                layer = int(bits & np.uint64(_LAYERS - 1))
                x = (float(bits >> np.uint64(11)) + 0.5) * _SCALE * get(_RIGHT, layer)
                accepted = x < get(_RIGHT, layer + 1)
                if not accepted:
                    state, x, accepted = _rare(state, layer, x)
                if accepted:
                    put(line, i, x if bits & np.uint64(_LAYERS) else -x)
                    break


def white_noise(trials: int, n: int, *, seed: int, first: int = 0) -> Floats:
    """Standard normal realisations first … first + trials − 1, float64 (trials, n)."""
    out = np.empty((trials, n))
    _fill(out, seed % 2**64, first)
    return out
