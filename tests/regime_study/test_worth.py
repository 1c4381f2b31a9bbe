from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from regime_study.markets import HORIZONS, made, two_states

from btcframe import scratch
from btcframe.regime_study.ahead import log_volatility, realised
from btcframe.regime_study.rows import Rows
from btcframe.regime_study.walk import Told, Walked
from btcframe.regime_study.worth import added, directed, explained, followed, revised, sample
from btcframe.types import Floats, Ints

TEST = slice(1000, 9000)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "PIECE", 777)


def told(rows: Rows, forward: Floats, at: Ints, later: Ints | None = None) -> Told:
    """What the labels promise if they were known before: their means over all rows."""
    v = log_volatility(forward[:, 1])
    volatility, means = np.full(len(at), np.nan), np.full(rows.y.shape, np.nan)
    for k in range(int(at.max()) + 1):
        mine = at == k
        volatility[mine] = np.nanmean(v[mine])
        means[mine] = np.nanmean(rows.y[mine], axis=0)
    at = at.astype(np.int8).copy()
    at[: TEST.start], at[TEST.stop :] = -1, -1
    return Told(("calm", "wild"), at, later, "", volatility, means)


@pytest.fixture
def market(tmp_path: Path) -> tuple[Rows, Floats, Walked]:
    mid, state = two_states(9000, 3)
    rows = made(mid, tmp_path)
    forward = realised(rows)
    rng = np.random.default_rng(0)
    half = np.where(rng.random(9000) < 0.5, state, 1 - state)
    v = log_volatility(forward[:, 1])
    base = np.full(9000, np.nanmean(v))
    names = {"truth": state, "noise": half}
    walked = Walked({n: told(rows, forward, at) for n, at in names.items()}, {}, TEST, (1000,), base, {})
    return rows, forward, walked


def test_what_followed_is_counted_over_the_rows_of_each_regime(market: tuple[Rows, Floats, Walked]) -> None:
    rows, forward, walked = market
    walked.told["noise"].at[1500:1600] = -1
    on = sample(rows, forward, walked, 0)
    found = followed(rows, forward, walked, "truth", on, seed=1)
    at = walked.told["truth"].at
    steps = 5
    for k in (0, 1):
        known = (at == k) & (walked.told["noise"].at >= 0) & np.isfinite(rows.y[:, 0])
        assert found[k].rows == known.sum()
        assert found[k].mean.value == pytest.approx(rows.y[known, 0].mean())
        assert found[k].volatility.value == pytest.approx(np.sqrt(steps * forward[known, 0].mean()))
        assert found[k].volatility.low < found[k].volatility.value < found[k].volatility.high
        assert found[k].quantiles == pytest.approx(
            np.quantile(rows.y[known, 0], (0.05, 0.25, 0.5, 0.75, 0.95))
        )
        assert found[k].up == pytest.approx((rows.y[known, 0] > 0).mean())
    assert found[0].rows + found[1].rows == on.rows
    assert found[1].volatility.low > found[0].volatility.high


def test_the_truth_explains_and_noise_does_not(market: tuple[Rows, Floats, Walked]) -> None:
    rows, forward, walked = market
    on = sample(rows, forward, walked, 1)
    found = explained(rows, forward, walked, on, seed=1)
    at = walked.told["truth"].at
    known = np.flatnonzero((at >= 0) & np.isfinite(rows.y[:, 1]))
    v = log_volatility(forward[known, 1])
    p, b = walked.told["truth"].volatility[known], walked.base[known]
    share = 1 - ((v - p) ** 2).sum() / ((v - b) ** 2).sum()
    assert found.value["truth"].value == pytest.approx(share)
    assert found.value["truth"].low > 0.5
    assert abs(found.value["noise"].value) < 0.02
    apart = found.difference["truth", "noise"]
    assert apart.value == pytest.approx(found.value["truth"].value - found.value["noise"].value)
    assert apart.low > 0


def test_what_one_adds_beside_another(market: tuple[Rows, Floats, Walked]) -> None:
    rows, forward, walked = market
    truth, noise = (walked.told[name].volatility for name in ("truth", "noise"))
    on = sample(rows, forward, walked, 1)
    alone = explained(rows, forward, walked, on, seed=1)
    more = added(rows, forward, walked._replace(joint={"noise": truth}), on, seed=1)["noise"]
    assert more == alone.difference["truth", "noise"]
    same = added(rows, forward, walked._replace(joint={"noise": noise}), on, seed=1)["noise"]
    assert same == (0.0, 0.0, 0.0)


