from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from btcframe.clocks.time import TimeClock
from btcframe.facts.trades import TradeFacts
from btcframe.kernels.book import apply, new_book, top
from btcframe.kernels.flow import new_state
from btcframe.kernels.rows import build_rows
from btcframe.kernels.synthetic import MARKET, _intensities
from btcframe.sources.synthetic import START_NS, Synthetic, SyntheticFeed
from btcframe.types import CUT, NS, ROW, TRUTH, EventArray, EventFlag, Kind, RowArray, RowFlag, StateArray

NULL = Synthetic(
    duration="6h", null=True, volatility=3.0, wide=0.1
)  # many moves, and wide spreads: what might tell
SIGNAL = Synthetic(duration="6h")


def read(source: Synthetic, seed: int = 1) -> tuple[EventArray, StateArray]:
    batches = list(source.open(seed=seed))
    assert all(len(b.events) <= 65536 and not b.frames for b in batches)
    return np.concatenate([b.events for b in batches]), np.concatenate([b.truth for b in batches])


def rows_of(source: Synthetic, events: EventArray, every: str = "1s") -> RowArray:
    clock = TimeClock(every=every)
    cuts, rows = np.zeros(100_000, CUT), np.zeros(100_000, ROW)
    found, seen = clock.cuts(events, 0, clock.state(), cuts)
    state = new_state(source.open(seed=0).instrument, 0)
    return rows[: build_rows(new_book(), state, events, 0, seen, cuts, found, rows)]


@pytest.fixture(scope="module")
def markets() -> dict[str, Any]:
    """Rows of 6 hours with their truth, for the tests that need many."""
    found = {}
    for name, source in (("null", NULL), ("signal", SIGNAL)):
        events, truth = read(source)
        found[name] = (rows_of(source, events), truth)
    return found


# ------------------------------------------------------------------------------------------------ the book


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("levels", [20, 30])
def test_the_book_is_whole_and_deep_after_every_message(null: bool, levels: int) -> None:
    source = Synthetic(duration="4m", null=null, levels=levels, wide=0.2, volatility=3.0)
    events, _ = read(source)
    book = new_book()
    out = [np.zeros(20, np.int64) for _ in range(4)]
    spreads = set()
    before: tuple[int, int] | None = None
    for i, event in enumerate(events):
        apply(book, events, i, i + 1)
        if event["flags"] & EventFlag.END:
            assert top(book, *out) == (True, 20, 20)
            spread, middle = int(out[2][0] - out[0][0]), int(out[2][0] + out[0][0])
            spreads.add(spread)
            if null and before:  # a spread that opens or closes on one side would tell where the mid goes
                assert before[0] == spread or before[1] == middle
            before = spread, middle
            assert book["n"][0].min() >= 20 and book["n"][0].max() <= levels
    assert min(spreads) == 1 < max(spreads)


def test_trades_are_at_the_best_prices_or_sweep_them() -> None:
    source = Synthetic(duration="5m", wide=0.0)
    events, _ = read(source)
    book = new_book()
    out = [np.zeros(20, np.int64) for _ in range(4)]
    seen = {1: 0, -1: 0}
    for i, event in enumerate(events):
        if event["kind"] == Kind.TRADE:
            top(book, *out)
            best = out[2][0] if event["side"] > 0 else out[0][0]
            assert event["lots"] > 0
            assert (event["ticks"] - best) * event["side"] >= 0
            seen[int(event["side"])] += 1
        apply(book, events, i, i + 1)
    assert min(seen.values()) > 100


def test_time_goes_forward_and_ends_where_it_was_asked_to() -> None:
    source = Synthetic(duration="10m", latency="20ms", jitter="5ms")
    events, _ = read(source)
    assert (np.diff(events["local_ts"]) >= 0).all() and (np.diff(events["exch_ts"]) >= 0).all()
    delay = events["local_ts"] - events["exch_ts"]
    assert delay.min() >= 20_000_000 and np.mean(delay) == pytest.approx(25_000_000, rel=0.2)
    assert events["exch_ts"][0] == START_NS
    assert events["exch_ts"][-1] == START_NS + 600 * NS
    assert events["kind"][-1] == Kind.HEARTBEAT
    assert (np.diff(events["update_id"]) >= 0).all()


def test_an_end_between_two_steps_is_an_end() -> None:
    events, _ = read(Synthetic(duration="60050ms", rate=200.0))
    assert (np.diff(events["exch_ts"]) >= 0).all()
    assert events["exch_ts"][-1] == START_NS + 60_050_000_000


