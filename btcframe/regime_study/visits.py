"""How a method's label moves: visits, dwell, where it goes, and how restless it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.types import Ints

Labels = npt.NDArray[np.integer[Any]]
"""Which regime each row is in, by number; −1 where that is unknown."""


class Visits(NamedTuple):
    """Stays of a label, in order; rows without a label are passed over.

    Parameters
    ----------
    label : int64[v]          of each visit
    rows : int64[v]           how many rows it lasted; the first and the last visit are cut off by the sample
    """

    label: Ints
    rows: Ints


def visits(labels: Labels) -> Visits:
    """Visits of a sequence of labels, int[n], −1 where there is none."""
    known = labels[labels >= 0]
    if not len(known):
        return Visits(np.empty(0, np.int64), np.empty(0, np.int64))
    starts = np.concatenate(([0], np.flatnonzero(known[1:] != known[:-1]) + 1))
    return Visits(known[starts].astype(np.int64), np.diff(np.append(starts, len(known))))


def transitions(found: Visits, k: int) -> Ints:
    """Changes from each of k labels to each other, int64[k, k]; the diagonal is 0."""
    counts = np.zeros((k, k), np.int64)
    np.add.at(counts, (found.label[:-1], found.label[1:]), 1)
    return counts


def flicker(found: Visits) -> float:
    """Changes per 1,000 rows with a label; NaN without any."""
    return 1000 * (len(found.label) - 1) / int(found.rows.sum()) if len(found.label) else float("nan")
