"""Whether two pipelines that came to one place of a market by different ways will close the same rows from there on.

Only what closes rows is asked: book, accumulators, clock. How far a row can be trusted, features and descriptors look
back as far as they like, and follow from the rows, one after the other (`Pipeline.push_rows`).
"""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.types import StateArray

Memory = Mapping[str, StateArray]
"""What `Pipeline.save` gives."""

_FROM_ROWS = ("trust",)
"""Of INGEST: follows from the rows."""

_SCRATCH = ("was_usable", "tracked_key", "tracked_lots", "next_key", "next_lots")
"""Of INGEST: between two messages it means nothing, because each writes it before it is read."""


def disagreement(one: Memory, other: Memory) -> str:
    """What differs between two memories at the same place, between two messages, to the bit.

    A book that is not usable agrees with none: its source may still be at odds with what comes next.

    Parameters
    ----------
    one, other : Memory

    Returns
    -------
    str     the book, the row, or the clock; "": nothing, the rows from here on are the same
    """
    if not _same_book(one["book"][0], other["book"][0]):
        return "the book"
    a, b = one["ingest"], other["ingest"]
    names = [name for name in a.dtype.names or () if name not in (*_FROM_ROWS, *_SCRATCH)]
    within = a["snapshot"].any() or a["tracked"].any()  # a message, whose scratch does mean something
    if within or any(a[name].tobytes() != b[name].tobytes() for name in names):
        return "the row"
    if one["clock"].dtype != other["clock"].dtype or one["clock"].tobytes() != other["clock"].tobytes():
        return "the clock"
    return ""


def _same_book(one: StateArray, other: StateArray) -> bool:
    """Whether both are usable and whole, and have the same levels; what lies behind those in use means nothing."""
    if not (one["usable"] and other["usable"]) or one["loading"] or other["loading"]:
        return False
    for side in range(2):
        n = int(one["n"][side])
        if n != other["n"][side]:
            return False
        if any((one[name][side, :n] != other[name][side, :n]).any() for name in ("key", "lots")):
            return False
    return True
