"""One market, one script, every queue model, through both simulators."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.hftbacktest_events import to_hftbacktest
from btcframe.types import Instrument, LatencyModel, QueueModel
from btcframe.venues.sim import Sim
from judge import ours, verdict
from judge.environment import Judge, Request
from judge.markets import Market

ENTRY_NS, RESPONSE_NS, FEED_NS = 20_000_000, 30_000_000, 10_000_000
"""From us to the venue; from it to us, of orders; and of market data."""

POWER = 2.0
"""Of the probabilistic models that have one."""


class Model(NamedTuple):
    """A queue model by our name, and by theirs with its arguments."""

    ours: str
    theirs: str
    arguments: tuple[float, ...] = ()


MODELS = (
    Model("risk_averse", "risk_adverse_queue_model"),
    Model("log", "log_prob_queue_model"),
    Model("log2", "log_prob_queue_model2"),
    Model("power", "power_prob_queue_model", (POWER,)),
    Model("power2", "power_prob_queue_model2", (POWER,)),
    Model("power3", "power_prob_queue_model3", (POWER,)),
)


def venue(model: Model) -> Sim:
    """Our venue with hftbacktest's rules where it has a choice, which is not how it is by default."""
    return Sim(
        queue=QueueModel[model.ours], queue_power=POWER, bounded=False, impact=False, levels=1_000, latencies=LatencyModel.constant,
        feed_latency=f"{FEED_NS}ns", latency=f"{ENTRY_NS}ns", report_latency=f"{RESPONSE_NS}ns",
    )  # fmt: skip


def request(model: Model, instrument: Instrument) -> Request:
    """The same for hftbacktest."""
    tick, lot = float(instrument.tick), float(instrument.lot)
    return Request(tick, lot, ENTRY_NS, RESPONSE_NS, model.theirs, model.arguments)


class Put(NamedTuple):
    """A market with a script, put down for hftbacktest."""

    market: Market
    commands: npt.NDArray[np.void]
    place: Path


def put(judge: Judge, market: Market, commands: npt.NDArray[np.void]) -> Put:
    """Put down a market and a script; what happens at the venue happens there FEED_NS before we have it."""
    data = to_hftbacktest(market.events, market.instrument)
    data["exch_ts"] -= FEED_NS
    return Put(market, commands, judge.put(data, commands))


def trial(judge: Judge, asked: Put, model: Model, sim: Sim | None = None) -> verdict.Verdict:
    """Both trade it, and each fill is judged; our venue is `venue(model)` unless another is given."""
    market, commands, place = asked
    theirs = judge.ask(place, request(model, market.instrument)).fills
    gateway = (sim or venue(model)).open(market.instrument, seed=0)
    fills = ours.run(market.events, commands, gateway)
    there = market.events.copy()  # by the venue's time
    there["local_ts"] -= FEED_NS
    return verdict.judge(there, commands, verdict.their_deals(theirs), verdict.deals(fills), ENTRY_NS)


def by_default() -> Sim:
    """Our venue as it is unless set otherwise, with the trial's latencies."""
    return replace(
        venue(MODELS[0]), queue=Sim.queue, bounded=Sim.bounded, impact=Sim.impact, levels=Sim.levels
    )


HEAD = "| market | orders | queue | fills | of makers | identical | share | differences |\n|---|---|---|---|---|---|---|---|"


def lines(name: str, verdicts: dict[str, verdict.Verdict]) -> str:
    """A market's part of the table."""
    told = [HEAD]
    for queue, v in verdicts.items():
        fills = v.identical + len(v.differences)
        told.append(
            f"| {name} | {v.orders:,} | {queue} | {fills:,} | {v.makers:,} | {v.identical:,} | {v.share:.2%} "
            f"| {_causes(v.causes)} |"
        )
    return "\n".join(told)


def _causes(causes: Counter[str]) -> str:
    return ", ".join(f"{n} {cause or 'UNEXPLAINED'}" for cause, n in causes.most_common()) or "none"
