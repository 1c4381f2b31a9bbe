"""Folds one after the other, or several at a time, in processes of this machine or on a cluster: the bits are the same.

A process is told where the training table's arrays lie, not what is in them: large ones are mapped files, which it
maps as well. What it predicted it leaves in files, which lose their names once they are mapped here.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from btcframe import scratch
from btcframe.engine import Died, Unsendable, Where, handed, several
from btcframe.errors import ModelError
from btcframe.learning.folds import OutOfSample
from btcframe.learning.parted import in_parts, workers_for
from btcframe.learning.training import Trained, Work, train_fold
from btcframe.types import PREDICTION

_ARRAYS = ("row_ns", "quality", "mid", "x", "descriptors", "y", "t_end")


@dataclass(frozen=True)
class _Left:
    """What a process hands back of a fold: its predictions lie in a directory."""

    window: dict[str, int]
    directory: Path
    regimes: tuple[str, ...]
    unfit: str


def train_folds(
    work: Work, *, where: Where, directory: Path, at_once: int | None = None
) -> Iterator[Trained]:
    """Fit and judge all folds; they are given in order, whichever is done first.

    Where there are fewer folds than `where` works on at a time, and the model's fit has parts, the folds are fitted one
    after the other, and the parts of each side by side: never both, so nobody waits for a core that he shares.

    Parameters
    ----------
    work : Work
    where : Where              they are fitted: several at a time, in other processes
    directory : Path           where what is handed over lies for a while
    at_once : int, optional    folds at a time, in place of as many as `where` says; 1: each in parts, where it has some

    Raises
    ------
    ConfigError
        If there is no Ray, or no cluster answers.
    ModelError, DataError
        If the table cannot be split, a fold not be fitted, or a process ends without a word.
    StoreError
        If a model cannot be saved.
    """
    count = work.count()
    fewer = count < where.jobs if at_once is None else at_once == 1
    if fewer and in_parts(work.recipe.model, where):
        with workers_for(work.recipe.model, where) as there:
            for index, split in enumerate(work.splits()):
                yield train_fold(work, index, split, there)
        return
    where = replace(where, jobs=at_once or where.jobs)
    if where.kind == "local" and min(where.jobs, count) == 1:
        for index, split in enumerate(work.splits()):
            yield train_fold(work, index, split)
        return
    bare = _with(work, dict.fromkeys(_ARRAYS, np.empty(0)))
    places = [directory.absolute() / f".fold-{index}.left" for index in range(count)]
    arrays = {name: getattr(work.table, name) for name in _ARRAYS}
    try:
        with handed(where, arrays, directory) as told:
            folds = [(bare, told, index, place) for index, place in enumerate(places)]
            for left in several(where, _fold, folds):
                yield _taken(left)
    except Died as error:
        raise ModelError(
            "a process that fitted a fold ended without a word",
            where="validation.jobs",
            hint=f"It may have been killed for want of memory: {min(where.jobs, count)} folds at a time need that of as many fits.",
            next="One fold at a time: validation.jobs=1",
        ) from error
    except Unsendable as error:
        raise ModelError(
            "the regime or the model cannot be handed to another process: it does not pickle",
            where="validation.jobs",
            next="One fold at a time: validation.jobs=1",
        ) from error
    finally:
        unfinished = () if work.artefacts is None else work.artefacts.glob(".fold-*.tmp")
        for place in (*directory.glob(".fold-*.left"), *unfinished):
            shutil.rmtree(place)


def _with(work: Work, arrays: dict[str, Any]) -> Work:
    return replace(work, table=replace(work.table, **arrays))


def _fold(work: Work, told: Mapping[str, Any], index: int, place: Path) -> _Left:
    """A fold, in another process."""
    work = _with(work, {name: scratch.opened(array) for name, array in told.items()})
    (split,) = itertools.islice(work.splits(), index, index + 1)
    trained = train_fold(work, index, split)
    place.mkdir()
    for name, array in trained.part._asdict().items():
        np.save(place / f"{name}.npy", array)
    return _Left(trained.window, place, trained.regimes, trained.unfit)


def _taken(left: _Left) -> Trained:
    """What it left, in this one."""
    part = OutOfSample(*(_mapped(left.directory / f"{name}.npy") for name in OutOfSample._fields))
    shutil.rmtree(left.directory)
    # the file knows the fields, but not that they are aligned: kernels would be compiled for another type
    part = part._replace(predictions=part.predictions.view(PREDICTION))
    return Trained(left.window, part, left.regimes, left.unfit)


def _mapped(path: Path) -> scratch.Array:
    mode: Any = "r+" if path.stat().st_size >= scratch.LARGE else None
    array: scratch.Array = np.load(path, mmap_mode=mode, allow_pickle=False)
    return array
