"""The contract of a source, and `SourceSuite`, which a third party subclasses for one that needs a setting."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Feed
from btcframe.errors import BtcframeError
from btcframe.testing.checks import (
    ContractError,
    NotApplicable,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    name_of,
)
from btcframe.types import EVENT, EventArray, EventFlag, Instrument, Kind

ENOUGH = 200_000
"""Events after which a check stops reading."""


class Read(NamedTuple):
    """What came out of a feed."""

    instrument: Instrument
    events: EventArray
    frames: str  # hash of all frames
    whole: bool  # the feed ended by itself


def read(source: Any, *, seed: int = 0, enough: int = ENOUGH) -> Read:
    """Open a source and read some of it."""
    feed: Feed = source.open(seed=seed)
    parts: list[EventArray] = []
    digest = hashlib.sha256()
    count, whole = 0, True
    try:
        for batch in feed:
            if batch.rows is not None:
                raise NotApplicable("the source gives rows, not events")
            parts.append(batch.events.copy())
            for frame in batch.frames:
                digest.update(repr(tuple(frame)).encode())
            count += len(batch.events)
            if count >= enough:
                whole = False
                break
    finally:
        feed.close()
        feed.close()  # harmless when done twice
    events = np.concatenate(parts) if parts else np.empty(0, EVENT)
    return Read(feed.instrument, events, digest.hexdigest(), whole)


def _read(source: Any) -> Read:
    try:
        return read(source)
    except BtcframeError as error:
        raise NotApplicable(f"it cannot be opened here: {error.what}") from error


def check_deterministic(source: Any) -> None:
    """Opened twice with one seed, it gives the same events and frames."""
    one, other = _read(source), _read(source)
    if one.events.tobytes() != other.events.tobytes() or one.frames != other.frames:
        raise ContractError(
            f"{name_of(source)} is unseeded: opened twice with seed 0 it gives other events",
            "Draw from np.random.default_rng(seed); read files in a fixed order.",
        )


def check_order(source: Any) -> None:
    """local_ts never decreases, and nothing but EVENT comes out."""
    events = _read(source).events
    if events.dtype != EVENT:
        raise ContractError(f"{name_of(source)} gives {events.dtype}", "Batches hold btcframe.types.EVENT.")
    if not len(events):
        raise ContractError(
            f"{name_of(source)} ends without an event", "Raise DataError where there is nothing."
        )
    back = np.flatnonzero(np.diff(events["local_ts"]) < 0)
    if len(back):
        i = int(back[0]) + 1
        raise ContractError(
            f"{name_of(source)}: local_ts goes back at event {i}: {events['local_ts'][i - 1]}, {events['local_ts'][i]}",
            "local_ts is when we had it, in order of consumption.",
        )


def check_events(source: Any) -> None:
    """Known kinds and sides, positive ticks, sizes not negative, and a complete message at the end."""
    got = _read(source)
    events = got.events
    known = np.isin(events["kind"], [int(k) for k in Kind])
    priced = np.isin(events["kind"], [int(Kind.DEPTH), int(Kind.TRADE)])
    sound = ~priced | (
        (np.abs(events["side"].astype(int)) == 1) & (events["ticks"] > 0) & (events["lots"] >= 0)
    )
    wrong = np.flatnonzero(~(known & sound))
    if len(wrong):
        raise ContractError(
            f"{name_of(source)}: event {wrong[0]} is not one: {events[wrong[0]]}",
            "DEPTH and TRADE have side ±1, ticks > 0 and lots >= 0; `kind` is one of Kind.",
        )
    if got.whole and len(events) and not events["flags"][-1] & EventFlag.END:
        raise ContractError(
            f"{name_of(source)} ends in the middle of a message: its last event is not flagged END",
            "Drop what is not complete.",
        )


def check_fingerprint(source: Any) -> None:
    """The fingerprint is text, and the same when asked again."""
    try:
        prints = [source.fingerprint() for _ in range(2)]
    except BtcframeError as error:
        raise NotApplicable(f"it cannot be opened here: {error.what}") from error
    if prints[0] != prints[1] or not isinstance(prints[0], str):
        raise ContractError(
            f"{name_of(source)}: its fingerprint is {prints[0]!r}, then {prints[1]!r}",
            'Hash the recorded data, or return "" where config and seed say it all.',
        )


CHECKS = (
    check_deterministic,
    check_order,
    check_events,
    check_fingerprint,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
)


class SourceSuite:
    """Behaviour of a source: subclass it in your tests as ``class TestMine(SourceSuite)`` and give `make`."""

    def make(self) -> Any:
        """A source that can be opened."""
        raise NotImplementedError("return your source")

    def test_deterministic(self) -> None:
        check_deterministic(self.make())

    def test_order(self) -> None:
        check_order(self.make())

    def test_events(self) -> None:
        check_events(self.make())

    def test_fingerprint(self) -> None:
        check_fingerprint(self.make())
