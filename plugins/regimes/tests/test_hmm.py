"""The hidden Markov regime: descriptors against a plain loop, states by name, and what cannot be fitted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.api import Hindsight
from btcframe.errors import ModelError
from btcframe_regimes.hmm import Hmm

from .streams import answers, describe, walk


def naive(mid: np.ndarray, n: int) -> np.ndarray:
    """½ ln(mean r² + 0.01²) and √n·mean r of the valid r of the last n rows; NaN by the 0.8 rule and before row n."""
    found = np.full((len(mid), 2), np.nan)
    for t in range(n, len(mid)):
        window = np.array([1e4 * (math.log(mid[s]) - math.log(mid[s - 1])) for s in range(t - n + 1, t + 1)])
        valid = window[~np.isnan(window)]
        if not math.isnan(window[-1]) and len(valid) >= math.ceil(0.8 * n):
            found[t] = 0.5 * math.log(np.mean(valid**2) + 1e-4), math.sqrt(n) * np.mean(valid)
    return found


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    n=st.integers(1, 120),
    window=st.integers(2, 30),
    seed=st.integers(0, 99),
    bad=st.sampled_from([0.0, 0.03, 0.3]),
    sizes=st.lists(st.integers(0, 30), max_size=6),
)
def test_equals_the_plain_loop_in_any_chunks(
    n: int, window: int, seed: int, bad: float, sizes: list[int]
) -> None:
    mid, regime = walk(n, seed, bad), Hmm(window=window)
    whole = describe(regime, mid)
    np.testing.assert_allclose(whole, naive(mid, window), rtol=1e-9, atol=1e-9)
    assert describe(regime, mid, sizes).tobytes() == whole.tobytes()


def test_a_market_that_stands_still_has_a_volatility() -> None:
    found = describe(Hmm(window=10), np.full(50, 60_000.0))
    np.testing.assert_allclose(found[10:], [[math.log(0.01), 0.0]] * 40)


def test_states_are_named_by_volatility() -> None:
    """A calm, a lively and a wild stretch, twice."""
    rng = np.random.default_rng(1)
    size = np.repeat([1.0, 4.0, 16.0, 1.0, 16.0, 4.0], 2000)
    mid = 60_000 * np.exp(np.cumsum(1e-4 * size * rng.standard_normal(len(size))))
    regime = Hmm(window=50, every=10)
    x = describe(regime, mid)
    labeler = regime.fit(x, seed=0)
    assert labeler.labels == ("low", "normal", "high")
    told = answers(labeler, x).argmax(axis=1)
    settled = np.arange(len(size)) % 2000 > 150
    right = told == np.searchsorted([1.0, 4.0, 16.0], size)
    assert right[settled].mean() > 0.99
    assert (np.diff(labeler.chain.means[:, 0]) > 0).all()


@pytest.mark.parametrize(("states", "names"), [(2, "low high"), (4, "low normal high extreme")])
def test_number_of_states(states: int, names: str) -> None:
    regime = Hmm(window=20, every=5, states=states)
    labeler = regime.fit(describe(regime, walk(4000, 2)), seed=0)
    assert labeler.labels == tuple(names.split())


def test_rows_between_steps_keep_the_answer_and_bad_rows_are_unknown() -> None:
    regime = Hmm(window=20, every=7)
    x = describe(regime, walk(2000, 3))
    labeler = regime.fit(x, seed=0)
    x = x[20:].copy()
    x[100] = np.nan
    found = answers(labeler, x)
    assert np.isnan(found[100]).all() and np.isfinite(found[101]).all()
    for first in range(0, len(x) - 7, 7):
        step = found[first : first + 7]
        assert (step[~np.isnan(step[:, 0])] == step[0]).all()


def test_a_fit_depends_on_nothing_but_its_rows_and_many_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    regime = Hmm(window=20, every=10)
    x = describe(regime, walk(6000, 4, bad=0.01))
    whole = regime.fit(x, seed=0)
    assert [a.tobytes() for a in regime.fit(np.asfortranarray(x), seed=9).chain] == [
        a.tobytes() for a in whole.chain
    ]
    monkeypatch.setattr("btcframe_regimes.hmm.FITTED_ON", 2000)
    thinned = regime.fit(x, seed=0)
    np.testing.assert_allclose(thinned.chain.means[:, 0], whole.chain.means[:, 0], atol=0.1)


def test_hindsight_lags_and_knows_more() -> None:
    """Of the rows about a switch, what is said later is nearer to the truth."""
    rng = np.random.default_rng(6)
    size = np.repeat(np.where(np.arange(80) % 2, 2.0, 1.0), 100)
    mid = 60_000 * np.exp(np.cumsum(1e-4 * size * rng.standard_normal(len(size))))
    regime = Hmm(window=5, every=5, states=2)
    assert isinstance(regime, Hindsight)
    later = regime.hindsight(40)
    assert later == Hmm(window=5, every=5, states=2, lag=40)
    x = describe(regime, mid)
    then, now = (answers(one.fit(x, seed=0), x).argmax(axis=1) for one in (regime, later))
    truth = size[:-40] == 2.0
    assert (now[40:] == truth).mean() > (then[:-40] == truth).mean() + 0.03


def test_saved_and_loaded(tmp_path: Path) -> None:
    regime = Hmm(window=20, every=5, lag=3)
    x = describe(regime, walk(3000, 5))
    labeler = regime.fit(x, seed=0)
    labeler.save(tmp_path)
    again = Hmm().load(tmp_path)
    assert (again.every, again.lag) == (5, 3)
    assert answers(again, x).tobytes() == answers(labeler, x).tobytes()


def test_too_few_rows() -> None:
    with pytest.raises(
        ModelError, match="59 of 359 training rows have a volatility, 60 are needed"
    ) as caught:
        Hmm().fit(np.r_[np.full((300, 2), np.nan), np.random.default_rng(0).random((59, 2))], seed=0)
    assert "300 rows to warm up" in caught.value.hint


def test_a_market_that_stands_still_has_no_states() -> None:
    with pytest.raises(ModelError, match="stands still"):
        Hmm().fit(np.full((500, 2), -4.6), seed=0)


def test_a_state_of_a_few_rows_is_none() -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((20_000, 2))
    x[9000:9012] += 400.0
    with pytest.raises(
        ModelError, match=r"2 states cannot be told apart: state high is visited in 0\.06%"
    ) as caught:
        Hmm(states=2, every=1).fit(x, seed=0)
    assert caught.value.where == "regime.states"


@pytest.mark.parametrize(
    "wrong", [{"window": 1}, {"window": 10**20}, {"states": 5}, {"every": 0}, {"lag": -1}, {"lag": 10**20}]
)
def test_bad_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Hmm(**wrong)  # type: ignore[arg-type]
