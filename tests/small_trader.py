"""A small trading session on the random walk: two columns, a model that adds them up, policies that are scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.api import Action, Column, Intent, Market, Position, Wakes
from btcframe.clocks.time import TimeClock
from btcframe.models.artefacts import FittedModel
from btcframe.pipeline import Pipeline
from btcframe.sources.random_walk import RandomWalk
from btcframe.trading.forecasts import Promotion
from btcframe.trading.trader import Trader
from btcframe.types import NS, EventArray, Instrument, OrderState, TimeInForce
from btcframe.venues.sim import Sim

HORIZONS = (NS, 5 * NS)
CASH = 100_000.0


@dataclass(frozen=True)
class Book:
    """Two columns of the last row."""

    def columns(self) -> tuple[Column, ...]:
        return (Column("imbalance"), Column("mid"))

    def state(self, instrument: Any) -> Any:
        return np.zeros(1, [("rows", "i8")])

    def update(self, rows: Any, state: Any, out: Any) -> None:
        bid, ask = rows["bid_sz"][:, 0], rows["ask_sz"][:, 0]
        out[:, 0] = (bid - ask) / (bid + ask)
        out[:, 1] = rows["mid"]


@dataclass(frozen=True)
class Flat:
    """A regime with one descriptor."""

    def columns(self) -> tuple[Column, ...]:
        return (Column("regime_rows"),)

    def state(self, instrument: Any) -> Any:
        return np.zeros(1, [("rows", "i8")])

    def update(self, rows: Any, state: Any, out: Any) -> None:
        out[:, 0] = state["rows"][0] + np.arange(len(rows))
        state["rows"] += len(rows)

    def fit(self, descriptors: Any, *, seed: int) -> Any: ...

    def load(self, directory: Path) -> Any: ...


class Counter:
    """A labeler that counts the rows it has seen: its memory is fresh with every scorer."""

    labels = ("a", "b")

    def state(self) -> Any:
        return np.zeros(1, [("rows", "i8")])

    def update(self, descriptors: Any, state: Any, out: Any) -> None:
        for i in range(len(descriptors)):
            state["rows"] += 1
            out[i] = (1 / state["rows"][0], 1 - 1 / state["rows"][0])

    def save(self, directory: Path) -> None: ...


class Linear:
    """Predicts `scale` times the imbalance."""

    def __init__(self, scale: float, columns: tuple[str, ...] = ("imbalance", "mid")) -> None:
        self.columns, self.horizons_ns, self.scale = columns, HORIZONS, scale

    def predict(self, x: Any, regime: Any, out: Any) -> None:
        for h, horizon in enumerate(HORIZONS):
            out["horizon_ns"][:, h] = horizon
            out["mean"][:, h] = self.scale * x[:, 0] * (h + 1)
            for name in ("p_up", "low", "high"):
                out[name][:, h] = np.nan

    def save(self, directory: Path) -> None: ...


def model(
    scale: float = 10.0, index: int = 0, columns: tuple[str, ...] = ("imbalance", "mid")
) -> FittedModel:
    return FittedModel(Counter(), Linear(scale, columns), ("regime_rows",), index)


@dataclass(frozen=True)
class Script:
    """A policy that calls a function."""

    function: Callable[[Market, Position], Sequence[Intent]]
    wakes: Wakes = field(default_factory=Wakes)

    def decide(self, market: Market, position: Position) -> Sequence[Intent]:
        return self.function(market, position)


def chase(market: Market, position: Position) -> Sequence[Intent]:
    """Everything a policy can do: takes, rests, amends, cancels, closes."""
    now, out = market.prediction[-1], []
    side = int(np.sign(now["mean"])) if now["mean"] == now["mean"] else 0
    for order in position.working:
        if order.state == OrderState.PENDING_CANCEL:
            continue
        best = int((market.bid_ticks if order.side > 0 else market.ask_ticks)[0])
        if order.side != side or market.now_ns - order.ns > 2 * NS:
            out.append(Intent(Action.CANCEL, order_id=order.order_id))
        elif order.ticks != best:
            out.append(Intent(Action.AMEND, lots=order.lots + 1, ticks=best, order_id=order.order_id))
    if side and not position.working and abs(position.lots + side) < 40:
        best = int((market.bid_ticks if side > 0 else market.ask_ticks)[0])
        out.append(Intent(Action.SUBMIT, side, 5, best, TimeInForce.POST_ONLY, reason="join"))
        if abs(now["mean"]) > 12:
            out.append(Intent(Action.SUBMIT, side, 3, 0, TimeInForce.IOC, reason="take"))
        if position.lots * side < 0:
            out.append(Intent(Action.SUBMIT, side, 100, 0, TimeInForce.IOC, True, reason="close"))
    return out


def walk(duration: str = "40s", rate: float = 40.0) -> EventArray:
    feed = RandomWalk(duration=duration, rate=rate, volatility=1.0).open(seed=3)
    return np.concatenate([batch.events for batch in feed])


EVENTS = walk()
INSTRUMENT = RandomWalk().open(seed=3).instrument
START = int(EVENTS["local_ts"][0])
SCHEDULE = (
    Promotion(START + 5 * NS, model(10.0, 0), "models/fold-0"),
    Promotion(START + 20 * NS, model(-15.0, 1), "models/fold-1"),
    Promotion(START + 33 * NS, None),
)


def trader(
    policy: Any, rules: Any = (), venue: Sim | None = None, *, wrap: Callable[[Any], Any] = lambda gateway: gateway,
    instrument: Instrument = INSTRUMENT, contain: bool = False, held: int = 0, **settings: Any,
) -> Trader:  # fmt: skip
    """A trader; `wrap` puts something around its gateway, `contain` lets it go on without plugins that raise."""
    pipeline = Pipeline(
        instrument, TimeClock("100ms"), {"book": Book()}, Flat(), wakes=policy.wakes, contain=contain
    )
    venue = venue or Sim(latency="30ms", report_latency="20ms", feed_latency="0s")
    gateway = wrap(venue.open(instrument, seed=0, held=held) if held else venue.open(instrument, seed=0))
    options = {"cash": CASH, "schedule": SCHEDULE, "horizons_ns": HORIZONS} | settings
    return Trader(pipeline, gateway, policy, dict(rules), contain=contain, **options)


def play(subject: Trader, cuts: Sequence[int] = (), *, finish: bool = True) -> Trader:
    for part in np.split(EVENTS, sorted(cuts)):
        subject.consume(part)
    if finish:
        subject.finish()
    return subject


CHASE = Script(chase, Wakes(best=True, timer_ns=NS // 3))


def first_intents(*intents: Intent) -> Script:
    """A policy that asks for these on its first decision, and for nothing after."""

    def decide(market: Market, position: Position) -> Sequence[Intent]:
        return () if position.lots or market.now_ns > START + 2 * NS else intents

    return Script(decide)
