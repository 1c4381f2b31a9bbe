"""The training table: assembling it while rows stream by, and reading it back as arrays.

One row of `l2_training_data` is row_ns, symbol, flags, quality, mid, microprice, the feature columns, the regime's
descriptors, and per label the value and `<label>_t_end`, when it is known. Nothing in it is fitted. The quality (docs/quality.md)
is what a row weighs in training, times the uniqueness of its labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe import scratch
from btcframe.api import Label, Store
from btcframe.errors import ConfigError
from btcframe.types import ROW, Floats, Ints, RowArray, RowFlag

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "l2_training_data"
FIXED = ("row_ns", "symbol", "flags", "quality", "mid", "microprice", "build", "day")
"""Column names that no component may use."""


@dataclass(frozen=True)
class Layout:
    """Which columns a training table has.

    Parameters
    ----------
    columns : tuple of str           features, the columns of X in order
    regime_columns : tuple of str    descriptors
    labels : tuple of str            one per horizon
    horizons_ns : tuple of int
    """

    columns: tuple[str, ...]
    regime_columns: tuple[str, ...]
    labels: tuple[str, ...]
    horizons_ns: tuple[int, ...]

    def __post_init__(self) -> None:
        seen = set(FIXED)
        ends = tuple(f"{label}_t_end" for label in self.labels)
        for name in (*self.columns, *self.regime_columns, *self.labels, *ends):
            if name in seen:
                raise ConfigError(
                    f"two columns of the training table are called {name}",
                    hint=f"Names taken by the table itself: {', '.join(FIXED)}.",
                )
            seen.add(name)

    @classmethod
    def of(cls, columns: Sequence[str], regime_columns: Sequence[str], label: Label) -> Layout:
        """The layout of a pipeline's columns and a label."""
        names = tuple(c.name for c in label.columns())
        return cls(tuple(columns), tuple(regime_columns), names, tuple(label.horizons_ns))

    def as_manifest(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return {name: list(value) for name, value in vars(self).items()}

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Layout:
        """Back from `as_manifest`."""
        return cls(**{name: tuple(value) for name, value in manifest.items()})


@dataclass
class Summary:
    """What a build is made of.

    Parameters
    ----------
    rows : int                  rows written
    warmup : int                leading rows before the first one in which every feature is known
    first_ns, last_ns : int     of the rows
    flags : mapping             rows by RowFlag name
    unusable : int              rows of quality 0: never trained on
    valid : mapping             rows with a value, by column (features, descriptors, labels)
    """

    rows: int = 0
    warmup: int = 0
    first_ns: int = 0
    last_ns: int = 0
    unusable: int = 0
    flags: dict[str, int] = field(default_factory=dict)
    valid: dict[str, int] = field(default_factory=dict)

    def count(self, rows: RowArray, x: Floats, named: Mapping[str, Floats]) -> None:
        """Add some rows; `x` are their features, `named` all columns that can be missing."""
        if self.rows == 0:
            self.first_ns = int(rows["row_ns"][0])
        if self.warmup == self.rows:  # still warming up
            complete = np.flatnonzero(~np.isnan(x).any(axis=1))
            self.warmup += int(complete[0]) if len(complete) else len(x)
        self.rows += len(rows)
        self.last_ns = int(rows["row_ns"][-1])
        self.unusable += int(np.count_nonzero(rows["quality"] == 0))
        for flag in RowFlag:
            n = int(np.count_nonzero(rows["flags"] & int(flag)))
            if n:
                self.flags[str(flag.name)] = self.flags.get(str(flag.name), 0) + n
        for name, values in named.items():
            self.valid[name] = self.valid.get(name, 0) + int(np.count_nonzero(~np.isnan(values)))


class Assembler:
    """Puts rows, features and labels together in batches of at least `batch` rows.

    A row is given out once its longest label can be known. Held at a time: `batch` rows, those still waiting for
    their labels, and what was added last.

    Parameters
    ----------
    layout : Layout
    symbol : str
    label : Label
    batch : int
    """

    def __init__(self, layout: Layout, symbol: str, label: Label, batch: int) -> None:
        self.summary = Summary()
        self._layout, self._symbol, self._label = layout, symbol, label
        self._batch = self._wanted = batch
        self._chunks: list[tuple[RowArray, Floats, Floats]] = []
        self._held = 0
        self._past: RowArray = np.empty(0, ROW)  # rows given out that labels still look back on

    def add(self, rows: RowArray, x: Floats, descriptors: Floats) -> pa.Table | None:
        """Take rows (copied); give out a batch if there is one."""
        self._chunks.append((rows.copy(), x.copy(order="K"), descriptors.copy()))
        self._held += len(rows)
        return self._take(final=False) if self._held >= self._wanted else None

    def finish(self) -> pa.Table | None:
        """The rows that are left, None if there are none; what cannot be known any more is NaN."""
        return self._take(final=True) if self._held else None

    def _take(self, *, final: bool) -> pa.Table | None:
        rows, x, descriptors = (np.concatenate(parts) for parts in zip(*self._chunks, strict=True))
        row_ns = rows["row_ns"]
        n = len(rows)
        if not final:
            n = int(np.searchsorted(row_ns, row_ns[-1] - self._label.max_horizon_ns, side="right"))
        if n < self._batch and not final:
            self._chunks = [(rows, x, descriptors)]
            self._wanted = self._held + self._batch - n
            return None
        known = np.concatenate([self._past, rows]) if len(self._past) else rows
        past = len(self._past)
        y, t_end = self._label.label(known)
        if self._label.lookback_ns:
            given = known[: past + n]
            oldest = row_ns[min(n, len(rows) - 1)] - self._label.lookback_ns
            self._past = given[given["row_ns"] >= oldest].copy()
        self._chunks = [(rows[n:].copy(), x[n:].copy(), descriptors[n:].copy())]
        self._held -= n
        self._wanted = max(self._batch, self._held + 1)
        return self._table(rows[:n], x[:n], descriptors[:n], y[past:][:n], t_end[past:][:n])

    def _table(self, rows: RowArray, x: Floats, descriptors: Floats, y: Floats, t_end: Ints) -> pa.Table:
        import pyarrow as pa

        layout = self._layout
        named: dict[str, Floats] = {}
        for names, values in (
            (layout.columns, x),
            (layout.regime_columns, descriptors),
            (layout.labels, y),
        ):
            named.update(zip(names, np.ascontiguousarray(values.T), strict=True))
        self.summary.count(rows, x, named)
        arrays: dict[str, Any] = {
            "row_ns": rows["row_ns"],
            "symbol": pa.repeat(self._symbol, len(rows)),
            "flags": rows["flags"].astype(np.int32),
            "quality": rows["quality"],
            "mid": rows["mid"],
            "microprice": rows["microprice"],
        }
        arrays |= named
        for label, ends in zip(layout.labels, t_end.T, strict=True):
            arrays[f"{label}_t_end"] = ends
        return pa.table(
            {
                name: pa.array(np.ascontiguousarray(a)) if isinstance(a, np.ndarray) else a
                for name, a in arrays.items()
            }
        )


@dataclass(frozen=True)
class TrainingTable:
    """A build's training table as arrays; large ones lie on the disk, see `scratch`.

    Parameters
    ----------
    layout : Layout
    row_ns : int64[n]
    quality : float64[n]
    mid : float64[n]             quote
    x : float64[n, k]
    descriptors : float64[n, d]
    y : float64[n, h]            bps
    t_end : int64[n, h]
    directory : Path, optional   where large arrays made from it lie
    """

    layout: Layout
    row_ns: Ints
    quality: Floats
    mid: Floats
    x: Floats
    descriptors: Floats
    y: Floats
    t_end: Ints
    directory: Path | None = None

    def __len__(self) -> int:
        return len(self.row_ns)


def read_training(
    store: Store, build: str, layout: Layout, rows: int, directory: Path | None = None
) -> TrainingTable:
    """Read a build's training table.

    Parameters
    ----------
    store : Store
    build : str
    layout : Layout     which columns
    rows : int          how many rows it has
    directory : Path, optional    where large arrays lie; None: in memory, whatever their size

    Raises
    ------
    StoreError
        If the build is not whole or cannot be read, or the disk has no room for its arrays.
    """
    groups: dict[str, tuple[str, ...]] = {
        "x": layout.columns,
        "descriptors": layout.regime_columns,
        "y": layout.labels,
        "t_end": tuple(f"{label}_t_end" for label in layout.labels),
    }
    single: dict[str, type] = {"row_ns": np.int64, "quality": np.float64, "mid": np.float64}
    arrays: dict[str, Any] = {
        name: scratch.zeros((rows,), dtype, directory) for name, dtype in single.items()
    }
    for name, columns in groups.items():
        dtype = np.int64 if name == "t_end" else np.float64
        arrays[name] = scratch.zeros((rows, len(columns)), dtype, directory)
    at = 0
    names = [*single, *(c for columns in groups.values() for c in columns)]
    for batch in store.scan(build, TABLE, names):
        part = slice(at, at + batch.num_rows)
        for name in single:
            arrays[name][part] = batch.column(name).to_numpy()
        for name, columns in groups.items():
            for j, column in enumerate(columns):
                arrays[name][part, j] = batch.column(column).to_numpy()
        at += batch.num_rows
        scratch.forget(*arrays.values())
    return TrainingTable(layout, **arrays, directory=directory)
