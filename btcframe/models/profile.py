"""What a model's columns and predictions were like in training: what a session holds the market against (`drift`)."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from btcframe.errors import ModelError
from btcframe.types import Floats, Ints

PROFILE = "profile.npz"
"""Its file in an artefact."""

BINS = 10
"""Bins of a column: its deciles in training."""

SAMPLED = 200_000
"""Rows, evenly spaced, that a profile is made of at most: more would move no decile by a thousandth of the rows."""


@dataclass(frozen=True)
class Profile:
    """Deciles and counts, by column and by horizon.

    A value v is in bin b where b of the edges are ≤ v, and in bin 10 where it is missing (not finite).

    Parameters
    ----------
    edges : float64[k, 9]             deciles of each column's values; NaN where it has none
    counts : int64[k, 11]             training rows in each bin
    predicted_edges : float64[h, 9]   the same of the means predicted out of sample, bps
    predicted_counts : int64[h, 11]
    """

    edges: Floats
    counts: Ints
    predicted_edges: Floats
    predicted_counts: Ints

    @property
    def missing(self) -> Floats:
        """float64[k]: share of the rows in which a column was missing."""
        share: Floats = self.counts[:, BINS] / np.maximum(self.counts.sum(axis=1), 1)
        return share

    def save(self, directory: Path) -> None:
        """Write profile.npz."""
        np.savez(directory / PROFILE, **vars(self))


def profile_of(x: Floats, predicted: Floats | None = None) -> Profile:
    """The profile of a training.

    Parameters
    ----------
    x : float64[n, k]           the rows a model was fitted on
    predicted : float64[m, h]   means that it, or the models of a walk-forward, predicted out of sample, bps; in sample
                                they are wider than any session's will be
    """
    edges, counts = _deciles(x)
    predicted_edges, predicted_counts = _deciles(np.empty((0, 0)) if predicted is None else predicted)
    return Profile(edges, counts, predicted_edges, predicted_counts)


def load_profile(directory: Path) -> Profile | None:
    """The profile of an artefact; None where it was saved without one.

    Raises
    ------
    ModelError
        If it is damaged.
    """
    path = directory / PROFILE
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            profile = Profile(**{field.name: arrays[field.name] for field in fields(Profile)})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"the model's profile cannot be read: {error}", where=str(path)) from error
    for edges, counts in (
        (profile.edges, profile.counts),
        (profile.predicted_edges, profile.predicted_counts),
    ):
        if edges.shape != (len(counts), BINS - 1) or counts.shape != (len(edges), BINS + 1):
            raise ModelError(
                f"the model's profile has shapes {edges.shape} and {counts.shape}", where=str(path)
            )
    return profile


def binned(values: Floats, edges: Floats) -> Ints:
    """The bin of every value, see Profile.

    Parameters
    ----------
    values : float64[n, k]
    edges : float64[k, 9]

    Returns
    -------
    int64[n, k]
    """
    bins = np.empty(values.shape, np.int64)
    for j, of_column in enumerate(edges):
        bins[:, j] = np.searchsorted(of_column, values[:, j], side="right")
    bins[~np.isfinite(values)] = BINS
    return bins


def counted(bins: Ints) -> Ints:
    """int64[k, 11]: how many of bins int64[n, k] are in each bin, by column."""
    k = bins.shape[1]
    places = bins + np.arange(k) * (BINS + 1)
    return np.bincount(places.ravel(), minlength=k * (BINS + 1)).reshape(k, BINS + 1)


def _deciles(values: Floats) -> tuple[Floats, Ints]:
    """Edges and counts of each column."""
    step = max(1, -(-len(values) // SAMPLED))
    k = values.shape[1]
    edges, counts = np.full((k, BINS - 1), np.nan), np.zeros((k, BINS + 1), np.int64)
    for j in range(k):
        column = np.ascontiguousarray(values[::step, j])[:, None]
        if (known := np.isfinite(column)).any():
            edges[j] = np.quantile(column[known], np.arange(1, BINS) / BINS)
        counts[j] = counted(binned(column, edges[j : j + 1]))[0]
    return edges, counts
