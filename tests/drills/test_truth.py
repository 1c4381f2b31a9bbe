"""What is hidden is found, what is not there is not, a leak is told, and the past does not know the future.

Of the ensemble: the same for ridge stands in test_null.py. No seed was chosen;
the strength of the planted signal was, see docs/drills.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import null_study as study
import numpy as np
import pytest

from btcframe.jobs import build as build_job
from btcframe.learning import leaks
from btcframe.learning.folds import OutOfSample, Recipe, fit_fold, joined, predict_rows, training_set
from btcframe.learning.leaks import IMPLAUSIBLE, ONE_COLUMN, suspicions
from btcframe.learning.predictions import judge
from btcframe.learning.tables import TrainingTable, read_training
from btcframe.report.metrics import Metrics
from btcframe.split import WalkForward
from btcframe.types import NS, PREDICTION, duration_name

Record = Callable[[str, object], None]

WHOLE = {"plugin": "ensemble"}
SMALL = {
    "plugin": "ensemble",
    "boosting": {"plugin": "boosting", "trees": 30, "leaves": 7, "min_leaf": 100},
    "extra_trees": {"plugin": "extra_trees", "trees": 8, "min_leaf": 100, "jobs": 1},
}
"""The ensemble with trees for a market of hours."""
VALIDATION = {"folds": 3, "embargo": "1m", "min_train": 500, "expanding": True, "jobs": 1}
PLANTED = {"alpha": 4.0, "duration": "24h"}
PLANTED_SEEDS = (1, 2, 3)
SHARE = 0.8
"""Of the oracle's IC, that the ensemble must reach where the signal is strong enough for anybody to see: docs/drills.md."""
SHUFFLES = 20


def features() -> dict[str, Any]:
    """All that are installed: 90 columns."""
    names = study.catalog().names("features")
    return {name: {"plugin": name} for name in names}


# -------------------------------------------------------------------------------------------- what is planted


def shares(found: Sequence[study.Trial], horizon: int) -> list[float]:
    """The ensemble's IC as a share of the oracle's, on the same rows."""
    return [1 - t.oracle[horizon].gap.value / t.oracle[horizon].oracle.ic.value for t in found]


def planted_table(found: dict[str, Sequence[study.Trial]]) -> str:
    lines = [
        f"{'market':>24} {'horizon':>8} {'rows':>7} {'IC':>7} {'oracle':>7} {'share':>6} {'found':>6}  each run"
    ]
    for market, of in found.items():
        for h, m in enumerate(of[0].metrics):
            ic, oracle, known = (
                np.mean(values)
                for values in (
                    [t.metrics[h].ic.value for t in of],
                    [t.oracle[h].oracle.ic.value for t in of],
                    [t.oracle[h].found.value for t in of],
                )
            )
            each = ", ".join(f"{share:.1%}" for share in shares(of, h))
            lines.append(
                f"{market:>24} {duration_name(m.horizon_ns):>8} {m.rows:>7,} {ic:>+7.3f} {oracle:>+7.3f} "
                f"{np.mean(shares(of, h)):>6.1%} {known:>6.1%}  {each}"
            )
    return "\n".join(lines)


def test_a_planted_signal_is_found_sample() -> None:
    found = study.trials((1,), {"alpha": 4.0}, processes=1, model=SMALL, validation=VALIDATION)
    for h in range(3):
        assert min(shares(found, h)) > 0.5, planted_table({"alpha=4, 4h": found})


@pytest.mark.drill
def test_of_a_planted_signal_the_ensemble_reaches_four_fifths_of_the_oracle(record_property: Record) -> None:
    found = study.trials(PLANTED_SEEDS, PLANTED, model=WHOLE, features=features(), validation=VALIDATION)
    table = planted_table({"alpha=4, 24h": found})
    record_property("table", table)
    for h in range(3):
        assert np.mean(shares(found, h)) >= SHARE, table


# ------------------------------------------------------------------------------------------ what is not there


def check_null(found: Sequence[study.Trial]) -> None:
    low, high = study.band(len(found))
    for h in range(3):
        assert low <= study.misses(found, h) <= high, study.null_table(found)


def test_the_ensemble_finds_nothing_where_nothing_is_sample() -> None:
    check_null(study.trials((1,), {"null": True}, processes=1, model=SMALL, validation=VALIDATION))


@pytest.mark.drill
def test_the_ensemble_finds_nothing_where_nothing_is(record_property: Record) -> None:
    found = study.trials(study.NULL_SEEDS, {"null": True}, model=SMALL, validation=VALIDATION)
    record_property("table", study.null_table(found))
    check_null(found)


# --------------------------------------------------------------------------------- tables that are tampered with


class Walked(NamedTuple):
    table: TrainingTable
    found: OutOfSample
    last: Any
    metrics: tuple[Metrics, ...]


def table_of(folder: Path, market: dict[str, Any], seed: int = 7) -> TrainingTable:
    folder.mkdir(exist_ok=True)
    run = study.study_run(folder, seed, market)
    build = build_job.build(run)
    return read_training(run.component("store"), build.id, build.layout, build.rows)


