"""What a trader leaves for others to look at, made by hand; and a session that only says what it is told to say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from btcframe.api import Account, Market, Position, TraderState
from btcframe.clock_offset import ClockOffset
from btcframe.latency import Latency
from btcframe.models.drift import Health
from btcframe.models.production import Standing
from btcframe.types import EVENT, NS, PREDICTION, ROW, EventFlag, Instrument
from btcframe.watch.signals import Seen, Signals

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
NOW_NS = 1_700_000_000 * NS
HORIZONS = (NS, 5 * NS)


class Clock:
    """Monotonic time that stands still until it is moved."""

    def __init__(self) -> None:
        self.ns = 5 * NS

    def __call__(self) -> int:
        return self.ns


def market(bids: Any, asks: Any, **changes: Any) -> Market:
    """Of levels (ticks, lots), best first."""
    row = np.zeros(1, ROW)[0]
    row["row_ns"], row["quality"] = NOW_NS - NS, 0.75
    prediction = np.zeros(len(HORIZONS), PREDICTION)
    prediction["horizon_ns"], prediction["mean"] = HORIZONS, (1.5, -2.5)
    prediction["p_up"], prediction["low"], prediction["high"], prediction["model"] = 0.6, np.nan, 9.0, 4
    sides = [np.array(levels, np.int64).reshape(-1, 2).T for levels in (bids, asks)]
    (bid_ticks, bid_lots), (ask_ticks, ask_lots) = sides
    usable = bool(len(bid_ticks) and len(ask_ticks) and bid_ticks[0] < ask_ticks[0])
    made = Market(
        NOW_NS, INSTRUMENT, usable, bid_ticks, bid_lots, ask_ticks, ask_lots, row, np.array([0.25, 0.875]),
        ("imbalance", "execution_urgency"), np.array([0.25, 0.75]), prediction, regimes=("calm", "wild"),
    )  # fmt: skip
    return made._replace(**changes)


def account(lots: int = -2, **changes: Any) -> Account:
    made = Account(
        Position(lots, 100.0), 1000.0, 950.0, 1900.0, 3.5, day_equity=940.0, state=TraderState.ACTIVE
    )
    return made._replace(**changes)


def ladder(best: int, step: int, lots: int = 10, levels: int = 20) -> list[tuple[int, int]]:
    return [(best + step * i, lots + i) for i in range(levels)]


def seen(mono_ns: int, **changes: Any) -> Seen:
    made = Seen(mono_ns, NOW_NS, NOW_NS - 40_000_000, market(ladder(1000, -1), ladder(1002, 1)), account())
    return made._replace(**changes)


def timed(latency: Latency, mono_ns: int, *, rows: int = 1) -> None:
    """Messages on their way, one of them closing a row."""
    events = np.zeros(1, EVENT)
    events["local_ts"], events["mono_ts"], events["flags"] = NOW_NS, mono_ns, EventFlag.END
    events["send_ts"], events["exch_ts"] = NOW_NS - 3_000_000, NOW_NS - 5_000_000
    latency.decoded(events)
    latency.booked(events, 0, 1)
    for _ in range(rows):
        latency.closed()
        latency.signalled()


class Session:
    """An Observed whose words are attributes; commands change its state at once, unless it is deaf."""

    def __init__(self, now: Any = None, *, deaf: bool = False) -> None:
        self.clock = now or Clock()
        self.latency = Latency(self.clock)
        self.signals = Signals(self.latency, self.clock)
        self.deaf = deaf
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.state = TraderState.ACTIVE
        self.cause = ""
        self.counted: dict[str, dict[str, Any]] = {
            "connection": {"messages": 12, "waited_ms": 1500, "most_waiting": 300},
            "trader": {"fills": 3},
        }
        self.denied: dict[str, int] = {"max_position": 2}
        self.known = ClockOffset().offset
        self.health = Health()

    def live(self, **changes: Any) -> Session:
        """Leave a snapshot."""
        mono_ns = changes.pop("mono_ns", self.clock())
        told = {"account": account(state=self.state), "cause": self.cause} | changes
        self.signals.publish(seen(mono_ns, **told))
        return self

    def about(self) -> dict[str, str]:
        return {"id": "20260101T000000Z-trade-0", "symbol": INSTRUMENT.symbol, "policy": "market"}

    def get_execution_signals(self) -> Any:
        return self.signals.read()

    def counters(self) -> Any:
        return {part: dict(counted) for part, counted in self.counted.items()}

    def vetoes(self) -> Any:
        return dict(self.denied)

    def model(self) -> dict[str, Any]:
        return {**Standing()._asdict(), "refused": "", **self.health.plain()}

    def offset(self) -> Any:
        return self.known

    def ask(self, name: str, /, **data: Any) -> None:
        self.asked.append((name, data))
        if not self.deaf:
            self.state = TraderState.HALTED if name == "halt" else TraderState.ACTIVE
            self.cause = data["why"] if name == "halt" else ""
            self.live()
