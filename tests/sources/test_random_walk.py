from __future__ import annotations

import numpy as np
import pytest

from btcframe.errors import DataError
from btcframe.kernels.book import apply, new_book, top
from btcframe.sources.random_walk import START_NS, RandomWalk
from btcframe.types import NS, EventArray, EventFlag, Kind


def events_of(source: RandomWalk, seed: int = 1) -> EventArray:
    batches = list(source.open(seed=seed))
    assert all(len(b.events) <= 65536 and not b.frames for b in batches)
    return np.concatenate([b.events for b in batches])


def test_the_book_is_never_crossed_and_always_deep_after_a_message() -> None:
    for source in (RandomWalk(duration="10m"), RandomWalk(duration="2m", volatility=20.0, levels=20)):
        events = events_of(source)
        book = new_book()
        out = [np.zeros(20, np.int64) for _ in range(4)]
        for i, event in enumerate(events):
            apply(book, events, i, i + 1)
            if event["flags"] & EventFlag.END:
                assert top(book, *out) == (True, 20, 20)
                assert out[2][0] - out[0][0] == 1
                assert book["n"][0].tolist() == [source.levels] * 2


def test_rate_time_and_volatility_are_as_asked_for() -> None:
    events = events_of(RandomWalk(duration="12h", rate=8.0, volatility=0.2, latency="20ms"))
    assert (np.diff(events["local_ts"]) >= 0).all()
    assert set((events["local_ts"] - events["exch_ts"]).tolist()) == {20_000_000}
    assert events["exch_ts"][0] == START_NS
    assert events["exch_ts"][-1] <= START_NS + 12 * 3600 * NS
    messages = len(np.unique(events["update_id"]))
    assert messages == pytest.approx(12 * 3600 * 8, rel=0.01)
    bids = (events["kind"] == Kind.TRADE) & (events["side"] < 0)
    second = (events["exch_ts"][bids] - START_NS) // (60 * NS)
    last = np.searchsorted(second, np.unique(second), side="right") - 1
    moves = np.diff(events["ticks"][bids][last]) / 200_000 * 1e4
    assert np.std(moves) == pytest.approx(0.2 * np.sqrt(60), rel=0.15)


def test_seeded() -> None:
    one = events_of(RandomWalk(duration="5m"), seed=3)
    assert one.tobytes() == events_of(RandomWalk(duration="5m"), seed=3).tobytes()
    assert one.tobytes() != events_of(RandomWalk(duration="5m"), seed=4).tobytes()
    assert one.tobytes() != events_of(RandomWalk(duration="5m", seed_offset=1), seed=3).tobytes()
    assert events_of(RandomWalk(duration="10m"), seed=3)[: len(one)].tobytes() == one.tobytes()


def test_prices_stay_positive() -> None:
    events = events_of(RandomWalk(duration="30m", price=10.0, tick=0.1, levels=25, volatility=200.0))
    assert (events["ticks"][events["kind"] != Kind.CLEAR] > 0).all()


@pytest.mark.parametrize("duration", ["0s", "0ms", "1ms"])
def test_an_empty_market(duration: str) -> None:
    with pytest.raises(DataError, match="the market is empty"):
        RandomWalk(duration=duration).open(seed=1)


@pytest.mark.parametrize(
    "bad",
    [
        {"duration": "long"},
        {"latency": "-5ms"},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"price": -1.0},
        {"tick": 0.0},
        {"lot": float("inf")},
        {"volatility": -0.1},
        {"levels": 19},
        {"levels": 5000},
        {"price": 5.0},
        {"price": 1e308},
        {"rate": 1e308},
        {"volatility": 1e308},
        {"lot": 1e300},
        {"seed_offset": -1},
        {"duration": "99999999999d"},
    ],
)
def test_bad_settings(bad: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(bad))}: "):
        RandomWalk(**bad)


def test_instrument() -> None:
    instrument = RandomWalk(tick=0.5, lot=0.01).open(seed=0).instrument
    assert (instrument.symbol, str(instrument.tick), str(instrument.lot)) == ("BTC/USDT:USDT", "0.5", "0.01")