def recipe(model: dict[str, Any], splitter: WalkForward) -> Recipe:
    catalog = study.catalog()
    regime = catalog.build("regime", {"plugin": "volatility"})
    return Recipe(regime, catalog.build("model", model), splitter.inner(), 7)


def walk(table: TrainingTable, model: dict[str, Any]) -> Walked:
    splitter = WalkForward(3, 60 * NS, 500)
    parts = []
    for index, split in enumerate(splitter.split(table.row_ns, table.t_end)):
        fitted = fit_fold(table, split.train, recipe(model, splitter), index=index)
        parts.append(predict_rows(fitted, table, split.test))
    found = joined(parts)
    return Walked(table, found, fitted.model, judge(table, found, seed=7))


def shuffled(table: TrainingTable, seed: int) -> TrainingTable:
    """The same with the labels of all rows changed round, those of a row together."""
    return dataclasses.replace(table, y=np.random.default_rng(seed).permutation(table.y))


def check_shuffled(table: TrainingTable, seeds: Sequence[int]) -> list[int]:
    found = [walk(shuffled(table, seed), SMALL).metrics for seed in seeds]
    misses = [sum(not m[h].ic.low <= 0 <= m[h].ic.high for m in found) for h in range(3)]
    low, high = study.band(len(seeds))
    assert all(low <= n <= high for n in misses), misses
    return misses


def knowing(table: TrainingTable, rows: int) -> TrainingTable:
    """With a column that knows the move of the mid over the next rows."""
    move = np.nan_to_num(leaks.moves(table.mid, table.row_ns, rows, rows * NS))
    layout = dataclasses.replace(table.layout, columns=(*table.layout.columns, "future"))
    return dataclasses.replace(table, layout=layout, x=np.column_stack((table.x, move)))


def check_leaks(table: TrainingTable, model: dict[str, Any], reach: Sequence[int]) -> None:
    """Nothing is said of the table as it is; a leak that reaches so many rows ahead is told, and which column it is."""
    plain = walk(table, model)
    assert suspicions(table, plain.found, plain.last, seed=7) == ()
    for rows in reach:
        leaking = walk(knowing(table, rows), model)
        told = suspicions(leaking.table, leaking.found, leaking.last, seed=7)
        assert {IMPLAUSIBLE, ONE_COLUMN} <= {s.kind for s in told}, (rows, told)
        assert any("future" in s.words for s in told)


def test_shuffled_labels_and_leaks_sample(tmp_path: Path) -> None:
    table = table_of(tmp_path, {})
    check_shuffled(table, (1,))
    check_leaks(table, {"plugin": "ridge"}, (1,))


@pytest.mark.drill
def test_shuffled_labels_give_nothing(tmp_path: Path, record_property: Record) -> None:
    misses = check_shuffled(table_of(tmp_path, {"alpha": 2.0}), range(1, SHUFFLES + 1))
    record_property("misses", f"of {SHUFFLES} shuffles the interval misses 0: {misses}")


@pytest.mark.drill
@pytest.mark.parametrize(
    ("market", "reach"),
    [
        ({}, (1, 5, 60)),
        ({"null": True}, (1, 5, 60)),
        ({"alpha": 0.0}, (1, 5, 60)),
        (
            {"alpha": 2.0},
            (),
        ),  # beside so strong a signal a leak of one row goes unnoticed: docs/models.md, Limits
    ],
    ids=["default", "null", "alpha=0", "alpha=2"],
)
def test_a_leaked_feature_is_told_and_an_honest_one_is_not(
    tmp_path: Path, market: dict[str, Any], reach: Sequence[int]
) -> None:
    check_leaks(table_of(tmp_path, market), SMALL, reach)


# ------------------------------------------------------------------------------------------- past and future


def check_past(short: TrainingTable, long: TrainingTable, model: dict[str, Any]) -> None:
    """What is fitted on the first part is the same to the bit, whatever comes behind it."""
    until = short.row_ns[-1]
    splitter = WalkForward(3, 60 * NS, 500)
    said = []
    for table in (short, long):
        train = np.flatnonzero(table.t_end.max(axis=1) <= until)
        _, data = training_set(table, train, recipe(model, splitter))
        predictor = recipe(model, splitter).model.fit(data)
        out = np.zeros((len(train), 3), PREDICTION)
        predictor.predict(data.x, data.regime, out)
        said.append((data.x.tobytes(), data.y.tobytes(), data.regime.tobytes(), out.tobytes()))
        assert len(train) > 3000
    assert said[0] == said[1]


def two_tables(
    folder: Path, short: str, long: str, market: dict[str, Any]
) -> tuple[TrainingTable, TrainingTable]:
    """A market, and the same one that goes on: seeds make the same events until then."""
    return tuple(table_of(folder / d, market | {"duration": d}) for d in (short, long))  # type: ignore[return-value]


def test_the_second_half_does_not_change_the_first_sample(tmp_path: Path) -> None:
    check_past(*two_tables(tmp_path, "1h", "2h", {}), SMALL)


@pytest.mark.drill
@pytest.mark.parametrize("seed_offset", [0, 1, 2])
def test_the_second_half_does_not_change_the_first(tmp_path: Path, seed_offset: int) -> None:
    check_past(*two_tables(tmp_path, "4h", "8h", {"seed_offset": seed_offset}), WHOLE)
