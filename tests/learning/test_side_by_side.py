"""Folds in processes of their own: the same bits, in order; a process that dies or an interrupt leaves nothing behind."""

from __future__ import annotations

import dataclasses
import logging
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hazards import Dies, Interrupts, Speaks, Unpicklable

from btcframe import scratch
from btcframe.combinatorial import Combinatorial
from btcframe.engine import Where
from btcframe.errors import ModelError
from btcframe.kernels.compile import watched
from btcframe.learning.folds import Recipe
from btcframe.learning.side_by_side import train_folds
from btcframe.learning.tables import TrainingTable
from btcframe.learning.training import Trained, Work
from btcframe.types import NS
from btcframe_models import Ensemble, Persistence, Ridge
from btcframe_models.boosting import Boosting
from btcframe_models.extra_trees import ExtraTrees
from btcframe_regimes.volatility import Volatility

from .test_training import SPLIT, table

NODES = {"regime": {"plugin": "volatility"}, "model": {"plugin": "ridge"}}


def work(t: TrainingTable, model: Any = None, splitter: Any = SPLIT, **settings: Any) -> Work:
    recipe = Recipe(Volatility(), model or Ridge(), splitter.inner(), 7, **settings)
    return Work(t, splitter, recipe)


def on_disk(t: TrainingTable, directory: Path) -> TrainingTable:
    moved = {}
    for name in ("row_ns", "quality", "mid", "x", "descriptors", "y", "t_end"):
        values = getattr(t, name)
        moved[name] = scratch.zeros(values.shape, values.dtype, directory)
        moved[name][:] = values
    return dataclasses.replace(t, **moved, directory=directory)


def same(one: list[Trained], other: list[Trained]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.window, a.regimes, a.unfit) == (b.window, b.regimes, b.unfit)
        for first, second in zip(a.part, b.part, strict=True):
            assert first.dtype == second.dtype and first.dtype.isalignedstruct == second.dtype.isalignedstruct
            assert first.shape == second.shape and first.tobytes() == second.tobytes()


def test_one_or_two_at_a_time_give_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Ensemble(boosting=Boosting(trees=8, min_leaf=20), extra_trees=ExtraTrees(trees=4, min_leaf=20))
    t = table(1200)
    t = dataclasses.replace(t, layout=dataclasses.replace(t.layout, columns=("f0", "log_return_5", "f2")))
    one = dataclasses.replace(
        work(t, small, baseline=Persistence(), uniqueness=True), artefacts=tmp_path / "one", manifest=NODES
    )
    expected = list(train_folds(one, where=Where(jobs=1), directory=tmp_path))
    assert np.isfinite(expected[0].part.baseline).any()
    monkeypatch.setattr(scratch, "LARGE", 1)  # every array lies on the disk, and is handed over by its place
    two = dataclasses.replace(one, table=on_disk(t, tmp_path), artefacts=tmp_path / "two")
    assert all(isinstance(scratch.shared(getattr(two.table, name)), scratch.Shared) for name in ("x", "y"))
    with watched() as kernels:
        same(list(train_folds(two, where=Where(jobs=2), directory=tmp_path)), expected)
    assert kernels.loaded + kernels.compiled > 0  # what the others needed is counted here
    files = {
        name: {
            p.relative_to(tmp_path / name): p.read_bytes()
            for p in (tmp_path / name).rglob("*.*")
            if p.is_file()
        }
        for name in ("one", "two")
    }
    assert files["one"] == files["two"] and len({p.parts[0] for p in files["one"]}) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]  # nothing else is left


def test_combinatorial_splits_and_what_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("skfolio", reason="the extra btcframe[combinatorial] is not installed")
    asked = work(table(600), Speaks(), Combinatorial(4, 2, 5 * NS, 20))
    with caplog.at_level(logging.WARNING):
        expected = list(train_folds(asked, where=Where(jobs=1), directory=tmp_path))
        said = [r.getMessage() for r in caplog.records]
        caplog.clear()
        same(list(train_folds(asked, where=Where(jobs=2), directory=tmp_path)), expected)
    assert len(said) == 6 and [r.getMessage() for r in caplog.records] == said
    assert not list(tmp_path.iterdir())


def test_a_process_that_dies(tmp_path: Path) -> None:
    t = table(2000)
    asked = dataclasses.replace(work(t, Dies(1200)), artefacts=tmp_path / "models", manifest=NODES)
    with pytest.raises(ModelError, match="ended without a word") as caught:
        list(train_folds(asked, where=Where(jobs=2), directory=tmp_path))
    assert "memory" in caught.value.hint and caught.value.next.endswith("validation.jobs=1")
    left = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.name.startswith(".")]
    assert not left


def test_an_interrupt_ends_them_all(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who started the tests may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            list(
                train_folds(
                    work(table(800), Interrupts(str(tmp_path))), where=Where(jobs=2), directory=tmp_path
                )
            )
    finally:
        signal.signal(signal.SIGINT, before)
    workers = [p.name for p in tmp_path.iterdir()]
    assert workers and not any(Path("/proc", pid).exists() for pid in workers)


def test_a_fold_that_cannot_be_fitted_is_named(tmp_path: Path) -> None:
    t = table(800)
    flat = dataclasses.replace(t, y=np.zeros_like(t.y))
    with pytest.raises(ModelError, match=r"horizon 5s is 0 bps .* \(fold 0, \d+ training rows\)"):
        list(train_folds(work(flat), where=Where(jobs=2), directory=tmp_path))


def test_a_model_that_cannot_be_handed_over(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be handed to another process") as caught:
        list(train_folds(work(table(800), Unpicklable()), where=Where(jobs=2), directory=tmp_path))
    assert caught.value.next.endswith("validation.jobs=1") and not list(tmp_path.iterdir())