def test_the_truth_is_what_was_known_at_its_edge() -> None:
    """A market that ends 50 ms before an edge, where the last thing happened that was received by then, tells the same."""
    source = Synthetic(duration="20s", latency="50ms", truth_every="100ms")
    _, whole = read(source)
    for edge in range(100, 120):
        _, told = read(dataclasses.replace(source, duration=f"{100 * edge - 50}ms"))
        assert len(told) == edge
        assert told.tobytes() == whole[: len(told)].tobytes()


@pytest.mark.parametrize(("duration", "rows"), [("600s", 600), ("1h", 3600)])
def test_a_row_a_second(duration: str, rows: int) -> None:
    source = Synthetic(duration=duration)
    events, truth = read(source)
    got = rows_of(source, events)
    assert len(got) == rows
    assert got["row_ns"].tolist() == truth["row_ns"].tolist()
    assert not (got["flags"] & int(RowFlag.GAP | RowFlag.CROSSED | RowFlag.THIN)).any()


def test_the_default_is_the_main_job_s_market() -> None:
    assert Synthetic().duration == "194974s"
    events, _ = read(Synthetic(duration="1h"))
    assert len(events) >= 20 * 3600


# ------------------------------------------------------------------------------------------------- seeded


def test_seeded() -> None:
    one, truth = read(Synthetic(duration="3m"), seed=3)
    again, told = read(Synthetic(duration="3m"), seed=3)
    assert one.tobytes() == again.tobytes() and truth.tobytes() == told.tobytes()
    assert one.tobytes() != read(Synthetic(duration="3m"), seed=4)[0].tobytes()
    assert one.tobytes() != read(Synthetic(duration="3m", seed_offset=1), seed=3)[0].tobytes()
    longer = read(Synthetic(duration="6m"), seed=3)[0]
    assert longer[: len(one) - 1].tobytes() == one[:-1].tobytes()  # all but the heartbeat at the end


def test_the_same_market_however_it_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Synthetic(duration="5m", truth_every="100ms")
    events, truth = read(source)
    monkeypatch.setattr("btcframe.sources.synthetic.BATCH", 1200)
    monkeypatch.setattr("btcframe.sources.synthetic._TRUTH_BATCH", 1030)
    batches = list(source.open(seed=1))
    assert len(batches) > 20
    assert np.concatenate([b.events for b in batches]).tobytes() == events.tobytes()
    assert np.concatenate([b.truth for b in batches]).tobytes() == truth.tobytes()


def test_memory_is_flat_however_long_the_market() -> None:
    feed = Synthetic(duration="3650d").open(seed=1)
    held = {name: value.nbytes for name, value in vars(feed).items() if isinstance(value, np.ndarray)}
    last = START_NS
    for batch in itertools.islice(feed, 20):
        assert batch.events.base.nbytes <= 65536 * 64
        assert batch.events["local_ts"][-1] > last
        last = int(batch.events["local_ts"][-1])
    assert held == {n: v.nbytes for n, v in vars(feed).items() if isinstance(v, np.ndarray)}


# ------------------------------------------------------------------------------------------------ the truth


def observed(rows: RowArray) -> dict[str, np.ndarray]:
    """What a row shows that might tell of the future."""
    bid, ask = rows["bid_sz"], rows["ask_sz"]
    ret = np.diff(np.log(rows["mid"]), prepend=np.log(rows["mid"][0]))
    return {
        "best imbalance": (bid[:, 0] - ask[:, 0]) / (bid[:, 0] + ask[:, 0]),
        "deep imbalance": (bid.sum(1) - ask.sum(1)) / (bid.sum(1) + ask.sum(1)),
        "flow": rows["ofi"].sum(1),
        "trades": rows["buy_count"] - rows["sell_count"],
        "last return": ret,
        "microprice": rows["microprice"] - rows["mid"],
        "spread": rows["ask_px"][:, 0] - rows["bid_px"][:, 0],
    }


def t_statistic(x: np.ndarray, y: np.ndarray) -> float:
    """Of Σxy, with a variance that allows y to change its own over time (White 1980)."""
    known = np.isfinite(x) & np.isfinite(y)
    product = (x[known] - x[known].mean()) * y[known]
    return float(product.sum() / np.sqrt((product**2).sum()))


def test_in_the_null_market_nothing_tells_of_the_next_second(markets: dict[str, Any]) -> None:
    rows, _ = markets["null"]
    change = np.diff(rows["mid"])
    assert abs(change.sum() / np.sqrt((change**2).sum())) < 4
    for name, x in observed(rows).items():
        assert abs(t_statistic(x[:-1], change)) < 4, name
    assert abs(t_statistic(np.sign(change[:-1]), change[1:])) < 4


def test_in_the_null_market_the_oracle_knows_nothing(markets: dict[str, Any]) -> None:
    _, truth = markets["null"]
    assert (NULL.oracle(truth, [NS, 60 * NS]) == 0).all()
    assert (truth["pressure"] == 0).all()


