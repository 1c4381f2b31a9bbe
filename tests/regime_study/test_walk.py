from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from regime_study.markets import ByDescriptor, Seer, made, two_states

from btcframe.errors import ModelError, PluginError
from btcframe.regime_study.ahead import log_volatility, realised
from btcframe.regime_study.rows import Rows
from btcframe.regime_study.walk import LATE, Method, Walked, asked, methods, walk
from btcframe.split import WalkForward
from btcframe.types import Floats
from btcframe_regimes import Hht, Hmm, Volatility

SPLITS = WalkForward(folds=3, embargo_ns=0, min_train=300)


@pytest.fixture
def market(tmp_path: Path) -> Rows:
    mid, state = two_states(4000, 5)
    told = state[:, None].astype(float)
    return made(mid, tmp_path, {"a": told, "b": 1 - told, f"s{LATE}": told.copy(), "s": told})


def alone(name: str, regime: ByDescriptor) -> Method:
    return Method(name, name, regime, None, "it offers no hindsight")


def walked(rows: Rows, found: list[Method], later: int = 10) -> Walked:
    return walk(rows, realised(rows), found, SPLITS, later, seed=1, advance=lambda n: None)


def test_labels_stand_on_test_rows_only(market: Rows) -> None:
    found = walked(market, [alone("a", ByDescriptor())])
    splits = list(SPLITS.split(market.row_ns, market.t_end))
    assert found.test == slice(splits[0].test[0], len(market.row_ns))
    assert found.starts == tuple(s.test[0] for s in splits)
    told = found.told["a"]
    np.testing.assert_array_equal(told.at[found.test], market.descriptors["a"][found.test, 0])
    assert (told.at[: found.test.start] == -1).all()


def test_what_a_label_promises_is_its_mean_over_the_training_rows(market: Rows) -> None:
    forward = realised(market)
    v, state = log_volatility(forward[:, 1]), market.descriptors["a"][:, 0]
    found = walked(market, [alone("a", ByDescriptor())])
    for split in SPLITS.split(market.row_ns, market.t_end):
        for k in (0, 1):
            mine = split.train[state[split.train] == k]
            rows = split.test[state[split.test] == k]
            np.testing.assert_allclose(found.told["a"].volatility[rows], np.nanmean(v[mine]), rtol=1e-12)
            np.testing.assert_allclose(
                found.told["a"].means[rows, 0], np.nanmean(market.y[mine, 0]), rtol=1e-9
            )
        np.testing.assert_allclose(found.base[split.test], np.nanmean(v[split.train]), rtol=1e-12)


def test_nothing_of_the_test_rows_is_used(market: Rows) -> None:
    """Another future gives the same labels and promises in the folds before it."""
    first = walked(market, [alone("a", ByDescriptor())])
    start = first.starts[2]
    other = {
        name: np.where(np.arange(4000)[:, None] >= start + 50, 1 - d, d)
        for name, d in market.descriptors.items()
    }
    mid = market.mid.copy()
    mid[start + 50 :] *= np.exp(np.random.default_rng(0).normal(size=len(mid) - start - 50))
    changed = made(mid, market.directory, other)
    second = walked(changed, [alone("a", ByDescriptor())])
    upto = start + 50
    for name in ("at", "volatility", "means"):
        np.testing.assert_array_equal(
            getattr(first.told["a"], name)[:upto], getattr(second.told["a"], name)[:upto]
        )


