"""A market for demos and tests that needs no data and has nothing to find in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from btcframe.api import Batch
from btcframe.errors import DataError
from btcframe.types import EVENT, LEVELS, NS, EventArray, Instrument, duration_ns

START_NS = 1_704_067_200 * NS
"""2024-01-01T00:00:00Z: where every walk begins."""

BATCH = 65536

# beyond these a price no longer fits an integer of ticks, or a float of it loses the single tick
_MOST_TICKS = 1e12
_MOST_BPS = 1e4
_LARGEST_LOT = 1e9


@dataclass(frozen=True)
class RandomWalk:
    """Mid price as a random walk with a book of fixed depth around it. Seeded; claims no realism.

    The spread is one tick and the levels are contiguous; their sizes, the trades and the walk are independent of
    each other, so nothing predicts anything.

    Parameters
    ----------
    duration : str      length of the market, e.g. 1h
    rate : float        messages per second, mean
    price : float       first price, quote
    tick : float        price step, quote
    lot : float         size step, base coin
    volatility : float  standard deviation of the price over one second, bps
    levels : int        book levels per side, at least 20
    latency : str       local receipt after exchange time
    seed_offset : int   added to the run's seed: other markets of one run
    """

    duration: str = "6h"
    rate: float = 5.0
    price: float = 20_000.0
    tick: float = 0.1
    lot: float = 0.001
    volatility: float = 2.0
    levels: int = 25
    latency: str = "5ms"
    seed_offset: int = 0

    def __post_init__(self) -> None:
        for name in ("duration", "latency"):
            try:
                duration_ns(getattr(self, name), zero=True)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        for name in ("rate", "price", "tick", "lot"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name}: {value} is not a positive number")
        if not (self.volatility >= 0 and math.isfinite(self.volatility)):
            raise ValueError(f"volatility: {self.volatility} is not a number >= 0")
        if not LEVELS <= self.levels <= 1000:
            raise ValueError(f"levels: {self.levels} is not between {LEVELS} and 1000")
        if self.price / self.tick < 4 * self.levels:
            raise ValueError(f"price: {self.price} is less than {4 * self.levels} ticks (4 * levels)")
        if self.price / self.tick > _MOST_TICKS:
            raise ValueError(f"price: {self.price:g} is more than {_MOST_TICKS:.0e} ticks of {self.tick:g}")
        if self.rate > NS:
            raise ValueError(f"rate: {self.rate:g} is more than one message per nanosecond")
        if self.volatility > _MOST_BPS:
            raise ValueError(f"volatility: {self.volatility:g} is more than {_MOST_BPS:g} bps per second")
        if self.lot > _LARGEST_LOT:
            raise ValueError(f"lot: {self.lot:g} is more than {_LARGEST_LOT:g}")
        if self.seed_offset < 0:
            raise ValueError(f"seed_offset: {self.seed_offset} is negative")

    def open(self, *, seed: int) -> RandomWalkFeed:
        """Start the walk. Raises DataError if its length holds no message."""
        return RandomWalkFeed(self, seed)

    @property
    def span_ns(self) -> int:
        """Length of the market, ns."""
        return duration_ns(self.duration, zero=True)

    def fingerprint(self) -> str:
        """Empty: config and seed say it all."""
        return ""


class RandomWalkFeed:
    """An open walk: batches of 65,536 events, flat memory however long it is."""

    def __init__(self, source: RandomWalk, seed: int) -> None:
        from btcframe.kernels.walk import WALK  # brings numba: only when opened

        self.instrument = Instrument("BTC/USDT:USDT", Decimal(repr(source.tick)), Decimal(repr(source.lot)))
        self._state = np.zeros(1, WALK)
        state = self._state[0]
        entropy = np.random.SeedSequence([seed, source.seed_offset])
        state["random"] = entropy.generate_state(1, np.uint64)[0]
        state["now"] = START_NS
        state["end"] = START_NS + duration_ns(source.duration, zero=True)
        state["latency"] = duration_ns(source.latency, zero=True)
        state["gap"] = NS / source.rate
        state["sigma"] = source.price * source.volatility * 1e-4 / source.tick / math.sqrt(NS)
        state["latent"] = source.price / source.tick
        state["floor"] = 2 * source.levels
        state["bid"] = math.floor(source.price / source.tick)
        state["levels"] = source.levels
        self._first = self._next()
        if len(self._first) <= 2 * source.levels + 1:  # the snapshot alone
            raise DataError(
                f"the market is empty: in {source.duration} nothing happens at {source.rate:g} messages a second",
                where="source.duration",
                next="Make it longer, e.g. source.duration=1h",
            )

    def __iter__(self) -> Iterator[Batch]:
        events = self._first
        while len(events):
            yield Batch(events)
            events = self._next()

    def close(self) -> None:
        """Nothing is held."""

    def _next(self) -> EventArray:
        from btcframe.kernels.walk import walk

        events = np.zeros(BATCH, EVENT)
        return events[: walk(self._state, events)]
