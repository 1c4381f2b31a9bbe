"""How a model fares in a session: have its columns and predictions moved from what they were in training, is it right?

Everything is counted incrementally, over sliding windows of bounded memory, in the thread of the slow lane: the fast lane
hands over references. Nothing here has an effect on what is decided.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Label
from btcframe.models.profile import BINS, Profile, binned, counted
from btcframe.types import PREDICTION, ROW, Floats, Ints, StateArray, duration_name

DRIFTED = 0.25
"""PSI from which on a column counts as moved (Siddiqi 2006: below 0.1 none, 0.1 to 0.25 some, above a shift)."""

MISSING = 0.05
"""More of a column's values missing than in training, as a share of the rows, from which on it is told."""

WINDOW = 8192
"""Rows that the shares are taken over."""

LEAST = 2048
"""Rows from which on they say anything: a PSI of n rows that did not move is some 9/n times the rows that move as one."""

HORIZONS = 500
"""The information coefficient is taken over the labels of so many horizons, one after the other."""

ENOUGH = 30
"""Labels that do not overlap, from which on it says anything."""

EVERY = 256
"""Rows whose labels are computed together."""

_NEAR = 1 - 1e-12
"""The nearest to 1 that an interval is made for."""

BLOCKS = 16
"""Parts of a window: it slides by one of them."""


class LiveIC(NamedTuple):
    """The correlation of predictions with what came, about zero, over labels that have ended: Σmy/√(Σm²·Σy²).

    Parameters
    ----------
    horizon_ns : int
    labels : int            in the window
    apart : float           of them, as many as do not overlap: their time over the horizon
    ic : float              NaN where there are too few, or one of the two is always 0
    low, high : float       95 % interval: tanh(artanh(ic) ± 1.96/√(apart − 3)) (Fisher 1921)
    """

    horizon_ns: int
    labels: int
    apart: float
    ic: float
    low: float
    high: float


class Health(NamedTuple):
    """What the watch has to say of the model that predicts.

    Parameters
    ----------
    rows : int                  in the window of the shares, since the model took over
    note : str                  why there is no PSI: no model, no profile, or too few rows; "" where there is
    psi : mapping               by column; NaN where it was never there, in training or in the window
    prediction_psi : mapping    by horizon ("5s")
    missing : mapping           share of the rows in which a column is missing, of those that miss more than in training
    ic : tuple of LiveIC        by horizon
    """

    rows: int = 0
    note: str = "no model"
    psi: Mapping[str, float] = {}
    prediction_psi: Mapping[str, float] = {}
    missing: Mapping[str, float] = {}
    ic: tuple[LiveIC, ...] = ()

    @property
    def drifted(self) -> dict[str, float]:
        """Columns that have moved, the farthest first."""
        moved = {name: value for name, value in self.psi.items() if value > DRIFTED}
        return dict(sorted(moved.items(), key=lambda item: -item[1]))

    @property
    def farthest(self) -> float:
        """The highest PSI of a column; NaN without."""
        return max((value for value in self.psi.values() if value == value), default=math.nan)

    def plain(self) -> dict[str, Any]:
        """Plain values, None for NaN."""
        told: dict[str, Any] = {"rows": self.rows, "note": self.note, "drifted": self.drifted}
        for name in ("psi", "prediction_psi", "missing"):
            told[name] = {of: _known(value) for of, value in getattr(self, name).items()}
        told["ic"] = [{name: _known(value) for name, value in ic._asdict().items()} for ic in self.ic]
        return told


def psi(expected: Ints | Floats, found: Ints | Floats) -> Floats:
    """Population stability index: Σ (q − p)·ln(q/p) over the bins, p the shares in training and q those found.

    The shares are those of counts that are ½ greater in each bin, so that an empty one is no infinity.

    Parameters
    ----------
    expected, found : [..., b]      counts

    Returns
    -------
    float64[...]        NaN where one of the two counts nothing

    References
    ----------
    Siddiqi, Credit Risk Scorecards, 2006. It is Jeffreys' divergence (1946).
    """
    p, q = ((n + 0.5) / (n + 0.5).sum(axis=-1, keepdims=True) for n in (expected, found))
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return np.where((expected.sum(axis=-1) > 0) & (found.sum(axis=-1) > 0), index, np.nan)


