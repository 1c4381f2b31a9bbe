"""What a checkup found, as plain numbers that are stored with a build."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from btcframe.api import Column
from btcframe.checkup.history import History
from btcframe.errors import DataError

TENTHS = 10
"""Stretches of equal length that a table is compared with itself in."""

CAUSES = (
    "warmup", "gap", "partial", "crossed", "one_sided", "flow_cut", "bar", "absent", "levels", "awaits", "refill",
    "formula",
)  # fmt: skip
"""Why a value can be missing; what each means stands in `missing`."""


@dataclass(frozen=True)
class Checked:
    """One column of a table.

    Parameters
    ----------
    name, unit, awaits : str    as its component declares them
    inputs : tuple of str
    warmup : int                    rows
    limits : (float, float)         declared range; None where there is none
    known : int                     rows with a value
    usable : int                    rows with a usable book and a value
    first : int or None             first row with a value, 0-based
    infinite : int                  infinite values: there must be none
    low, high : float or None       of the finite values, over every row
    median : float or None          this one and those below are of the sample
    size : float or None            its usual size: the span from its 1st to its 99th percentile, or its median's
                                    distance from 0 where that is larger
    most : float or None            share of its most frequent value
    moved : tuple of float          per tenth, distance of Kolmogorov and Smirnov from the whole, −1 to 1; above 0 where
                                    the tenth lies higher. None where it has too few values
    medians, spans : tuple of float    per tenth; the span is from the 5th to the 95th percentile
    coverage : tuple of int         per block, percent of the rows with a value; 99 stands for less than all, and 1 for
                                    more than none
    causes : mapping                rows without a value by cause, see `CAUSES`
    least : int or None             fewest levels with which a row short of levels had a value
    """

    name: str
    unit: str
    awaits: str
    inputs: tuple[str, ...]
    warmup: int
    limits: tuple[float | None, float | None]
    known: int
    usable: int
    first: int | None
    infinite: int
    low: float | None
    high: float | None
    median: float | None
    size: float | None
    most: float | None
    moved: tuple[float | None, ...]
    medians: tuple[float | None, ...]
    spans: tuple[float | None, ...]
    coverage: tuple[int, ...]
    causes: Mapping[str, int]
    least: int | None


@dataclass(frozen=True)
class Checkup:
    """All columns of a table.

    Parameters
    ----------
    rows, usable : int          rows, and those of them with a usable book
    first_ns, last_ns : int     of the rows
    stride, sampled : int       every stride-th row is in the sample; how many those are
    block : int                 rows of a block of `Checked.coverage`
    deepest : (int, int)        most levels that the bid and the ask side of a row had
    traded : int                rows with a trade
    volume : float              traded in all, base coin
    history : History           the rows' quality over time
    rho : tuple of int          rank correlation of each pair of columns in percent: (1, 0), (2, 0), (2, 1), (3, 0) …
    columns : tuple of Checked
    """

    rows: int
    usable: int
    first_ns: int
    last_ns: int
    stride: int
    sampled: int
    block: int
    deepest: tuple[int, int]
    traded: int
    volume: float
    history: History
    rho: tuple[int, ...]
    columns: tuple[Checked, ...]

    def as_manifest(self) -> dict[str, Any]:
        """Plain values for a manifest: the columns as one list per number, which is a third of the text."""
        plain = {name: _plain(getattr(self, name)) for name in _PLAIN}
        columns = {f.name: [_plain(getattr(c, f.name)) for c in self.columns] for f in fields(Checked)}
        return plain | {"history": self.history.as_manifest(), "columns": columns}

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Checkup:
        """Back from `as_manifest`.

        Raises
        ------
        DataError
            If it does not hold these numbers: another version wrote them.
        """
        try:
            told = dict(manifest["columns"])
            lists = [told[f.name] for f in fields(Checked)]
            names = [f.name for f in fields(Checked)]
            columns = tuple(
                Checked(**{n: _tuple(v) for n, v in zip(names, values, strict=True)})
                for values in zip(*lists, strict=True)
            )
            rest = {name: _tuple(manifest[name]) for name in _PLAIN}
            history = History.from_manifest(manifest["history"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the build's checkup of its columns is another version's: {type(error).__name__} {error}",
                hint="The table itself can be used; its columns are checked when it is made again.",
            ) from error
        return cls(**rest, history=history, columns=columns)


_PLAIN = tuple(f.name for f in fields(Checkup) if f.name not in ("history", "columns"))


def declared(column: Column) -> dict[str, Any]:
    """What `Checked` takes from a column's declaration."""
    return {
        "name": column.name,
        "unit": column.unit,
        "awaits": column.awaits,
        "inputs": tuple(column.inputs),
        "warmup": column.warmup,
        "limits": (finite(column.low), finite(column.high)),
    }


def finite(value: float) -> float | None:
    """A number as JSON takes it; None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def rounded(value: float, places: int = 4) -> float | None:
    """A number to so many significant digits: what is stored need not be exact."""
    return float(f"{value:.{places}g}") if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
