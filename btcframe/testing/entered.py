"""The contract of a source that can be entered in its middle: it says there what it says when it is opened."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any

import numpy as np

from btcframe.api import SETTLED_NS, Enterable, Feed
from btcframe.errors import BtcframeError
from btcframe.testing.checks import ContractError, NotApplicable, name_of
from btcframe.types import EVENT, NS, EventArray

ENOUGH = 500_000
"""Events after which the check stops reading."""

OPENINGS = 2
"""Openings behind the first one that are entered."""


def check_openings(source: Any) -> None:
    """Its openings go forward, and `SETTLED_NS` behind each of them it gives the events that it gives otherwise."""
    if not isinstance(source, Enterable):
        raise NotApplicable("the source cannot be entered in its middle")
    try:
        openings, everything = source.openings(), _events(source.open(seed=0))  # type: ignore[attr-defined]
    except BtcframeError as error:
        raise NotApplicable(f"it cannot be opened here: {error.what}") from error
    name = name_of(source)
    if any(other <= one for one, other in pairwise(openings)):
        raise ContractError(
            f"{name}: its openings do not go forward: {list(openings)}",
            "One for each place, in order: local_ts of the first message of a snapshot.",
        )
    stamps = everything["local_ts"]
    seen = [opening for opening in openings[1:] if len(stamps) and opening + SETTLED_NS < stamps[-1]]
    if not seen:
        raise NotApplicable("there is no opening so early that what comes behind it is seen")
    for opening in seen[:OPENINGS]:
        entered = _events(source.enter(opening, seed=0))
        until = min(
            int(events["local_ts"][-1]) if len(events) else opening for events in (everything, entered)
        )
        told, expected = (_between(events, opening + SETTLED_NS, until) for events in (entered, everything))
        if told.tobytes() != expected.tobytes():
            raise ContractError(
                f"{name}: entered at {opening} it does not say, {SETTLED_NS // NS} s later, what it says when it is opened",
                "Begin where a snapshot does, and keep nothing that depends on what came before it.",
            )


def _events(feed: Feed) -> EventArray:
    parts, count = [np.empty(0, EVENT)], 0
    with contextlib.closing(feed):
        for batch in feed:
            parts.append(batch.events.copy())
            count += len(batch.events)
            if count >= ENOUGH:
                break
    return np.concatenate(parts)


def _between(events: EventArray, first: int, until: int) -> EventArray:
    """Events of a message that may have been cut off, at `until`, are left out."""
    start, stop = np.searchsorted(events["local_ts"], (first, until))
    return events[start:stop]
