"""A fit in parts: the same bits here or in two processes, and what is handed over is told by its place."""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hazards import Dies, Unpicklable

from btcframe import scratch
from btcframe.engine import Where, Workers
from btcframe.errors import ModelError
from btcframe.learning.folds import Fitted, fit_fold, predict_rows
from btcframe.learning.parted import in_parts, workers_for
from btcframe.learning.side_by_side import train_folds
from btcframe.learning.tables import TrainingTable
from btcframe.learning.training import fit_final
from btcframe_models import Ensemble, Ridge
from btcframe_models.boosting import Boosting
from btcframe_models.extra_trees import ExtraTrees

from .test_side_by_side import NODES, on_disk, same, work
from .test_training import table

SMALL = Ensemble(boosting=Boosting(trees=4, min_leaf=20), extra_trees=ExtraTrees(trees=2, min_leaf=20))
TWO = Where(jobs=2)
ROWS = np.arange(900)


def told(t: TrainingTable, fitted: Fitted) -> bytes:
    return predict_rows(fitted, t, np.arange(900, 1200)).predictions.tobytes()


def files(place: Path) -> dict[Path, bytes]:
    return {p.relative_to(place): p.read_bytes() for p in place.rglob("*.*") if p.is_file()}


def test_parts_in_processes_give_the_bits_of_one_fit(tmp_path: Path) -> None:
    t = dataclasses.replace(table(1200), directory=tmp_path)
    asked = work(t, SMALL)
    expected = told(t, fit_fold(t, ROWS, asked.recipe, index=0))
    flat = dataclasses.replace(t, y=np.zeros_like(t.y))
    with pytest.raises(ModelError, match="is 0 bps") as wrong:
        fit_fold(flat, ROWS, asked.recipe, index=0)
    with workers_for(SMALL, TWO) as there:
        assert there
        assert told(t, fit_fold(t, ROWS, asked.recipe, index=0, workers=there)) == expected
        # a large table: its arrays lie on the disk already, and bad rows are left out of it
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scratch, "LARGE", 1)
            large = on_disk(table(1200), tmp_path)
            assert told(large, fit_fold(large, ROWS, asked.recipe, index=0, workers=there)) == expected
        with pytest.raises(ModelError) as caught:  # and what cannot be fitted is told as it is here
            fit_fold(flat, ROWS, asked.recipe, index=0, workers=there)
        assert str(caught.value) == str(wrong.value)
    assert not list(tmp_path.iterdir())


@contextlib.contextmanager
def handing(where: Where) -> Iterator[Workers]:
    """Workers that are handed all they work on, in this process."""
    yield Workers(where, lambda call, parts: (call(*pickle.loads(pickle.dumps(part))) for part in parts))


def test_folds_and_the_final_fit_in_parts_write_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btcframe.learning.parted.workers", handing)
    t = dataclasses.replace(table(1200), directory=tmp_path)
    one = dataclasses.replace(work(t, SMALL), artefacts=tmp_path / "one", manifest=NODES)
    two = dataclasses.replace(one, artefacts=tmp_path / "two")
    (first, *_) = expected = list(train_folds(one, where=Where(), directory=tmp_path))
    same(list(train_folds(two, where=TWO, directory=tmp_path, at_once=1)), expected)
    for each, where in ((one, Where()), (two, TWO)):
        assert each.artefacts
        fit_final(each, 3, first.part, {}, each.artefacts / "final", where)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]


def test_who_works_on_parts() -> None:
    assert in_parts(SMALL, TWO) and in_parts(SMALL, Where("ray"))
    assert not in_parts(SMALL, Where()) and not in_parts(Ridge(), TWO)
    with workers_for(Ridge(), Where("ray", "nobody:1")) as there:
        assert there is None


@pytest.mark.parametrize(
    ("jobs", "at_once", "parts"),
    [(3, None, False), (4, None, True), (4, 3, False), (4, 1, True), (1, None, False), (1, 1, False)],
)
def test_folds_or_their_parts_side_by_side_never_both(
    jobs: int, at_once: int | None, parts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    side_by_side = "btcframe.learning.side_by_side."
    monkeypatch.setattr(side_by_side + "train_fold", lambda work, index, split, *there: seen.append(there))
    monkeypatch.setattr(side_by_side + "several", lambda where, *_: seen.append(where.jobs) or ())
    list(train_folds(work(table(800), SMALL), where=Where(jobs=jobs), directory=tmp_path, at_once=at_once))
    if parts:
        assert [there.where.jobs for (there,) in seen] == [jobs] * 3
    else:
        assert seen == ([()] * 3 if jobs == 1 else [at_once or jobs])


def test_what_is_sent_holds_no_large_array(tmp_path: Path) -> None:
    t = dataclasses.replace(table(20_000), directory=tmp_path)
    sent: list[int] = []

    def several(call: Any, parts: Any) -> Any:
        sent.extend(len(pickle.dumps((call, part))) for part in parts)
        return (call(*part) for part in parts)

    small = dataclasses.replace(SMALL, members=("ridge",))
    fit_fold(t, np.arange(20_000), work(t, small).recipe, index=0, workers=Workers(TWO, several))
    assert len(sent) == 1 + 3 and max(sent) < 10_000 < t.x.nbytes


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (Dies(1), "a process that fitted a part of the model ended without a word"),
        (Unpicklable(), "the model's parts cannot be handed to another process"),
    ],
)
def test_a_part_that_goes_wrong(member: Any, message: str, tmp_path: Path) -> None:
    t = dataclasses.replace(table(800), directory=tmp_path)
    model = Ensemble(members=("other",), other=member)
    with (
        pytest.raises(ModelError, match=rf"{message}.* \(fold 4, 700 training rows\)") as caught,
        workers_for(model, TWO) as there,
    ):
        fit_fold(t, np.arange(700), work(t, model).recipe, index=4, workers=there)
    assert caught.value.next.endswith("engine.jobs=1") and not list(tmp_path.iterdir())
