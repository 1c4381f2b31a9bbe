"""Which feature columns are used: `select` in the config, by name, pattern or family.

A component none of whose columns is used does not run, and no column that is not used reaches the training table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from btcframe.api import Column, Feature
from btcframe.errors import ConfigError, nearest

ALL = ("*",)


def chosen(features: Mapping[str, Feature], select: Sequence[str] = ALL) -> frozenset[str]:
    """Names of the columns that a selection asks for.

    Parameters
    ----------
    features : mapping of name to Feature
    select : sequence of str
        Column names, patterns of them (``ofi_*``), families (``volatility``) or names of components. One that begins
        with ``!`` leaves out. They work in order, from nothing chosen, or from everything if the first leaves out.

    Raises
    ------
    ConfigError
        If one fits no column, or nothing is left.
    """
    columns = [(name, column) for name, feature in features.items() for column in feature.columns()]
    found: set[str] = set()
    if not select or select[0].startswith("!"):
        found = {column.name for _, column in columns}
    for pattern in select:
        fits = {column.name for name, column in columns if _fits(pattern.removeprefix("!"), name, column)}
        if columns and not fits:
            raise ConfigError(
                f"{pattern!r} is no column, pattern, family or component",
                where="select",
                hint=_hint(pattern.removeprefix("!"), columns),
                next="See what there is: btcframe features",
            )
        found = found - fits if pattern.startswith("!") else found | fits
    if columns and not found:
        raise ConfigError("no column is left", where="select", next="See what there is: btcframe features")
    return frozenset(found)


def _fits(pattern: str, component: str, column: Column) -> bool:
    return fnmatchcase(column.name, pattern) or pattern in (column.family, component)


def _hint(pattern: str, columns: Sequence[tuple[str, Column]]) -> str:
    """The nearest name; where none is near, the families: all the columns would fill the screen."""
    wide = {text for name, column in columns for text in (name, column.family) if text}
    close = nearest(pattern, wide | {column.name for _, column in columns})
    return f"Did you mean {close}?" if close else f"Families and components: {', '.join(sorted(wide))}."
