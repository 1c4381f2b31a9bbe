"""Folds one after the other, or several at a time in processes of their own: the bits are the same.

A process is told where the training table's arrays lie, not what is in them: large ones are mapped files, which it
maps as well. What it predicted it leaves in files, which lose their names once they are mapped here. It fits with one
thread, so that as many processes as there are cores do not get into each other's way.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import logging.handlers
import os
import queue
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import PicklingError
from typing import Any

import numpy as np

from btcframe import scratch
from btcframe.errors import ModelError
from btcframe.kernels.compile import Told, heard, told, watched
from btcframe.learning.folds import OutOfSample
from btcframe.learning.training import Trained, Work, train_fold
from btcframe.types import PREDICTION

_ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA")
}  # fmt: skip
_ARRAYS = ("row_ns", "quality", "mid", "x", "descriptors", "y", "t_end")


@dataclass(frozen=True)
class _Left:
    """What a process hands back of a fold: its predictions lie in a directory."""

    window: dict[str, int]
    directory: Path
    regimes: tuple[str, ...]
    unfit: str
    logged: list[logging.LogRecord]
    kernels: Told


def train_folds(work: Work, *, jobs: int, directory: Path) -> Iterator[Trained]:
    """Fit and judge all folds; they are given in order, whichever is done first.

    Parameters
    ----------
    work : Work
    jobs : int           folds at a time; 1: in this process
    directory : Path     where what is handed over lies for a while

    Raises
    ------
    ModelError, DataError
        If the table cannot be split, a fold not be fitted, or a process ends without a word.
    StoreError
        If a model cannot be saved.
    """
    count = work.count()
    if min(jobs, count) == 1:
        for index, split in enumerate(work.splits()):
            yield train_fold(work, index, split)
        return
    from joblib.externals.loky import ProcessPoolExecutor

    arrays = {name: scratch.shared(getattr(work.table, name)) for name in _ARRAYS}
    bare = _with(work, dict.fromkeys(_ARRAYS, np.empty(0)))
    pool = ProcessPoolExecutor(
        min(jobs, count), env=_ONE_THREAD, initializer=_begin, initargs=(logging.getLogger().level,)
    )
    try:
        places = [directory / f".fold-{index}.handed" for index in range(count)]
        pending = [pool.submit(_fold, bare, arrays, index, place) for index, place in enumerate(places)]
        for future in pending:
            yield _taken(future.result())
    except BrokenProcessPool as error:
        raise ModelError(
            "a process that fitted a fold ended without a word",
            where="validation.jobs",
            hint=f"It may have been killed for want of memory: {min(jobs, count)} folds at a time need that of as many fits.",
            next="One fold at a time: validation.jobs=1",
        ) from error
    except PicklingError as error:
        raise ModelError(
            "the regime or the model cannot be handed to another process: it does not pickle",
            where="validation.jobs",
            next="One fold at a time: validation.jobs=1",
        ) from error
    finally:
        pool.shutdown(
            wait=True, kill_workers=True
        )  # nothing is at work any more, unless something went wrong
        unfinished = () if work.artefacts is None else work.artefacts.glob(".fold-*.tmp")
        for place in (*directory.glob(".fold-*.handed"), *unfinished):
            shutil.rmtree(place)


def _with(work: Work, arrays: dict[str, Any]) -> Work:
    return replace(work, table=replace(work.table, **arrays))


# ------------------------------------------------------------------------------------------- in the other process


def _begin(level: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us, who then ends us …
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()  # … unless he was killed
    logging.getLogger().setLevel(level)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _fold(work: Work, arrays: Mapping[str, Any], index: int, place: Path) -> _Left:
    work = _with(work, {name: scratch.opened(array) for name, array in arrays.items()})
    (split,) = itertools.islice(work.splits(), index, index + 1)
    with _logged() as logged, watched() as watch:
        trained = train_fold(work, index, split)
    place.mkdir()
    for name, array in trained.part._asdict().items():
        np.save(place / f"{name}.npy", array)
    return _Left(trained.window, place, trained.regimes, trained.unfit, logged, told(watch))


@contextlib.contextmanager
def _logged() -> Iterator[list[logging.LogRecord]]:
    """Keep what is logged, for who started us: his handlers know where it belongs."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    kept: list[logging.LogRecord] = []
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield kept
    finally:
        root.removeHandler(handler)
        while not records.empty():
            kept.append(records.get())


# ------------------------------------------------------------------------------------------------ and in this one


def _taken(left: _Left) -> Trained:
    for record in left.logged:
        logging.getLogger(record.name).handle(record)
    heard(left.kernels)
    part = OutOfSample(*(_mapped(left.directory / f"{name}.npy") for name in OutOfSample._fields))
    shutil.rmtree(left.directory)
    # the file knows the fields, but not that they are aligned: kernels would be compiled for another type
    part = part._replace(predictions=part.predictions.view(PREDICTION))
    return Trained(left.window, part, left.regimes, left.unfit)


def _mapped(path: Path) -> scratch.Array:
    mode: Any = "r+" if path.stat().st_size >= scratch.LARGE else None
    array: scratch.Array = np.load(path, mmap_mode=mode, allow_pickle=False)
    return array
