"""The source: a market that makes one step at a time."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from btcframe.api import Batch
from btcframe.errors import DataError
from btcframe.types import EVENT, LEVELS, NS, EventFlag, Instrument, Kind, duration_ns

START_NS = 1_704_067_200 * NS
"""2024-01-01T00:00:00Z: where it begins."""

FIRST_BID = 600_000
"""The best bid at the start, ticks."""

LOTS = 1000
"""What stands at each price."""

BATCH = 4096
"""Messages a batch holds."""


@dataclass(frozen=True)
class AcmeAll:
    """A seeded market: each message is a trade, or moves the book by a tick, up or down, with equal chances.

    The spread is one tick, and each level holds the same: nothing predicts anything.

    Parameters
    ----------
    duration : str      length of the market
    every : str         time between two messages
    """

    duration: str = "1h"
    every: str = "200ms"

    def __post_init__(self):
        """Refuse what has no meaning, before any work; the message begins with the field."""
        for name in ("duration", "every"):
            try:
                duration_ns(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    @property
    def span_ns(self):
        """Length of the market: too long a one is refused before any work."""
        return duration_ns(self.duration)

    def open(self, *, seed):
        """Start from the beginning."""
        if self.span_ns < duration_ns(self.every):
            raise DataError(f"the market is empty: nothing happens within {self.duration}")
        return Feed(self, seed)

    def fingerprint(self):
        """Empty: config and seed say it all. A source of files returns a hash of them."""
        return ""


class Feed:
    """An open market: iterate it for batches, in order of consumption."""

    def __init__(self, source, seed):
        self.instrument = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
        self._step_ns = duration_ns(source.every)
        self._messages = source.span_ns // self._step_ns
        self._seed = seed

    def __iter__(self):
        steps = np.random.default_rng(self._seed)
        bid = FIRST_BID
        yield Batch(_snapshot(bid))
        for first in range(0, self._messages, BATCH):
            found = []
            for i in range(first, min(first + BATCH, self._messages)):
                step = int(steps.integers(-1, 2))
                stamp = START_NS + (i + 1) * self._step_ns
                found += [(stamp, *change) for change in (_moved(bid, step) if step else _trade(bid, i))]
                found[-1] = (*found[-1][:-1], int(EventFlag.END))  # a message ends with its last event
                bid += step
            yield Batch(_events(found))

    def close(self):
        """Nothing is held."""


def _moved(bid, step):
    """The book goes up or down by a tick: what was best is gone, and the far ends follow."""
    if step > 0:
        gone, new = (-1, bid + 1), (1, bid + 1)
        far = ((1, bid - LEVELS + 1, 0), (-1, bid + LEVELS + 1, LOTS))
    else:
        gone, new = (1, bid), (-1, bid)
        far = ((-1, bid + LEVELS, 0), (1, bid - LEVELS, LOTS))
    return [(Kind.DEPTH, side, ticks, lots, 0) for side, ticks, lots in ((*gone, 0), (*new, LOTS), *far)]


def _trade(bid, i):
    """One lot, bought at the ask or sold at the bid in turns."""
    return [(Kind.TRADE, 1, bid + 1, 1, 0) if i % 2 else (Kind.TRADE, -1, bid, 1, 0)]


def _snapshot(bid):
    """The whole book, as a feed begins."""
    book = [(1, bid - k) for k in range(LEVELS)] + [(-1, bid + 1 + k) for k in range(LEVELS)]
    found = [(START_NS, Kind.CLEAR, 0, 0, 0, EventFlag.SNAPSHOT)]
    found += [(START_NS, Kind.DEPTH, side, ticks, LOTS, EventFlag.SNAPSHOT) for side, ticks in book]
    found[-1] = (*found[-1][:-1], EventFlag.SNAPSHOT | EventFlag.END)
    return _events(found)


def _events(found):
    """EVENT[n] of (stamp, kind, side, ticks, lots, flags)."""
    events = np.zeros(len(found), EVENT)
    for name, column in zip(
        ("local_ts", "kind", "side", "ticks", "lots", "flags"), zip(*found, strict=True), strict=True
    ):
        events[name] = column
    events["exch_ts"] = events["send_ts"] = events["local_ts"]
    return events
