"""The record of everything a session consumed, in the order of consumption: what a replay needs beside the lock.

One or several ``.jsonl.zst`` files: a header line, one JSON object per input, a closing line. What a crash leaves opens
up to its last whole block, and says that it was cut. The format and what is promised: docs/session-log.md.
"""

from btcframe.session_log.files import Later, Straight
from btcframe.session_log.items import (
    CommandItem,
    EndItem,
    EventsItem,
    FillsItem,
    FrameItem,
    HeartbeatItem,
    Item,
    NextItem,
    OrdersItem,
    array_of,
    events_sha256,
    records_of,
)
from btcframe.session_log.reader import FORMAT, LOG, VERSION, SessionLog, Summary, part_path, part_paths
from btcframe.session_log.writer import Keeping, SessionWriter

__all__ = [
    "FORMAT",
    "LOG",
    "VERSION",
    "CommandItem",
    "EndItem",
    "EventsItem",
    "FillsItem",
    "FrameItem",
    "HeartbeatItem",
    "Item",
    "Keeping",
    "Later",
    "NextItem",
    "OrdersItem",
    "SessionLog",
    "SessionWriter",
    "Straight",
    "Summary",
    "array_of",
    "events_sha256",
    "part_path",
    "part_paths",
    "records_of",
]
