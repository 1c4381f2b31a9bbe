"""The watch against plain formulas over all rows at once: PSI, shares missing, live IC; and that its memory is bounded."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from btcframe.labels.forward_return import ForwardReturn
from btcframe.labels.triple_barrier import TripleBarrier
from btcframe.models.drift import BLOCKS, DRIFTED, EVERY, Health, ModelWatch, psi
from btcframe.models.profile import BINS, Profile, profile_of
from btcframe.types import NS, PREDICTION, ROW, Floats, StateArray

LABEL = ForwardReturn(horizons=("5s", "20s"))
COLUMNS = ("a", "b")
START = 1_700_000_000 * NS


def rows_of(n: int, seed: int = 0) -> StateArray:
    rows = np.zeros(n, ROW)
    rows["row_ns"] = START + NS * np.arange(n)
    rows["mid"] = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 1e-4, n)))
    return rows


def predictions_of(means: Floats, rows: StateArray, horizons_ns: tuple[int, ...]) -> StateArray:
    out = np.zeros(means.shape, PREDICTION)
    out["row_ns"], out["horizon_ns"], out["mean"] = rows["row_ns"][:, None], horizons_ns, means
    return out


def watched(
    x: Floats, means: Floats, profile: Profile | None, *, label: Any = LABEL, chunk: int = 7, rows: Any = None, **how: Any
) -> ModelWatch:  # fmt: skip
    """A watch that has seen all of it, a few rows at a time."""
    rows = rows_of(len(x)) if rows is None else rows
    watch = ModelWatch(label, NS, COLUMNS, **how)
    watch.promoted(profile, label.horizons_ns)
    told = predictions_of(means, rows, label.horizons_ns)
    for t in range(len(x)):
        watch.scored(rows[t : t + 1].tobytes(), x[t], told[t])
        if t % chunk == 0:
            watch.catch_up()
    watch.catch_up(everything=True)
    return watch


def plain_psi(before: Floats, now: Floats) -> float:
    """The formula, bin by bin, on deciles."""
    edges = np.quantile(before, np.arange(1, BINS) / BINS)
    total = 0.0
    for b in range(BINS):
        low, high = (-math.inf if b == 0 else edges[b - 1]), (math.inf if b == BINS - 1 else edges[b])
        p, q = ((((low <= of) & (of < high)).sum() + 0.5) / (len(of) + BINS / 2) for of in (before, now))
        total += (q - p) * math.log(q / p)
    return total


def test_psi_is_the_formula_on_the_rows_of_the_window() -> None:
    rng = np.random.default_rng(3)
    before, x = rng.normal(size=(4000, 2)), rng.normal(0.3, 1.2, (1600, 2))
    health = watched(x, x, profile_of(before, before), window=1600, least=100).health
    assert health.rows == 1600 and health.note == ""
    for j, name in enumerate(COLUMNS):
        assert health.psi[name] == pytest.approx(plain_psi(before[:, j], x[:, j]), rel=1e-9)
    assert health.prediction_psi == pytest.approx(dict(zip(("5s", "20s"), health.psi.values(), strict=True)))


def test_what_moved_is_told_and_what_did_not_is_not() -> None:
    rng = np.random.default_rng(4)
    before = rng.normal(size=(20_000, 2))
    x = np.column_stack([rng.normal(size=3000), rng.normal(1.0, 1.0, 3000)])
    health = watched(x, x, profile_of(before), least=100).health
    assert list(health.drifted) == ["b"] and health.psi["a"] < 0.02 < DRIFTED < health.psi["b"]
    assert health.farthest == health.psi["b"] and health.prediction_psi == {}
    same = watched(rng.normal(size=(3000, 2)), x, profile_of(before), least=100).health
    assert same.drifted == {}


def test_the_window_slides() -> None:
    rng = np.random.default_rng(5)
    before = rng.normal(size=(5000, 2))
    x = np.vstack([rng.normal(3.0, 1.0, (3000, 2)), rng.normal(size=(1600, 2))])
    watch = watched(x, x, profile_of(before), window=1600, least=100)
    assert 1600 * (BLOCKS - 1) / BLOCKS < watch.health.rows <= 1600
    assert watch.health.drifted == {}  # the shift is behind it


def test_columns_that_are_missing_more_than_in_training() -> None:
    rng = np.random.default_rng(6)
    before, x = rng.normal(size=(5000, 2)), rng.normal(size=(1000, 2))
    before[rng.random(5000) < 0.3, 0] = np.nan
    x[rng.random(1000) < 0.3, 0] = np.nan
    x[:200, 1] = np.inf
    health = watched(x, x, profile_of(before), least=100).health
    assert health.missing == {"b": 0.2}
    assert health.drifted == {}  # what is there has not moved
    x[:, 1] = np.nan
    health = watched(x, x, profile_of(before), least=100).health
    assert health.missing == {"b": 1.0} and math.isnan(health.psi["b"])


def test_it_says_when_it_can_say_nothing() -> None:
    x = np.zeros((50, 2))
    assert Health().note == "no model" and math.isnan(Health().farthest)
    assert watched(x, x, profile_of(x), least=100).health.note == "too few rows yet: 50 of 100"
    assert "without a profile" in watched(x, x, None).health.note
    watch = watched(x, x, None)
    watch.promoted(None, ())
    watch.scored(b"", x[0], x[0])
    watch.catch_up()
    assert watch.health == Health()
    watch.give_up("it broke")
    watch.catch_up(everything=True)
    assert watch.health.note == "it is not watched: it broke"


@pytest.mark.parametrize("label", [LABEL, TripleBarrier(horizons=("5s", "20s"), lookback="30s")])
def test_live_ic_is_the_correlation_with_the_labels_that_have_ended(label: Any) -> None:
    n = 2400  # within the window of both horizons
    rows, rng = rows_of(n), np.random.default_rng(7)
    y, t_end = label.label(rows)
    means = np.nan_to_num(0.3 * y) + rng.normal(0, np.nanstd(y), y.shape)
    means[::9, 0] = np.nan
    health = watched(np.zeros((n, 2)), means, None, label=label, rows=rows).health
    ended = rows["row_ns"] + label.max_horizon_ns <= rows["row_ns"][-1]
    assert (t_end[ended] <= rows["row_ns"][-1]).all()
    for h, ic in enumerate(health.ic):
        known = ended & np.isfinite(means[:, h]) & np.isfinite(y[:, h])
        assert ic.labels == known.sum() and ic.horizon_ns == label.horizons_ns[h]
        m, of = means[known, h], y[known, h]
        assert ic.ic == pytest.approx((m * of).mean() / math.sqrt((m**2).mean() * (of**2).mean()), rel=1e-9)
        assert ic.apart == pytest.approx(ic.labels * NS / ic.horizon_ns)
        assert -1 < ic.low < ic.ic < ic.high < 1
        width = math.atanh(ic.high) - math.atanh(ic.low)
        assert width == pytest.approx(2 * 1.96 / math.sqrt(ic.apart - 3))


def test_it_never_counts_a_label_that_has_not_ended() -> None:
    rows = rows_of(600)
    watch = ModelWatch(LABEL, NS, COLUMNS)
    watch.promoted(None, LABEL.horizons_ns)
    told = predictions_of(np.ones((600, 2)), rows, LABEL.horizons_ns)
    for t in range(600):
        watch.scored(rows[t : t + 1].tobytes(), np.zeros(2), told[t])
        watch.catch_up()
        counted = watch.health.ic[1].labels
        assert counted <= max(0, t + 1 - 20) and (counted % EVERY == 0)
    watch.catch_up(everything=True)
    assert [ic.labels for ic in watch.health.ic] == [580, 580]


def test_too_few_labels_and_predictions_of_nothing_say_nothing() -> None:
    n = 400
    ic = watched(np.zeros((n, 2)), np.random.default_rng(0).normal(size=(n, 2)), None).health.ic
    assert math.isfinite(ic[0].ic) and math.isnan(ic[1].ic)  # 380 labels are 76 of 5 s, and 19 of 20 s
    assert math.isnan(watched(np.zeros((n, 2)), np.zeros((n, 2)), None).health.ic[0].ic)
    rows = rows_of(n)
    y, _ = LABEL.label(rows)
    told = watched(np.zeros((n, 2)), np.nan_to_num(3.0 * y), None, rows=rows).health.ic[0]
    assert told.ic == pytest.approx(1) and told.low <= told.high <= 1  # it knows everything


def test_a_market_that_stops_and_a_model_that_raised_leave_it_in_step() -> None:
    rows = rows_of(900)
    rows["row_ns"][400:] += 100 * NS
    rows["mid"][200:300] = np.nan
    means = np.random.default_rng(1).normal(size=(900, 2))
    told = predictions_of(means, rows, LABEL.horizons_ns)
    told[50:60]["row_ns"], told[50:60]["mean"] = (
        0,
        np.nan,
    )  # nothing is known of a row on which the model raised
    watch = ModelWatch(LABEL, NS, COLUMNS)
    watch.promoted(None, LABEL.horizons_ns)
    for t in range(900):
        watch.scored(rows[t : t + 1].tobytes(), np.zeros(2), told[t])
    watch.catch_up(everything=True)
    y, _ = LABEL.label(rows)
    ended = rows["row_ns"] <= rows["row_ns"][-1] - 20 * NS
    for h, ic in enumerate(watch.health.ic):
        assert ic.labels == (ended & np.isfinite(told["mean"][:, h]) & np.isfinite(y[:, h])).sum()


def test_memory_is_bounded() -> None:
    x = np.zeros((4000, 2))
    watch = watched(x, np.ones((4000, 2)), profile_of(x), window=160)
    assert len(watch._rows) == len(watch._row_ns) == len(watch._means) <= 22
    watch = watched(x[:3000], np.ones((3000, 2)), None, chunk=1)
    assert len(watch._rows) <= 22 + EVERY


def test_a_new_model_begins_anew() -> None:
    x = np.random.default_rng(0).normal(size=(800, 2))
    watch = watched(x, x, profile_of(x), least=100)
    assert watch.health.rows == 800
    watch.promoted(profile_of(x), LABEL.horizons_ns)
    assert watch.health.rows == 0 and [ic.labels for ic in watch.health.ic] == [0, 0]


def test_it_is_plain() -> None:
    x = np.random.default_rng(0).normal(size=(800, 2))
    x[:, 1] = np.nan
    plain = watched(x, x, profile_of(x, x), least=100).health.plain()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["psi"]["b"] is None and plain["ic"][0]["horizon_ns"] == 5 * NS


def test_no_rows_are_no_psi() -> None:
    counts = np.array([5, 5, 0])
    assert math.isnan(psi(counts, np.zeros(3, np.int64))) and psi(counts, counts) == 0
    assert psi(counts, counts[::-1]) == pytest.approx(psi(counts[::-1], counts))  # it is symmetric
