"""The training window of a model that learns from trees: which rows it can learn from, and its last part set aside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.types import Floats, Ints, duration_name

FEWEST = 40
"""Rows with a label, below which trees learn nothing but the rows."""


class Window(NamedTuple):
    """What can be learned from.

    Parameters
    ----------
    x : float64[n, k]     what is not finite is NaN
    y : float64[n, h]
    weight : float64[n]
    used : bool[k]        columns that are not constant
    """

    x: Floats
    y: Floats
    weight: Floats
    used: npt.NDArray[np.bool_]


def window(who: str, data: TrainingSet, max_missing: float) -> tuple[Window, Ints]:
    """The rows of weight above 0 with enough columns, and their indices.

    Raises
    ------
    ModelError
        If no column varies, or at some horizon fewer than `FEWEST` of these rows have a label, or it never changes.
    """
    used, finite = varying(who, data), np.isfinite(data.x)
    missing = np.count_nonzero(~finite & used, axis=1)
    rows = np.flatnonzero((data.weight > 0) & (missing <= int(max_missing * np.count_nonzero(used))))
    x = np.where(finite[rows], data.x[rows], np.nan)
    y = data.y[rows]
    for h, horizon in enumerate(data.horizons_ns):
        known = y[np.isfinite(y[:, h]), h]
        if len(known) < FEWEST:
            raise ModelError(
                f"{who}: horizon {duration_name(horizon)} has {len(known):,} labelled rows with features, of "
                f"{len(data.y):,} training rows; {FEWEST} are needed",
                hint="Use more data, fewer folds, or features that warm up sooner.",
            )
        if not _varies(known):
            raise ModelError(
                f"{who}: the label at horizon {duration_name(horizon)} is {known[0]:g} bps on all {len(known):,} "
                "training rows",
                hint="Nothing can be learned from a price that does not move: use a longer horizon or another window.",
            )
    return Window(x, y, data.weight[rows], used), rows


def varying(who: str, data: TrainingSet) -> npt.NDArray[np.bool_]:
    """bool[k]: the columns that are not constant where they are there.

    Raises
    ------
    ModelError
        If none is.
    """
    used = np.array([_varies(column[np.isfinite(column)]) for column in data.x.T], bool)
    if not used.any():
        raise ModelError(
            f"{who}: none of the {len(data.columns)} columns varies on the {len(data.x):,} training rows",
            hint="The training window may be too short for the features to warm up.",
        )
    return used


def parted(data: TrainingSet, rows: Ints, share: float) -> tuple[Ints, Ints]:
    """Places in `rows` to learn from, and of the last `share` of them, to judge by: no label of the first reaches there.

    Both are empty where either would hold fewer than `FEWEST`.
    """
    start = len(rows) - int(share * len(rows))
    nothing = np.empty(0, np.int64)
    if start >= len(rows):
        return nothing, nothing
    known = data.t_end[rows].max(axis=1)
    before = np.flatnonzero(known[:start] < data.row_ns[rows[start]])
    after = np.arange(start, len(rows))
    return (before, after) if min(len(before), len(after)) >= FEWEST else (nothing, nothing)


def weighted_deviation(left: Floats, weight: Floats) -> float:
    """Standard deviation about 0 of what a model leaves."""
    return float(np.sqrt(np.average(left**2, weights=weight)))


def _varies(values: Floats) -> bool:
    return len(values) > 0 and bool(values.min() < values.max())
