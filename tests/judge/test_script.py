"""Scripts: seeded, by time, of every kind, never two requests of an order at once."""

from __future__ import annotations

import numpy as np
import pytest

from btcframe.api import Action
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import NS, EventArray, Kind, TimeInForce
from judge import script


@pytest.fixture(scope="module")
def events() -> EventArray:
    return np.concatenate([batch.events for batch in RandomWalk(duration="2m").open(seed=1)])


@pytest.fixture(scope="module")
def commands(events: EventArray) -> np.ndarray:
    return script.write(events, seed=1, orders=600)


def test_the_same_seed_gives_the_same_script(events: EventArray, commands: np.ndarray) -> None:
    assert script.write(events, seed=1, orders=600).tobytes() == commands.tobytes()
    assert script.write(events, seed=2, orders=600).tobytes() != commands.tobytes()


def test_it_holds_every_kind_of_order(commands: np.ndarray) -> None:
    submitted = commands[commands["action"] == Action.SUBMIT]
    assert set(submitted["tif"]) == set(TimeInForce)
    assert set(submitted["side"]) == {-1, 1}
    assert 0 < np.count_nonzero(submitted["ticks"] == 0) < len(submitted) / 2
    assert set(commands["action"]) == set(Action)
    assert (submitted["lots"] >= 1).all()
    assert submitted["order_id"].tolist() == list(range(1, len(submitted) + 1))


def test_it_is_by_time_and_ends_before_the_market(events: EventArray, commands: np.ndarray) -> None:
    assert (np.diff(commands["ns"]) >= 0).all()
    assert commands["ns"][0] >= events["local_ts"][0]
    assert commands["ns"][-1] < events["local_ts"][-1] - NS


def test_requests_of_an_order_are_apart_and_end_with_a_cancel(commands: np.ndarray) -> None:
    for order_id in np.unique(commands["order_id"]):
        asked = commands[commands["order_id"] == order_id]
        assert (np.diff(asked["ns"]) >= script.APART_NS).all()
        assert asked["action"][0] == Action.SUBMIT
        assert Action.SUBMIT not in asked["action"][1:]
        assert Action.CANCEL not in asked["action"][:-1]


def test_an_amendment_changes_the_price_or_makes_it_smaller(commands: np.ndarray) -> None:
    known: dict[int, tuple[int, int]] = {}
    for c in commands:
        if c["action"] == Action.AMEND:
            ticks, lots = known[int(c["order_id"])]
            assert c["lots"] == lots or (c["ticks"] == ticks and c["lots"] < lots)
        if c["action"] != Action.CANCEL:
            known[int(c["order_id"])] = int(c["ticks"]), int(c["lots"])


def test_a_market_without_a_book_gets_no_orders(events: EventArray) -> None:
    blind = events.copy()
    blind["kind"] = Kind.HEARTBEAT
    assert len(script.write(blind, seed=1, orders=50)) == 0


def test_prices_are_shared_only_in_a_crowd(events: EventArray) -> None:
    def at_one_price(mix: script.Mix) -> int:
        standing: dict[int, tuple[int, int]] = {}
        together = 0
        for c in script.write(events, seed=3, orders=400, mix=mix):
            place = (int(c["side"]), int(c["ticks"]))
            if c["action"] == Action.CANCEL:
                standing.pop(int(c["order_id"]))
            elif c["tif"] in (TimeInForce.GTC, TimeInForce.POST_ONLY) or c["action"] == Action.AMEND:
                together += place in {where for k, where in standing.items() if k != c["order_id"]}
                standing[int(c["order_id"])] = place
        return together

    resting = script.Mix(crossing=0, post_only_crossing=0, ioc=0, fok=0, market=0)
    assert at_one_price(resting._replace(crowded=True)) > 50
    assert at_one_price(resting) < 20  # an amendment may cross to a price where one stands