class Sliding:
    """Sums over the last rows: those of some blocks, the oldest of which is let go of when another is begun.

    Parameters
    ----------
    shape : tuple of int    of the sums
    rows : int              of a full window
    """

    def __init__(self, shape: tuple[int, ...], rows: int) -> None:
        self._sums, self._rows = np.zeros((BLOCKS, *shape)), [0] * BLOCKS
        self._block, self._most = 0, max(1, rows // BLOCKS)

    @property
    def room(self) -> int:
        """Rows that may be added at once."""
        return self._most - self._rows[self._block] or self._most

    def add(self, sums: Floats | Ints, rows: int) -> None:
        """Add the sums of so many rows, `room` at most."""
        if self._rows[self._block] == self._most:
            self._block = (self._block + 1) % BLOCKS
            self._sums[self._block], self._rows[self._block] = 0.0, 0
        self._sums[self._block] += sums
        self._rows[self._block] += rows

    @property
    def rows(self) -> int:
        """In the window."""
        return sum(self._rows)

    @property
    def sums(self) -> Floats:
        """Of the window."""
        total: Floats = self._sums.sum(axis=0)
        return total


class ModelWatch:
    """Watches the model that predicts. For one thread; `health` for any.

    Parameters
    ----------
    label : Label               the session's, whose labels the model was trained on
    period_ns : int             of a row
    columns : tuple of str      the features, in the order of x
    window, least : int         see WINDOW and LEAST

    Attributes
    ----------
    health : Health
    """

    def __init__(
        self, label: Label, period_ns: int, columns: tuple[str, ...], *, window: int = WINDOW, least: int = LEAST
    ) -> None:  # fmt: skip
        self._label, self._period_ns, self._columns = label, period_ns, columns
        self._window, self._least = window, least
        self._begin(None, ())

    def promoted(self, profile: Profile | None, horizons_ns: tuple[int, ...]) -> None:
        """Another model predicts from the next row on, or none (no horizons): everything is counted anew."""
        self._begin(profile, horizons_ns)

    def give_up(self, why: str) -> None:
        """Watch no more until another model predicts."""
        self._begin(None, ())
        self.health = Health(note=f"it is not watched: {why}")

    def _begin(self, profile: Profile | None, horizons_ns: tuple[int, ...]) -> None:
        k, h = len(self._columns), len(horizons_ns)
        self._profile, self._horizons_ns = profile, horizons_ns
        self._names = [duration_name(ns) for ns in horizons_ns]
        self._seen, self._predicted = (Sliding((n, BINS + 1), self._window) for n in (k, h))
        self._moments = [Sliding((4,), HORIZONS * max(1, ns // self._period_ns)) for ns in horizons_ns]
        self._waiting: list[tuple[bytes, Floats, StateArray]] = []
        # rows whose labels have not ended, behind those that labels look back on; when they were, and what was expected
        self._rows: list[bytes] = []
        self._row_ns: list[int] = []
        self._means: list[Floats] = []
        self._done = 0  # of them, whose labels have been counted
        self.health = self._told()

    def scored(self, row: bytes, x: Floats, prediction: StateArray) -> None:
        """A row was predicted on: the bytes of its ROW, x float64[k], PREDICTION[h], kept as they are."""
        self._waiting.append((row, x, prediction))

    def catch_up(self, *, everything: bool = False) -> None:
        """Count what waits; labels EVERY rows at a time, or all that have ended."""
        if not self._horizons_ns:
            self._waiting.clear()
            return
        if self._waiting:
            rows, x, predictions = zip(*self._waiting, strict=True)
            self._waiting = []
            told = np.frombuffer(b"".join([one.tobytes() for one in predictions]), PREDICTION)
            means = told["mean"].reshape(len(rows), -1)
            self._count(np.array(x), means)
            self._rows += rows
            self._row_ns += np.frombuffer(b"".join(rows), ROW)["row_ns"].tolist()
            self._means += list(means)
        self._mature(1 if everything else EVERY)
        self.health = self._told()

    def _count(self, x: Floats, means: Floats) -> None:
        """Columns and predictions into the bins of the training."""
        profile, at = self._profile, 0
        if profile is None:
            return
        while at < len(x):
            part = slice(at, at + self._seen.room)
            rows = len(x[part])
            self._seen.add(counted(binned(x[part], profile.edges)), rows)
            if len(profile.predicted_edges):
                self._predicted.add(counted(binned(means[part], profile.predicted_edges)), rows)
            at += rows

    def _mature(self, least: int) -> None:
        """Count the rows whose labels have all ended by the last row, if there are so many."""
        if not self._rows:
            return
        ready = bisect_right(self._row_ns, self._row_ns[-1] - self._label.max_horizon_ns)
        if ready - self._done < least:
            return
        y, _ = self._label.label(np.frombuffer(b"".join(self._rows), ROW))
        now = slice(self._done, ready)
        means = np.array(self._means[now])
        for h, moments in enumerate(self._moments):
            _add_moments(moments, means[:, h], y[now, h])
        kept = bisect_left(self._row_ns, self._row_ns[ready - 1] - self._label.lookback_ns)
        for of in (self._rows, self._row_ns, self._means):
            del of[:kept]
        self._done = ready - kept

    def _told(self) -> Health:
        profile, rows = self._profile, self._seen.rows
        ic = tuple(
            _correlation(ns, moments.sums, self._period_ns)
            for ns, moments in zip(self._horizons_ns, self._moments, strict=True)
        )
        if not self._horizons_ns:
            return Health()
        if profile is None:
            return Health(rows, "the model was saved without a profile of its training", ic=ic)
        if rows < self._least:
            return Health(rows, f"too few rows yet: {rows:,} of {self._least:,}", ic=ic)
        seen = self._seen.sums
        missing = seen[:, BINS] / rows
        more = missing > profile.missing + MISSING
        moved = psi(profile.counts[:, :BINS], seen[:, :BINS])
        expected = (
            psi(profile.predicted_counts[:, :BINS], self._predicted.sums[:, :BINS])
            if len(profile.predicted_counts)
            else ()
        )
        return Health(
            rows,
            "",
            dict(zip(self._columns, moved.tolist(), strict=True)),
            dict(zip(self._names, np.asarray(expected).tolist(), strict=False)),
            {name: float(missing[j]) for j, name in enumerate(self._columns) if more[j]},
            ic,
        )


def _add_moments(moments: Sliding, means: Floats, y: Floats) -> None:
    """Add n, Σm², Σy², Σmy of the rows where both are known, as many at a time as a block has room for."""
    at = 0
    while at < len(means):
        part = slice(at, at + moments.room)
        known = np.isfinite(means[part]) & np.isfinite(y[part])
        m, of = means[part][known], y[part][known]
        moments.add(np.array([known.sum(), m @ m, of @ of, m @ of]), len(known))
        at += len(known)


def _correlation(horizon_ns: int, sums: Floats, period_ns: int) -> LiveIC:
    """What the moments say, see LiveIC."""
    n, mm, yy, my = sums.tolist()
    apart = n * min(1.0, period_ns / horizon_ns)
    if apart < ENOUGH or not mm * yy > 0:
        return LiveIC(horizon_ns, int(n), apart, math.nan, math.nan, math.nan)
    ic = my / math.sqrt(mm * yy)
    z, width = math.atanh(max(-_NEAR, min(_NEAR, ic))), 1.96 / math.sqrt(apart - 3)
    return LiveIC(horizon_ns, int(n), apart, ic, math.tanh(z - width), math.tanh(z + width))


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