def test_in_the_market_with_a_signal_flow_and_book_tell(markets: dict[str, Any]) -> None:
    rows, _ = markets["signal"]
    change = np.diff(rows["mid"])
    for name in ("best imbalance", "flow", "trades", "last return", "microprice"):
        assert t_statistic(observed(rows)[name][:-1], change) > 4, name


@pytest.mark.parametrize(("lean", "signal_lean", "leaned_on"), [(0.0, 0.5, "latent"), (1.5, 0.0, "pressure")])
def test_book_and_trades_lean_the_way_of_what_is_hidden(
    lean: float, signal_lean: float, leaned_on: str
) -> None:
    source = Synthetic(duration="1h", alpha=0.0, lean=lean, signal_lean=signal_lean)
    events, truth = read(source)
    rows = rows_of(source, events)
    for name in ("best imbalance", "trades"):
        assert t_statistic(observed(rows)[name], truth[leaned_on]) > 4, name


def test_the_oracle_where_both_rates_agree() -> None:
    """There its last term is 0/0; its limit lies between what stands on either side."""
    source = Synthetic()
    truth = np.zeros(3, TRUTH)
    truth["latent"] = 1
    truth["settling"] = np.array([0.999, 1.0, 1.001]) / 60  # the memory is 60 s
    below, at, above = source.oracle(truth, [60 * NS])[:, 0]
    assert at == pytest.approx((below + above) / 2, rel=1e-5)
    assert at == pytest.approx(source.stored_bps * (1 - 2 * np.exp(-1)), rel=1e-5)


def test_the_oracle_is_the_expected_return(markets: dict[str, Any]) -> None:
    rows, truth = markets["signal"]
    log_mid = 1e4 * np.log(rows["mid"])
    for horizon in (5, 15, 60):
        x = SIGNAL.oracle(truth, [horizon * NS])[:-horizon, 0]
        y = log_mid[horizon:] - log_mid[:-horizon]
        slope = (x @ y) / (x @ x)
        # over 6 hours the slope itself is known to about this much: labels overlap by the horizon
        error = np.sqrt(horizon * np.var(y - x) / (x @ x))
        assert abs(slope - 1) < 4 * error + 0.08, (horizon, slope, error)
        assert np.corrcoef(x, y)[0, 1] > 0.25


@pytest.mark.parametrize(
    ("settings", "seconds", "error"),
    [
        ({}, 5, 0.15),
        (
            {"volatility": 0.4},
            1,
            0.25,
        ),  # pressure is worked off slowly: what comes of it in a second is a small part
    ],
)
def test_without_a_signal_the_oracle_knows_the_pressure(
    settings: dict[str, Any], seconds: int, error: float
) -> None:
    source = Synthetic(duration="4h", alpha=0.0, **settings)
    events, truth = read(source)
    log_mid = 1e4 * np.log(rows_of(source, events)["mid"])
    x = source.oracle(truth, [seconds * NS])[:-seconds, 0]
    y = log_mid[seconds:] - log_mid[:-seconds]
    assert (x @ y) / (x @ x) == pytest.approx(1, abs=error)
    assert np.corrcoef(x, y)[0, 1] > 0.25


def test_a_side_that_stays_behind_takes_the_mid_with_it() -> None:
    source = Synthetic(duration="4h", alpha=0.0, wide=1.0)
    events, truth = read(source)
    rows = rows_of(source, events)
    wide = np.flatnonzero(rows["ask_px"][:-1, 0] - rows["bid_px"][:-1, 0] > 1.5 * source.tick)
    log_mid = 1e4 * np.log(rows["mid"])
    x, y = source.oracle(truth, [NS])[wide, 0], log_mid[wide + 1] - log_mid[wide]
    assert len(wide) > 300
    assert (x @ y) / (x @ x) == pytest.approx(1, abs=0.2)
    assert np.corrcoef(x, y)[0, 1] > 0.5


def test_without_a_signal_the_latent_state_is_worth_nothing() -> None:
    source = Synthetic(alpha=0.0)
    truth = next(iter(source.open(seed=1))).truth
    other = truth.copy()
    other["latent"] += 1
    assert (source.oracle(truth, [NS]) == source.oracle(other, [NS])).all()


def test_latent_and_regime_are_what_they_are_said_to_be() -> None:
    source = Synthetic(duration="24h", memory="20s", dwell="15m", rate=0.5, jump=5.0)
    _, truth = read(source)
    x = truth["latent"]
    assert abs(x.mean()) < 0.1 and x.std() == pytest.approx(1, rel=0.05)
    assert np.corrcoef(x[20:], x[:-20])[0, 1] == pytest.approx(np.exp(-1), abs=0.05)
    switches = int((np.diff(truth["regime"]) != 0).sum())
    assert switches == pytest.approx(24 * 4, rel=0.25)
    assert set(np.unique(truth["regime"])) == {0, 1, 2}


