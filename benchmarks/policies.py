"""Claim: what a policy decides costs some 10 µs per wake, a quarter of the wake or less.

Every policy trades the market through the simulated venue, without fees, so that it always has something to do; what
it was asked is kept, and then asked again by itself. The peer is the whole wake: the same market through the same
trader, woken as often, with a policy that asks for nothing. Parity: asked again, each answers the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.frame import table, take_turns
from benchmarks.inputs import SEED, Market, fitted, markets
from btcframe.api import Intent, Position, Wakes
from btcframe.api import Market as View
from btcframe.models.artefacts import FittedModel
from btcframe.trading.trader import Promotion, Trader
from btcframe.venues.sim import Sim
from btcframe_execution import Adaptive, MarketPolicy, Passive, Twap

CHUNK = 65536
KEPT = 20_000


@dataclass(frozen=True)
class Idle:
    """Asks for nothing."""

    @property
    def wakes(self) -> Wakes:
        return Wakes(best=True)

    def decide(self, market: View, position: Position) -> Sequence[Intent]:
        return ()


class Kept:
    """A policy, the first situations it was asked about, and its answers."""

    def __init__(self, policy: Any) -> None:
        self.policy, self.wakes = policy, policy.wakes
        self.asked: list[tuple[View, Position]] = []
        self.answers: list[Sequence[Intent]] = []

    def decide(self, market: View, position: Position) -> Sequence[Intent]:
        answer: Sequence[Intent] = self.policy.decide(market, position)
        if len(self.asked) < KEPT:
            self.asked.append((market, position))
            self.answers.append(answer)
        return answer


def trade(market: Market, model: FittedModel, policy: Any) -> Trader:
    trader = Trader(
        market.pipeline(wakes=policy.wakes), Sim(maker_fee_bps=0.0, taker_fee_bps=0.0).open(market.instrument, seed=SEED),
        policy, {}, cash=1e5, schedule=[Promotion(0, model)], horizons_ns=(10**9,),
    )  # fmt: skip
    for a in range(0, len(market.events), CHUNK):
        trader.consume(market.events[a : a + CHUNK])
    return trader


def ask(policy: Any, asked: Sequence[tuple[View, Position]]) -> list[Sequence[Intent]]:
    decide = policy.decide
    return [decide(market, position) for market, position in asked]


def main() -> None:
    policies: dict[str, Any] = {
        "market": MarketPolicy(fee_bps=0.0),
        "passive": Passive(fee_bps=0.0),
        "adaptive": Adaptive(maker_fee_bps=0.0, taker_fee_bps=0.0),
        "twap": Twap(maker_fee_bps=0.0, taker_fee_bps=0.0),
    }
    for market in markets():
        model = fitted(market)
        kept = {name: Kept(policy) for name, policy in policies.items()}
        for policy in kept.values():
            trade(market, model, policy)
        for name, policy in kept.items():
            assert ask(policies[name], policy.asked) == policy.answers, f"{name} is not pure"
        wakes = trade(market, model, Idle()).counts["wakes"]
        whole, *timings = take_turns(
            partial(trade, market, model, Idle()),
            *(partial(ask, policies[name], policy.asked) for name, policy in kept.items()),
        )
        rows: list[tuple[str, ...]] = [
            ("the wake, a policy that asks for nothing", whole.each(wakes), "", "")
        ]
        for (name, policy), timing in zip(kept.items(), timings, strict=True):
            n = len(policy.asked)
            acts = sum(map(bool, policy.answers)) / n
            share = (timing.median / n) / (whole.median / wakes)
            rows.append((name, timing.each(n), f"{share:.2f}×", f"{acts:.0%}"))
        table(
            f"Decisions: {market.name}", "policy", "per wake", "of the wake", "wakes it acts on", rows=rows,
            note="Wakes by rows, best prices and reports; market by rows and reports alone.",
        )  # fmt: skip
