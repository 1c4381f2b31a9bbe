"""The contract of a clock: boundaries in order, the same however the events arrive."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from btcframe.testing import markets
from btcframe.testing.checks import (
    ContractError,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    name_of,
)
from btcframe.testing.streams import saved
from btcframe.testing.surroundings import undisturbed
from btcframe.types import CUT, NS, EventArray, StateArray


def _events(clock: Any) -> EventArray:
    """Events over some two hundred periods, with a pause of ten and some stamps exactly on an edge."""
    events = markets.events(3000)
    rng = np.random.default_rng(3)
    steps = rng.integers(0, clock.period_ns // 7, len(events))
    steps[1500] = 10 * clock.period_ns
    events["local_ts"] = markets.START_NS + np.cumsum(steps)
    on_edge = slice(500, 3000, 250)
    events["local_ts"][on_edge] -= events["local_ts"][on_edge] % clock.period_ns
    events["local_ts"] = np.maximum.accumulate(events["local_ts"])
    return events


def cuts_of(
    clock: Any, events: EventArray, capacity: int = 4096, chunk: int = 0, save: bool = False
) -> npt.NDArray[np.void]:
    """All boundaries, asked for with room for `capacity` at a time and events in chunks."""
    state: StateArray = clock.state()
    found: list[StateArray] = []
    for first in range(0, len(events), chunk or len(events)):
        part = events[first : first + (chunk or len(events))]
        start = 0
        while start < len(part):
            out = np.zeros(capacity, CUT)
            count, seen = clock.cuts(part, start, state, out)
            if seen <= start and count == 0:
                raise ContractError(
                    f"{name_of(clock)}.cuts stands still: neither a boundary nor an event seen at {start}",
                    "Return len(events) once all are looked at.",
                )
            out = out[:count].copy()
            out["index"] += first
            found.append(out)
            start = seen
            if save:
                state = saved(state)
    return np.concatenate(found) if found else np.zeros(0, CUT)


def check_boundaries(clock: Any) -> None:
    """Boundaries rise, each lies between the item before it and the item that closes the row."""
    events = _events(clock)
    cuts = cuts_of(clock, events)
    if not len(cuts) or (np.diff(cuts["row_ns"]) <= 0).any() or (np.diff(cuts["index"]) < 0).any():
        raise ContractError(
            f"{name_of(clock)} finds {len(cuts)} boundaries, and not all rise in time",
            "Each row has a later edge than the one before; several may share an index.",
        )
    local = events["local_ts"]
    inside = (cuts["index"] >= 0) & (cuts["index"] < len(events))
    closing = local[np.clip(cuts["index"], 0, len(events) - 1)]
    if not inside.all() or (cuts["row_ns"] > closing).any():
        at = int(np.flatnonzero(~inside | (cuts["row_ns"] > closing))[0])
        raise ContractError(
            f"{name_of(clock)} closes row {cuts['row_ns'][at]} before the event at {cuts['index'][at]}, which is no "
            "event that we had by then",
            "A row closes when the first item at or after its edge is consumed: nobody knows of it sooner.",
        )


def check_chunk_invariant(clock: Any) -> None:
    """Chunks, a small output and a saved state give the same boundaries."""
    events = _events(clock)
    whole = cuts_of(clock, events)
    ways = {
        "events one by one": cuts_of(clock, events[:600], chunk=1),
        "events in chunks of 97": cuts_of(clock, events, chunk=97),
        "room for 3 boundaries": cuts_of(clock, events, capacity=3),
        "saved and restored state": cuts_of(clock, events, chunk=97, save=True),
    }
    for how, cuts in ways.items():
        reference = whole[whole["index"] < 600] if how == "events one by one" else whole
        if not np.array_equal(cuts, reference):
            raise ContractError(
                f"{name_of(clock)} depends on the chunk size: {len(cuts)} boundaries with {how}, {len(reference)} in "
                "one call, or other ones",
                "Carry what the next call needs in `state`; return (found, seen) as Clock.cuts says.",
            )


def check_period(clock: Any) -> None:
    """A nominal period of at least a microsecond."""
    if not isinstance(clock.period_ns, int) or not 1000 <= clock.period_ns <= 365 * 86_400 * NS:
        raise ContractError(f"{name_of(clock)}.period_ns is {clock.period_ns!r}", "An int, nanoseconds.")


def check_global_state(clock: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""
    events = _events(clock)
    undisturbed(name_of(clock), lambda: cuts_of(clock, events))


CHECKS = (
    check_period,
    check_boundaries,
    check_chunk_invariant,
    check_global_state,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
)
