"""Fits made of parts: several side by side, on parts of the window, or worked on here, one part after the other."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from btcframe.api import Fitting, Model, Part, Parted, Predictor, TrainingSet
from btcframe.errors import ModelError

P = TypeVar("P", bound=Predictor)


def here(fitting: Generator[Sequence[Part], Sequence[Any], P], data: TrainingSet) -> P:
    """The predictor of a fit whose parts are worked on in this process."""
    found: Any = None
    while True:
        try:
            parts = fitting.send(found)
        except StopIteration as end:
            predictor: P = end.value
            return predictor
        found = [part.do(data) for part in parts]


def fitting_of(model: Model, data: TrainingSet, finest: bool) -> Fitting:
    """A model's fit: in its own parts where the finest are asked for and it has some, else in one."""
    return model.fitting(data) if finest and isinstance(model, Parted) else _whole(model)


def _whole(model: Model) -> Fitting:
    (predictor,) = yield [Part(_fit, (model,))]
    fitted: Predictor = predictor
    return fitted


def _fit(data: TrainingSet, model: Model) -> Predictor:
    return model.fit(data)


def inside(index: int, fitting: Fitting) -> Generator[list[Part], Sequence[Any], Predictor | ModelError]:
    """The same fit on the rows for fitting in one split of the window; what is wrong with them, where it cannot be."""
    found: Any = None
    while True:
        try:
            parts = fitting.send(found)
        except StopIteration as end:
            predictor: Predictor = end.value
            return predictor
        found = yield [Part(_tried, (part.work, *part.given), (index, *part.inside)) for part in parts]
        for each in found:
            if isinstance(each, ModelError):
                fitting.close()
                return each


def _tried(data: TrainingSet, work: Callable[..., Any], *given: Any) -> Any:
    try:
        return work(data, *given)
    except ModelError as error:
        return error


def together(
    fittings: Sequence[Generator[Sequence[Part], Sequence[Any], Any]],
) -> Generator[list[Part], Sequence[Any], list[Any]]:
    """Several fits, step by step together: the parts of one step of all of them need nothing of each other."""
    made: dict[int, Any] = {}
    found: dict[int, Any] = dict.fromkeys(range(len(fittings)))
    while found:
        asked: dict[int, Sequence[Part]] = {}
        for n, results in found.items():
            try:
                asked[n] = fittings[n].send(results)
            except StopIteration as end:
                made[n] = end.value
        if not asked:
            break
        results = iter((yield [part for parts in asked.values() for part in parts]))
        found = {n: list(itertools.islice(results, len(parts))) for n, parts in asked.items()}
    return [made[n] for n in range(len(fittings))]


def threads(most: int) -> int:
    """How many threads may be used here, up to so many: whoever divides the cores says so to OpenMP, too."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(most, int(told)) if told.isdigit() and int(told) else most
