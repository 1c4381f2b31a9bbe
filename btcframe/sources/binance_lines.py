"""What a line of a recorded Binance session is, as far as telling its kind and market goes."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from btcframe.errors import DataError
from btcframe.types import Frame

SNAPSHOT = "depth_snapshot"
"""Stream name of a REST depth reply, which carries none of its own."""

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""An update id as EVENT can hold it."""

Ms = Annotated[int, msgspec.Meta(ge=0, le=4 * 10**12)]
"""A stamp of the exchange in ms, until the year 2096."""

_LATEST_NS = 4 * 10**18
_PREFIX = b'{"stream":"'


class Market(enum.Enum):
    """Which of Binance's markets a session was recorded on."""

    auto = "auto"
    spot = "spot"
    usdm = "usdm"


class _Head(msgspec.Struct, gc=False):
    """What tells a line's kind and market where the fast way does not."""

    stream: str = ""
    lastUpdateId: int = -1
    T: Ms = 0


class _Telling(msgspec.Struct, gc=False):
    pu: int = -1
    X: str = ""


class _TellingLine(msgspec.Struct, gc=False):
    data: _Telling


def parse_line(line: bytes) -> Frame:
    """``stamp json`` as a frame. Raises ValueError for anything else."""
    stamp, _, body = line.partition(b" ")
    if not stamp.isdigit() or not body.startswith(b"{"):
        shown = line[:60].decode(errors="replace")
        raise ValueError(f"not a local stamp, a space and a JSON object: {shown!r}")
    if body.startswith(_PREFIX):
        end = body.find(b'"', len(_PREFIX))
        return Frame(_nanoseconds(stamp), body[len(_PREFIX) : end].decode(), body)
    try:
        head = msgspec.json.decode(body, type=_Head)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    if not head.stream and head.lastUpdateId < 0:
        shown = body[:60].decode(errors="replace")
        raise ValueError(f"neither a stream's message nor a depth snapshot: {shown!r}")
    return Frame(_nanoseconds(stamp), head.stream or SNAPSHOT, body)


def _nanoseconds(stamp: bytes) -> int:
    """A local stamp in ns; its unit shows in its size."""
    value = int(stamp) if len(stamp) < 20 else _LATEST_NS
    if value >= _LATEST_NS:
        raise ValueError(f"local stamp {stamp[:24].decode()} is not in ns, us or ms since 1970")
    if value >= 10**18:
        return value
    if value >= 10**15:
        return value * 1_000
    if value >= 10**12:
        return value * 1_000_000
    raise ValueError(f"local stamp {value} is not in ns, us or ms since 1970")


def market_of(frame: Frame) -> Market:
    """The market a message is from, auto where it does not tell."""
    kind = frame.stream.partition("@")[2].split("@")[0]
    try:
        if kind in ("depth", "trade"):
            data = msgspec.json.decode(frame.data, type=_TellingLine).data
            return Market.usdm if data.pu >= 0 or data.X else Market.spot
        if frame.stream == SNAPSHOT:
            return Market.usdm if msgspec.json.decode(frame.data, type=_Head).T else Market.spot
    except msgspec.DecodeError:
        return Market.auto  # decoding it again will say what is wrong, and where
    return Market.auto


def no_snapshot(seen: int, where: str = "") -> DataError:
    """The error for a session whose book never becomes valid; `seen` snapshots stood in the files `where`."""
    what = (
        "no depth snapshot of the session fits its diffs: the book never becomes valid"
        if seen
        else "the session holds no depth snapshot: a book cannot be made from diffs alone"
    )
    return DataError(
        what,
        where=where,
        hint="A recording needs the reply of GET /depth (lastUpdateId, bids, asks) among its lines, asked for "
        "after the depth stream was opened.",
        next="Add the file that holds it, or use another session.",
    )
