"""What a fact is: its name, unit and definition, beside the code that computes it."""

from __future__ import annotations

from typing import NamedTuple


class Fact(NamedTuple):
    """One number of a market.

    Parameters
    ----------
    key : str       its name in facts.json
    title : str     its name in a table
    unit : str      "1" where it has none
    formula : str   how it is computed, and who says so
    """

    key: str
    title: str
    unit: str
    formula: str


class Figure(NamedTuple):
    """One curve of a market, or several that belong together.

    Parameters
    ----------
    keys : tuple of str     the curves' names in facts.json; the second and later ones are dashed
    title : str
    x, y : str              what the axes show, with units
    formula : str           how it is computed
    log : str               axes that are logarithmic: "", "x", "y" or "xy"
    needs : str             what a sample must be to have it
    """

    keys: tuple[str, ...]
    title: str
    x: str
    y: str
    formula: str
    log: str = ""
    needs: str = "a longer sample"


class Section(NamedTuple):
    """Facts and figures that belong together."""

    title: str
    facts: tuple[Fact, ...]
    figures: tuple[Figure, ...]
