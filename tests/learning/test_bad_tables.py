"""Tables that cannot be learned from, or only in part: a clear error, or a model that says what it leaves out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from btcframe.combinatorial import Combinatorial
from btcframe.engine import Where
from btcframe.errors import DataError, ModelError
from btcframe.learning.folds import joined
from btcframe.learning.predictions import judge
from btcframe.learning.side_by_side import train_folds
from btcframe.learning.tables import TrainingTable
from btcframe.learning.training import Trained
from btcframe.report.metrics import verdict
from btcframe.split import WalkForward
from btcframe.types import NS

from .test_side_by_side import work
from .test_training import SPLIT, table


def train(t: TrainingTable, splitter: WalkForward | Combinatorial = SPLIT, **settings: bool) -> list[Trained]:
    return list(train_folds(work(t, splitter=splitter, **settings), where=Where(jobs=1), directory=Path()))


def changed(n: int = 2000, **arrays: np.ndarray) -> TrainingTable:
    return dataclasses.replace(table(n), **arrays)


def test_a_constant_label() -> None:
    with pytest.raises(
        ModelError, match=r"label at horizon 5s is 2 bps on all .*\(fold 0, \d+ training rows"
    ):
        train(changed(y=np.full((2000, 2), 2.0)))


def test_a_label_that_only_rises_is_learned_and_judged() -> None:
    t = table()
    one_class = dataclasses.replace(t, y=np.abs(t.y) + 1.0)
    found = joined([trained.part for trained in train(one_class)])
    assert (found.predictions["mean"][np.isfinite(found.predictions["mean"])] > 0).all()
    assert [m.hit_rate.value for m in judge(one_class, found, seed=7)] == [1.0, 1.0]


def test_a_label_that_is_never_known() -> None:
    t = table()
    y = t.y.copy()
    y[:, 1] = np.nan
    with pytest.raises(ModelError, match=r"horizon 10s has 0 labelled rows .*\(fold 0"):
        train(dataclasses.replace(t, y=y), uniqueness=True)


def test_a_column_that_is_never_there_counts_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    t = table()
    x = t.x.copy()
    x[:, 1] = np.nan
    x[:, 2] = 4.0
    parts = train(dataclasses.replace(t, x=x))
    assert "constant or missing in training, coefficient 0: f1, f2" in caplog.text
    without = dataclasses.replace(t, x=np.column_stack([x[:, 0], np.zeros(len(t)), np.zeros(len(t))]))
    for one, other in zip(parts, train(without), strict=True):
        np.testing.assert_array_equal(one.part.predictions["mean"], other.part.predictions["mean"])


def test_no_column_at_all() -> None:
    with pytest.raises(ModelError, match=r"none of the 3 columns varies on the \d+ training rows .*fold 0"):
        train(changed(x=np.full((2000, 3), np.nan)))


@pytest.mark.parametrize(
    ("splitter", "message"),
    [
        (WalkForward(folds=50, min_train=1), "40 rows are too few for 50 folds"),
        (WalkForward(folds=3, min_train=500), "40 rows are not enough: 500 to train on"),
        (Combinatorial(41, 2, 0, 1), "40 rows are too few for 41 groups"),
    ],
)
def test_fewer_rows_than_folds(splitter: WalkForward | Combinatorial, message: str) -> None:
    if isinstance(splitter, Combinatorial):
        pytest.importorskip("skfolio", reason="the extra btcframe[combinatorial] is not installed")
    with pytest.raises(ModelError, match=message) as caught:
        train(table(40), splitter)
    assert caught.value.hint


def test_a_horizon_longer_than_a_fold() -> None:
    t = table(600)
    longer = dataclasses.replace(t, t_end=t.row_ns[:, None] + np.array([5, 200]) * NS)
    with pytest.raises(
        ModelError, match=r"test window of fold 0 lasts .* less than the longest label \(200s\)"
    ):
        train(longer, WalkForward(folds=4, min_train=50))


def test_rows_that_are_there_twice() -> None:
    t = table()
    row_ns = t.row_ns.copy()
    row_ns[700] = row_ns[699]
    with pytest.raises(DataError, match=r"row 700 .* is there twice") as caught:
        train(dataclasses.replace(t, row_ns=row_ns))
    assert "build the table again" in caught.value.hint


def test_a_market_of_bad_rows_only() -> None:
    with pytest.raises(ModelError, match="fold 0"):
        train(changed(quality=np.zeros(2000)))


def test_a_label_without_a_move_in_the_test_window_gives_no_verdict() -> None:
    t = table()
    y = t.y.copy()
    y[500:] = 0.0
    found = joined([trained.part for trained in train(dataclasses.replace(t, y=y))])
    metrics = judge(dataclasses.replace(t, y=y), found, seed=7)
    assert "nothing to correlate" in verdict(metrics[0])
