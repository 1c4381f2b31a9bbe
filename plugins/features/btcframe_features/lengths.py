"""Checks that every component with windows makes on their lengths."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 1_000_000
"""Rows a window may have: its memory is up to 160 bytes for each."""


def check_lengths(name: str, values: Sequence[int], least: int = 1, unit: str = "rows") -> None:
    """Raise unless the values rise from `least` on; no values are fine.

    Parameters
    ----------
    name : str      the field, for the message
    values : sequence of int
    least : int     the shortest that means something
    unit : str      what is counted

    Raises
    ------
    ValueError
    """
    if any(v < least for v in values):
        raise ValueError(f"{name}: {min(values)} is not a number of {unit}: they start at {least}")
    if any(v > LONGEST for v in values):
        raise ValueError(f"{name}: {max(values)} {unit} are more than {LONGEST:,}")
    if list(values) != sorted(set(values)):
        raise ValueError(f"{name}: {list(values)} must rise")


def distinct(*lists: Sequence[int]) -> list[int]:
    """All the lengths once, rising: columns over equal windows share one."""
    return sorted({n for values in lists for n in values})
