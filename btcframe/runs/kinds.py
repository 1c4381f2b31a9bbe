"""The runs of a comparison as figures show them: the best, the median one, the others."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from btcframe.runs.comparison import Comparison
from btcframe.runs.ranking import names, settings_of

BEST, MEDIAN, OTHER = "var(--s2)", "var(--s1)", "var(--quiet)"


class Kind(NamedTuple):
    """Runs that are drawn alike.

    Parameters
    ----------
    name, colour : str
    width : float         of a line
    which : list of int   places in the ranking
    """

    name: str
    colour: str
    width: float
    which: list[int]


def kinds(found: Comparison) -> list[Kind]:
    """The runs in the order in which they are drawn."""
    rest = [k for k in range(len(found.rows)) if k not in (0, found.median)]
    told = [
        Kind("the others", OTHER, 1.0, rest),
        Kind("the median run", MEDIAN, 2.0, [found.median] if found.median else []),
        Kind("the best", BEST, 2.4, [0]),
    ]
    return [kind for kind in told if kind.which]


def called(found: Comparison) -> list[str]:
    """Each run by its place, its name and its settings, for whoever points at it."""
    return [
        escaped(f"{k + 1}. {name}{'  ' + settings_of(found, row) if row.settings else ''}")
        for k, (name, row) in enumerate(zip(names(found.rows), found.rows, strict=True))
    ]


def escaped(text: str) -> str:
    """Text that plotly takes for no markup of its own."""
    return escape(text, quote=False)
