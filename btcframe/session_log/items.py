"""What a session log holds: one item a line, in the order of consumption."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec
import numpy as np

from btcframe.types import FILL, ORDER, EventArray, Frame, StateArray


class FrameItem(msgspec.Struct, tag_field="t", tag="frame", omit_defaults=True, gc=False):
    """One raw feed message. `raw` is its text; bytes that are not UTF-8 stand in `b64`."""

    ts: int
    stream: str
    raw: str = ""
    b64: str = ""

    @classmethod
    def of(cls, frame: Frame) -> FrameItem:
        """The item of a message."""
        ts, stream, data = frame
        try:
            return cls(ts, stream, data.decode())
        except UnicodeDecodeError:
            return cls(ts, stream, b64=base64.b64encode(data).decode())

    def frame(self) -> Frame:
        """The message as it was received."""
        return Frame(self.ts, self.stream, base64.b64decode(self.b64) if self.b64 else self.raw.encode())


class HeartbeatItem(msgspec.Struct, tag_field="t", tag="heartbeat", gc=False):
    """Time passed."""

    ts: int


class CommandItem(msgspec.Struct, tag_field="t", tag="command"):
    """Something the user or the machinery asked for: halt, promotion, …"""

    ts: int
    name: str
    data: dict[str, Any] = {}


class OrdersItem(msgspec.Struct, tag_field="t", tag="orders"):
    """What the venue said about orders: one mapping of field to value per ORDER."""

    records: list[dict[str, int]]

    @classmethod
    def of(cls, orders: StateArray) -> OrdersItem:
        """The item of ORDER[n]."""
        return cls(records_of(orders))

    def array(self) -> StateArray:
        """ORDER[n]."""
        return array_of(self.records, ORDER)


class FillsItem(msgspec.Struct, tag_field="t", tag="fills"):
    """What the venue said about fills: one mapping of field to value per FILL."""

    records: list[dict[str, int | float]]

    @classmethod
    def of(cls, fills: StateArray) -> FillsItem:
        """The item of FILL[n]."""
        return cls(records_of(fills))

    def array(self) -> StateArray:
        """FILL[n]."""
        return array_of(self.records, FILL)


class EventsItem(msgspec.Struct, tag_field="t", tag="events"):
    """A batch of a source that makes its events from config and seed: how many, and their hash."""

    n: int
    sha256: str


class NextItem(msgspec.Struct, tag_field="t", tag="next"):
    """The last line of a file that another one follows: how many items of each kind it holds."""

    counts: dict[str, int]


class EndItem(msgspec.Struct, tag_field="t", tag="end"):
    """The last line of a session that was closed: how many items of each kind its last file holds."""

    counts: dict[str, int]


Item = FrameItem | HeartbeatItem | CommandItem | OrdersItem | FillsItem | EventsItem
"""What a session consumed."""

Closing = NextItem | EndItem
"""What a file ends with."""


def kind(item: Item) -> str:
    """Under which name an item is counted."""
    return str(item.__struct_config__.tag)


def events_sha256(events: EventArray) -> str:
    """Hash of an EVENT array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(events).view(np.uint8).data).hexdigest()


def records_of(array: StateArray) -> list[dict[str, Any]]:
    """Records as mappings of field to value, padding left out."""
    names = [name for name in array.dtype.names or () if not name.startswith("pad")]
    return [dict(zip(names, (record[name].item() for name in names), strict=True)) for record in array]


def array_of(records: list[Any], dtype: np.dtype[Any]) -> StateArray:
    """What `records_of` was made of."""
    array = np.zeros(len(records), dtype)
    for i, record in enumerate(records):
        for name, value in record.items():
            array[name][i] = value
    return array
