"""A model's fit whose parts are worked on side by side: the members of an ensemble, the horizons of a member."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from btcframe import scratch
from btcframe.api import Fitting, Model, Part, Parted, Predictor, TrainingSet
from btcframe.engine import Died, Unsendable, Where, Workers, handed, workers
from btcframe.errors import ModelError

_ARRAYS = ("x", "row_ns", "y", "t_end", "weight", "regime")


def in_parts(model: Model, where: Where) -> bool:
    """Whether the parts of the model's fit can be worked on elsewhere: it has some, and there is somebody."""
    return isinstance(model, Parted) and (where.kind != "local" or where.jobs > 1)


@contextlib.contextmanager
def workers_for(model: Model, where: Where) -> Iterator[Workers | None]:
    """Who works on the parts of the model's fits in the block; None where it is fitted here, and whole.

    Raises
    ------
    ConfigError
        If there is no Ray, or no cluster answers.
    """
    if not in_parts(model, where):
        yield None
        return
    with workers(where) as there:
        yield there


def fit(
    model: Model, data: TrainingSet, there: Workers | None = None, directory: Path | None = None
) -> Predictor:
    """Fit a model; by workers, part by part, where there are some and its fit has parts. The bits are the same.

    Parameters
    ----------
    model : Model
    data : TrainingSet
    there : Workers, optional     of `workers_for`
    directory : Path, optional    where what is handed to them lies for a while

    Raises
    ------
    ModelError
        If it cannot be fitted, or a process ends without a word.
    StoreError
        If the disk has no room for what is handed over.
    """
    if there is None or directory is None or not isinstance(model, Parted):
        return model.fit(data)
    arrays = {name: getattr(data, name) for name in _ARRAYS}
    bare = _with(data, dict.fromkeys(_ARRAYS, np.empty(0)))
    try:
        with handed(there.where, arrays, directory) as told:
            return _driven(model.fitting(data), bare, told, there)
    except Died as error:
        raise ModelError(
            "a process that fitted a part of the model ended without a word",
            hint=f"It may have been killed for want of memory: {there.where.jobs} parts at a time need that of as many fits.",
            next="One part at a time: engine.jobs=1",
        ) from error
    except Unsendable as error:
        raise ModelError(
            "the model's parts cannot be handed to another process: they do not pickle",
            next="One part at a time: engine.jobs=1",
        ) from error


def _driven(fitting: Fitting, bare: TrainingSet, told: Mapping[str, Any], there: Workers) -> Predictor:
    found: Any = None
    while True:
        try:
            parts = fitting.send(found)
        except StopIteration as end:
            predictor: Predictor = end.value
            return predictor
        found = list(there.several(_part, [(bare, told, part) for part in parts]))


def _part(bare: TrainingSet, told: Mapping[str, Any], part: Part) -> Any:
    """A part, in another process."""
    return part.do(_with(bare, {name: scratch.opened(array) for name, array in told.items()}))


def _with(data: TrainingSet, arrays: dict[str, Any]) -> TrainingSet:
    return replace(data, **arrays)
