"""Our simulated venue judged by hftbacktest: the same orders, market, queue model and latencies, fill by fill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judge import environment, markets, ours, script, trial
from judge.environment import Judge

from btcframe.types import QueueModel

Record = Callable[[str, object], None]

LEAST = 0.99
"""Share of identical fills that is asked for, whatever the queue model."""

HARD = script.Mix(crowded=True, size=2.0, spread=1.5)
"""Orders larger than what is offered, several at a price."""

pytestmark = pytest.mark.drill


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    try:
        python = environment.interpreter()
    except environment.MissingError as error:
        pytest.skip(str(error))
    with environment.judge(python) as asked:
        yield asked


def put(judge: Judge, market: markets.Market, mix: script.Mix = script.ORDINARY) -> trial.Put:
    return trial.put(judge, market, script.write(market.events, seed=1, orders=4_000, mix=mix))


def check(record: Record, judge: Judge, asked: trial.Put, least: float = LEAST) -> None:
    verdicts = {model.ours: trial.trial(judge, asked, model) for model in trial.MODELS}
    record("table", trial.lines(asked.market.name, verdicts))
    for queue, v in verdicts.items():
        unexplained = [difference for difference in v.differences if not difference.cause]
        assert not unexplained, (queue, unexplained[:5])
        assert v.identical > 1_000
        assert v.makers > 500
        assert v.share >= least, (queue, v.causes)


@pytest.mark.parametrize("name", markets.MADE)
def test_our_fills_are_hftbacktest_s_on_a_made_market(
    judge: Judge, record_property: Record, name: str
) -> None:
    check(record_property, judge, put(judge, markets.made(name)))


@pytest.mark.shared
@pytest.mark.parametrize("name", markets.RECORDED)
def test_our_fills_are_hftbacktest_s_on_a_recorded_market(
    judge: Judge, record_property: Record, market_data: Path, name: str
) -> None:
    check(record_property, judge, put(judge, markets.recorded(name, market_data)))


def test_each_difference_of_large_orders_has_its_cause(judge: Judge, record_property: Record) -> None:
    market = markets.made(markets.BUSY)._replace(name=f"{markets.BUSY}, large orders")
    check(record_property, judge, put(judge, market, HARD), 0.9)


def test_each_difference_about_a_lost_book_has_its_cause(judge: Judge, record_property: Record) -> None:
    market = markets.with_gaps(markets.made(markets.BUSY))
    check(record_property, judge, put(judge, market), 0.9)


@pytest.mark.parametrize(
    "changed",
    [
        {"queue": QueueModel.log2},
        {"queue_power": 2.1},
        {"latency": "20001us"},
        {"bounded": True},
        {"levels": 1},
    ],
    ids=str,
)
def test_a_venue_that_is_otherwise_is_found_out(judge: Judge, changed: dict[str, object]) -> None:
    """The evidence excuses nothing else: the slightest change leaves differences without a cause."""
    asked, model = put(judge, markets.made(markets.BUSY), HARD), trial.MODELS[3]
    assert "" not in trial.trial(judge, asked, model).causes
    assert trial.trial(judge, asked, model, replace(trial.venue(model), **changed)).causes[""] > 0


@pytest.mark.parametrize("name", markets.MADE)
def test_by_default_ours_is_not_the_more_generous(judge: Judge, record_property: Record, name: str) -> None:
    """Lots filled for the same orders: hftbacktest's most careful queue model against what we take unless told."""
    asked = put(judge, markets.made(name))
    theirs = judge.ask(asked.place, trial.request(trial.MODELS[0], asked.market.instrument)).fills
    gateway = trial.by_default().open(asked.market.instrument, seed=0)
    own = ours.run(asked.market.events, asked.commands, gateway)
    makers, takers = (
        int(own["lots"][own["maker"] == maker].sum()) / int(theirs["lots"][theirs["maker"] == maker].sum())
        for maker in (1, 0)
    )
    record_property("table", f"| {name} | {makers:.1%} of hftbacktest's as maker | {takers:.1%} as taker |")
    assert np.sum(own["lots"]) < np.sum(theirs["lots"])
