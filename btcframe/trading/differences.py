"""Where two sessions part: the first record of theirs that is not the same, told so that one can go on from there."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np

from btcframe.api import Action, TraderState
from btcframe.scratch import pieces
from btcframe.trading.audit import COMPARED
from btcframe.types import OrderReason, OrderState, StateArray, TimeInForce

_CODES: Mapping[tuple[str, str], type[IntEnum]] = {
    ("intents", "action"): Action,
    ("intents", "tif"): TimeInForce,
    ("orders", "tif"): TimeInForce,
    ("orders", "state"): OrderState,
    ("orders", "why"): OrderReason,
    ("stops", "state"): TraderState,
}


def first_difference(
    recorded: Mapping[str, StateArray],
    replayed: Mapping[str, StateArray],
    names: tuple[str, str] = ("recorded", "replayed"),
    *,
    cut: bool = False,
) -> str:
    """Where two sessions part: table, record, time and every field that differs; "" where they are the same.

    The earliest in time is told, over all compared tables: what follows from it explains nothing. Of several at one
    moment it is that of the intents, then the orders, then the fills. With `cut` the first may end before the second.
    """
    found: list[tuple[int, int, str]] = []
    for order, name in enumerate(COMPARED):
        a, b = recorded[name], replayed[name]
        both = min(len(a), len(b))
        at = _first_unequal(a[:both], b[:both])
        if at < both:
            ns = int(min(a["ns"][at], b["ns"][at]))
            found.append((ns, order, _head(name, at, ns, "differs") + _beside(name, a[at], b[at], names)))
        elif len(a) > len(b) or (len(a) < len(b) and not cut):
            more, what = (a, f"{names[0]} only") if len(a) > len(b) else (b, f"{names[1]} only")
            ns = int(more["ns"][both])
            found.append((ns, order, f"{_head(name, both, ns, f'is {what}')}\n  {_told(name, more[both])}"))
    return min(found)[2] if found else ""


def _head(name: str, at: int, ns: int, what: str) -> str:
    moment = datetime.datetime.fromtimestamp(ns // 10**9, datetime.UTC)
    before = f"the {at:,} before it are the same" if at else "it is the first"
    return f"{name}[{at}] {what}, {moment:%Y-%m-%d %H:%M:%S}.{ns % 10**9:09d} UTC; {before}"


def _beside(name: str, a: Any, b: Any, names: tuple[str, str]) -> str:
    """A line for each field that differs, and one with all others."""
    fields = a.dtype.names
    unequal = [f for f in fields if _bits(np.array([a[f]])) != _bits(np.array([b[f]]))]
    wide = max(map(len, unequal), default=0)
    lines = [
        f"  {f:<{wide}}  {_value(name, f, a)} {names[0]}, {_value(name, f, b)} {names[1]}" for f in unequal
    ]
    same = _told(name, a, [f for f in fields if f not in unequal])
    return "\n".join(["", *lines, f"  the same: {same}"])


def _told(name: str, row: Any, fields: list[str] | None = None) -> str:
    names = fields if fields is not None else [f for f in row.dtype.names if not f.startswith("pad")]
    return ", ".join(f"{f} {_value(name, f, row)}" for f in names)


def _value(name: str, field: str, row: Any) -> str:
    value = row[field].item()
    codes = _CODES.get((name, field))
    if codes is not None and value in set(codes):
        return codes(value).name
    return repr(value.decode(errors="replace")) if isinstance(value, bytes) else str(value)


def _first_unequal(a: StateArray, b: StateArray) -> int:
    """Index of the first record that differs between tables of one length; the length where none does."""
    for part in pieces(len(a), a, b):
        unequal = np.zeros(part.stop - part.start, bool)
        for field in a.dtype.names or ():
            unequal |= _bits(a[field][part]) != _bits(b[field][part])
        if unequal.any():
            return int(part.start + np.argmax(unequal))
    return len(a)


def _bits(values: StateArray) -> StateArray:
    """Values as whole numbers of the same bits, so that NaN equals NaN and 0.0 is not -0.0."""
    return values.view(np.int64) if values.dtype.kind == "f" else values