def test_the_same_labels_do_not_differ_at_all(market: tuple[Rows, Floats, Walked]) -> None:
    rows, forward, walked = market
    same = walked._replace(told={"a": walked.told["truth"], "b": walked.told["truth"]})
    found = explained(rows, forward, same, sample(rows, forward, same, 1), seed=1)
    assert found.difference["a", "b"] == (0.0, 0.0, 0.0)


def test_ic_is_about_zero(market: tuple[Rows, Floats, Walked]) -> None:
    rows, forward, walked = market
    on = sample(rows, forward, walked, 0)
    found = directed(rows, forward, walked, on, seed=1)
    at = np.flatnonzero((walked.told["truth"].at >= 0) & np.isfinite(rows.y[:, 0]))
    p, y = walked.told["truth"].means[at, 0], rows.y[at, 0]
    assert found.value["truth"].value == pytest.approx((p * y).sum() / np.sqrt((p * p).sum() * (y * y).sum()))


def test_two_methods_without_content_seldom_seem_to_differ(tmp_path: Path) -> None:
    """Labels by chance, the same promises: an interval of the difference leaves out 0 about once in twenty."""
    errs = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        mid, _ = two_states(9000, seed)
        rows = made(mid, tmp_path)
        forward = realised(rows)
        middle = np.nanmean(log_volatility(forward[:, 1]))
        names = {}
        for name in ("a", "b"):
            at = (np.cumsum(rng.random(9000) < 0.01) % 2).astype(np.int64)
            names[name] = told(rows, forward, at)._replace(volatility=middle + np.where(at == 1, 0.2, -0.2))
        walked = Walked(names, {}, TEST, (1000,), np.full(9000, middle), {})
        on = sample(rows, forward, walked, 1)
        apart = explained(rows, forward, walked, on, seed=1).difference["a", "b"]
        errs += not apart.low <= 0 <= apart.high
    assert errs <= 8


def test_revisions(market: tuple[Rows, Floats, Walked]) -> None:
    rows, _, walked = market
    at = walked.told["truth"].at
    later = at.copy()
    later[2000:2400] = 1 - later[2000:2400]
    later[5000:5100] = -1
    revising = walked.told["truth"]._replace(later=later)
    with_later = walked._replace(told={"truth": revising})
    n, share = revised(rows, with_later, "truth", 10, seed=1)
    assert n == 7900
    assert share.value == pytest.approx(400 / 7900)
    assert revised(rows, walked, "noise", 10, seed=1)[0] == 0


def test_a_market_that_stands_still_has_nothing_to_explain(tmp_path: Path) -> None:
    rows = made(np.full(9000, 30_000.0), tmp_path)
    forward = realised(rows)
    at = np.arange(9000) // 100 % 2
    walked = Walked(
        {n: told(rows, forward, at) for n in "ab"}, {}, TEST, (1000,), np.full(9000, np.log(0.01)), {}
    )
    on = sample(rows, forward, walked, 1)
    found = explained(rows, forward, walked, on, seed=1)
    assert np.isnan(found.value["a"].value) and np.isnan(found.difference["a", "b"].value)
    assert np.isnan(directed(rows, forward, walked, on, seed=1).value["a"].value)


def test_no_row_that_all_label(market: tuple[Rows, Floats, Walked]) -> None:
    rows, forward, walked = market
    walked.told["noise"].at[:] = -1
    on = sample(rows, forward, walked, 0)
    assert on.rows == 0
    found = explained(rows, forward, walked, on, seed=1)
    assert np.isnan(found.value["truth"].value)
    told_of = followed(rows, forward, walked, "truth", on, seed=1)
    assert told_of[0].rows == 0 and told_of[0].quantiles == () and np.isnan(told_of[0].up)


def test_blocks_are_five_horizons_long_at_least(market: tuple[Rows, Floats, Walked]) -> None:
    rows, forward, walked = market
    for h, horizon in enumerate(HORIZONS):
        on = sample(rows, forward, walked, h)
        assert on.blocks == min(100, int(7999e9 // (5 * horizon)))