def test_volatility_is_as_asked_for_and_goes_with_the_regime() -> None:
    source = Synthetic(duration="24h", alpha=0.0, volatility=1.0, dwell="5m", season=0.0, rate=4.0)
    events, truth = read(source)
    rows = rows_of(source, events)
    change = np.diff(1e4 * np.log(rows["mid"][::10])) / np.sqrt(10)
    assert np.std(change) == pytest.approx(1.0, rel=0.25)  # orders come at about the rate asked for
    by_regime = [np.std(change[truth["regime"][:-10:10] == k]) for k in range(3)]
    assert by_regime[0] < by_regime[1] < by_regime[2]


def test_orders_excite_each_other() -> None:
    def clustering(excitation: float) -> float:
        source = Synthetic(
            duration="2h", excitation=excitation, regimes=(1.0,), season=0.0, lean=0.0, signal_lean=0.0
        )
        events, _ = read(source)
        orders = np.unique(events["exch_ts"])
        counts = np.bincount((orders - START_NS) // NS)
        return float(counts.var() / counts.mean())

    # of a Poisson process 1, of a Hawkes process up to 1/(1 − n)² in long windows
    assert clustering(0.0) == pytest.approx(1, abs=0.25)
    assert clustering(0.7) > 3


def test_rates_react_to_the_queues_alike_on_both_sides() -> None:
    state, rates = np.zeros(1, MARKET), np.zeros((4, 6))
    for name, value in (("rate", 1.0), ("activity", 1.0), ("best_size", 100.0)):
        state[name] = value
    thin, full = 30, 3000
    cases = [(thin, full, 1.0), (full, full, 1.0), (thin, full, 1.5), (full, thin, 1 / 1.5)]
    for (bid, ask, tilt), out in zip(cases, rates, strict=True):
        state["tilt"] = tilt
        lots = np.full((2, 30), 7, np.int64)
        lots[0, 0], lots[1, 0] = bid, ask
        assert _intensities(state[0], lots, out) == pytest.approx(out.sum())
    limit, _, cancel, _, buy, sell = range(6)
    few, many, leaning, mirrored = rates
    assert few[limit] > 2 * many[limit] and few[sell] > 2 * many[sell]  # a thin bid is hurried for, and hit
    assert few[cancel] < many[cancel] / 2
    assert few[[1, 3, 4]].tolist() == many[[1, 3, 4]].tolist()  # the ask's, and buyers'
    assert leaning[[1, 0, 3, 2, 5, 4]] == pytest.approx(mirrored)
    assert leaning[[limit, buy]] == pytest.approx(1.5 * few[[limit, buy]])
    assert leaning[[cancel, sell]] == pytest.approx(few[[cancel, sell]] / 1.5)


def test_signs_of_market_orders_persist() -> None:
    """Because of the metaorders: without them the autocorrelation is gone after ten orders."""
    found = TradeFacts(0.001)
    for batch in Synthetic(duration="6h", null=True).open(seed=1):
        found.add(batch.events)
    facts = found.facts()
    assert facts["sign_acf_10"].low > 0.03
    assert 0 < facts["sign_acf_100"].low < facts["sign_acf_10"].value


def test_the_day_has_a_season() -> None:
    events, _ = read(Synthetic(duration="24h", season=0.6, regimes=(1.0,), rate=2.0))
    by_hour = np.bincount((events["exch_ts"] - START_NS) // (3600 * NS))[:24]
    assert by_hour[13:18].mean() > 2 * by_hour[1:6].mean()


def test_prices_stay_positive_in_a_crash() -> None:
    source = Synthetic(duration="2h", price=500.0, tick=0.1, gap=1.0, levels=20, volatility=100.0, jump=50.0)
    events, _ = read(source)
    assert (events["ticks"][np.isin(events["kind"], [Kind.DEPTH, Kind.TRADE])] > 0).all()


def test_a_market_in_which_hardly_anything_happens() -> None:
    """The wait for its next order is longer than an integer of nanoseconds holds."""
    events, truth = read(Synthetic(duration="10m", rate=1e-12, volatility=1e-6))
    assert events["exch_ts"][-1] == START_NS + 600 * NS
    assert (events["kind"] == Kind.TRADE).sum() == 0 and len(truth) == 600


def test_a_market_of_a_moment() -> None:
    events, truth = read(Synthetic(duration="1ns"))
    assert events["kind"][-1] == Kind.HEARTBEAT and len(truth) == 0
    assert isinstance(Synthetic().open(seed=1), SyntheticFeed)