def test_two_together_promise_what_their_training_rows_with_both_labels_had(tmp_path: Path) -> None:
    mid, state = two_states(4000, 5)
    other = (np.arange(4000) // 130 % 2)[:, None].astype(float)
    other[3000:3050] = np.nan
    rows = made(mid, tmp_path, {"a": state[:, None].astype(float), "b": other})
    found = walked(rows, [alone("a", ByDescriptor()), alone("b", ByDescriptor())])
    v = log_volatility(realised(rows)[:, 1])
    assert list(found.joint) == ["b"]
    assert np.isnan(found.joint["b"][3000:3050]).all()
    for split in SPLITS.split(rows.row_ns, rows.t_end):
        for a in (0, 1):
            for b in (0, 1):
                mine = (state == a) & (other[:, 0] == b)
                train, test = split.train[mine[split.train]], split.test[mine[split.test]]
                np.testing.assert_allclose(found.joint["b"][test], np.nanmean(v[train]), rtol=1e-12)


def test_a_label_never_seen_in_training_promises_what_all_rows_do(tmp_path: Path) -> None:
    mid, _ = two_states(2000, 5)
    told = np.zeros((2000, 1))
    told[1500:] = 1.0
    rows = made(mid, tmp_path, {"a": told})
    found = walk(
        rows,
        realised(rows),
        [alone("a", ByDescriptor())],
        replace(SPLITS, folds=1),
        10,
        seed=1,
        advance=lambda n: None,
    )
    at = slice(1500, 2000)
    assert (found.told["a"].at[at] == 1).all()
    np.testing.assert_allclose(found.told["a"].volatility[at], found.base[at])


def test_unknown_rows_promise_nothing(market: Rows) -> None:
    market.descriptors["a"][3500:3600] = np.nan
    told = walked(market, [alone("a", ByDescriptor())]).told["a"]
    assert (told.at[3500:3600] == -1).all()
    assert np.isnan(told.volatility[3500:3600]).all()


def test_a_method_that_cannot_be_fitted_is_left_out_with_its_reason(market: Rows) -> None:
    found = walked(market, [alone("a", ByDescriptor(least=1500)), alone("b", ByDescriptor())])
    assert list(found.told) == ["b"]
    assert not found.joint
    assert found.left_out["a"].startswith("980 rows are too few, 1500 are needed (fold 0, 980 training rows")


def test_the_reason_of_the_first_where_none_can_be_fitted(market: Rows) -> None:
    with pytest.raises(
        ModelError, match=r"980 rows are too few, 5000 are needed \(fold 0, 980 training rows\)"
    ):
        walked(market, [alone("a", ByDescriptor(least=5000)), alone("b", ByDescriptor(least=6000))])


def test_labels_that_change_from_fold_to_fold(market: Rows) -> None:
    class Fickle(ByDescriptor):
        def fit(self, descriptors: Floats, *, seed: int) -> object:
            other = replace(self, labels=("x", "y")) if len(descriptors) > 1500 else self
            return ByDescriptor.fit(other, descriptors, seed=seed)

    with pytest.raises(PluginError, match="regime a is labelled x, y in fold 1, and calm, wild before"):
        walked(market, [alone("a", Fickle())])


def test_hindsight_stands_on_the_row_it_is_about(market: Rows) -> None:
    later = 10
    about = np.roll(market.descriptors["s"], later, axis=0)  # what is told at t is about t − 10
    about[2200:2300] = 1 - about[2200:2300]
    market.descriptors[f"s{LATE}"][:] = about
    found = walked(market, methods({"s": Seer()}, {"s": "seer"}, later), later)
    told = found.told["s"]
    assert told.later is not None and told.unrevised == ""
    differ = np.flatnonzero((told.later >= 0) & (told.later != told.at))
    np.testing.assert_array_equal(differ, np.arange(2190, 2290))
    for start in (*found.starts[1:], 4000):
        assert (
            told.later[start - later : start] == -1
        ).all()  # would be told in the next fold, by another labeler


def test_hindsight_that_cannot_be_fitted_costs_the_revision_only(market: Rows) -> None:
    method = Method("s", "seer", ByDescriptor(), ByDescriptor(least=9999), "")
    told = walked(market, [method]).told["s"]
    assert told.later is None
    assert told.unrevised.startswith("its hindsight cannot be fitted: 980 rows are too few")


def test_what_each_shipped_method_says_of_hindsight() -> None:
    regimes = {
        "v": Volatility(),
        "h": Hmm(),
        "t": Hht(),
        "short": Hht(window=128, bands=(5, 15), slow=15),
        "o": ByDescriptor(),
    }
    found = {m.name: m for m in methods(regimes, dict.fromkeys(regimes, "p"), 256)}
    assert found["v"].late is None and found["v"].unrevised == "never, by definition"
    assert found["o"].unrevised == "it offers no hindsight"
    assert found["short"].unrevised.startswith("it cannot be told 256 rows later: lag: 260")
    assert list(asked(list(found.values()))) == [*regimes, f"h{LATE}", f"t{LATE}"]
