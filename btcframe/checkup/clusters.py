"""Columns that say nearly the same, from their correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from btcframe.types import Ints

ALIKE = 90
"""Percent of rank correlation, of either sign, from which on two columns are alike."""


class Grouped(NamedTuple):
    """Columns by likeness.

    Parameters
    ----------
    order : tuple of int              all columns, the like ones beside each other
    clusters : tuple of tuple         groups of two or more, any two of a group alike; the largest first
    """

    order: tuple[int, ...]
    clusters: tuple[tuple[int, ...], ...]


def square(rho: Sequence[int]) -> Ints:
    """The whole matrix, int64[k, k], 100 on the diagonal, of the pairs as `numbers.Checkup` has them."""
    k = round((1 + (1 + 8 * len(rho)) ** 0.5) / 2)
    matrix = np.full((k, k), 100)
    lower = np.tril_indices(k, -1)
    matrix[lower] = rho
    matrix.T[lower] = rho
    return matrix


def grouped(rho: Ints) -> Grouped:
    """Complete linkage (Sørensen 1948) of int64[k, k], percent: the two groups whose least like members are most alike
    become one, until all are one; groups of `ALIKE` columns are the clusters.

    A plain loop: for a hundred columns it takes less time than to import a library that does it.
    """
    k = len(rho)
    like = np.abs(rho)
    np.fill_diagonal(like, -1)
    groups: dict[int, tuple[int, ...]] = {i: (i,) for i in range(k)}
    clusters: list[tuple[int, ...]] | None = None
    for _ in range(k - 1):
        i, j = sorted(divmod(int(np.argmax(like)), k))
        if clusters is None and like[i, j] < ALIKE:
            clusters = [g for g in groups.values() if len(g) > 1]
        least = np.minimum(like[i], like[j])
        like[i], like[:, i] = least, least
        like[i, i] = -1
        like[j], like[:, j] = -1, -1
        groups[i] += groups.pop(j)
    if clusters is None:
        clusters = [g for g in groups.values() if len(g) > 1]
    return Grouped(
        tuple(c for group in groups.values() for c in group),
        tuple(sorted(clusters, key=lambda group: (-len(group), group))),
    )
