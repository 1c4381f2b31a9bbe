"""The contract of a source, and `SourceSuite`, which a third party subclasses for one that needs a setting."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Batch, Feed
from btcframe.errors import BtcframeError
from btcframe.live_sources import is_live
from btcframe.testing.checks import (
    ContractError,
    NotApplicable,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    differing,
    first_difference,
    name_of,
)
from btcframe.testing.entered import check_openings
from btcframe.testing.row_sources import check_rows
from btcframe.testing.surroundings import undisturbed
from btcframe.types import EVENT, NS, TRUTH, EventArray, EventFlag, Instrument, Kind, StateArray

ENOUGH = 200_000
"""Events after which a check stops reading."""

SOME = 10_000
"""Events or rows that are enough to see a source at work."""


class Read(NamedTuple):
    """What came out of a feed."""

    instrument: Instrument
    events: EventArray
    frames: str  # hash of all frames
    whole: bool  # the feed ended by itself
    truth: tuple[StateArray, ...]  # what each batch tells of the hidden state; empty where none tells any
    until: tuple[int, ...]  # local_ts of the last event up to and with each batch that tells some


def read(
    source: Any, *, seed: int = 0, enough: int = ENOUGH, after: Callable[[Batch], None] = lambda _: None
) -> Read:
    """Open a source and read some of it; `after` is called with each batch when it has been read."""
    feed: Feed = source.open(seed=seed)
    parts: list[EventArray] = []
    truth: list[StateArray] = []
    until: list[int] = []
    digest = hashlib.sha256()
    count, last_ns, whole = 0, 0, True
    try:
        for batch in feed:
            if batch.rows is not None:
                if not callable(getattr(source, "row_period_ns", None)):
                    raise ContractError(
                        f"{name_of(source)} gives rows, and does not say how long they are",
                        "Give it row_period_ns() -> int: a source of rows is known by it before any work.",
                    )
                raise NotApplicable("the source gives rows, not events")
            parts.append(batch.events.copy())
            last_ns = int(batch.events["local_ts"][-1]) if len(batch.events) else last_ns
            if batch.truth is not None:
                truth.append(batch.truth.copy())
                until.append(last_ns)
            for frame in batch.frames:
                digest.update(repr(tuple(frame)).encode())
            count += len(batch.events)
            after(batch)
            if count >= enough:
                whole = False
                break
    finally:
        feed.close()
        feed.close()  # harmless when done twice
    events = np.concatenate(parts) if parts else np.empty(0, EVENT)
    return Read(feed.instrument, events, digest.hexdigest(), whole, tuple(truth), tuple(until))


def _read(source: Any, **how: Any) -> Read:
    if is_live(source):
        raise NotApplicable(
            "the source is live: it says something else each time, and a test asks no exchange"
        )
    try:
        return read(source, **how)
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


def check_global_state(source: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""
    if is_live(source):
        raise NotApplicable("the source is live: a test asks no exchange")

    def work() -> None:
        feed, seen = source.open(seed=0), 0
        try:
            for batch in feed:
                seen += len(batch.events) + (0 if batch.rows is None else len(batch.rows))
                if seen >= SOME:
                    break
        finally:
            feed.close()

    try:
        undisturbed(name_of(source), work)
    except BtcframeError as error:
        raise NotApplicable(f"it cannot be opened here: {error.what}") from error


# ------------------------------------------------------------------------------------- sources that tell the truth


def _told(source: Any, **how: Any) -> Read:
    """What a source with truth gives. Raises NotApplicable for any other."""
    got = _read(source, **how)
    if not any(len(truth) for truth in got.truth):
        raise NotApplicable("the source tells no truth")
    return got


def _same_truth(one: Read, other: Read) -> bool:
    a, b = np.concatenate(one.truth), np.concatenate(other.truth)
    return len(a) == len(b) and not differing(a, b).any()


def check_truth_form(source: Any) -> None:
    """Truth is TRUTH, strictly forward in time, and never of a time that has not come."""
    got = _told(source)
    for truth in got.truth:
        if truth.dtype != TRUTH:
            raise ContractError(
                f"{name_of(source)} tells truth as {truth.dtype}", "Batches tell it as btcframe.types.TRUTH."
            )
    row_ns = np.concatenate([truth["row_ns"] for truth in got.truth])
    back = np.flatnonzero(np.diff(row_ns) <= 0)
    if len(back):
        i = int(back[0]) + 1
        raise ContractError(
            f"{name_of(source)}: row_ns of its truth does not go forward at row {i}: {row_ns[i - 1]}, {row_ns[i]}",
            "One row of truth a moment, in order of time, from batch to batch.",
        )
    for truth, until in zip(got.truth, got.until, strict=True):
        # nothing may happen for a while after a batch's last event: only what comes next says how late it is
        following = got.events["local_ts"][got.events["local_ts"] > until]
        over = following[0] if len(following) else until if got.whole else np.inf
        if len(truth) and truth["row_ns"][-1] > over:
            raise ContractError(
                f"{name_of(source)} tells the truth of {truth['row_ns'][-1]} with events until {until}: too early",
                "The truth of a moment comes in the batch in which its time is over.",
            )


def check_truth_seeded(source: Any) -> None:
    """The truth is the same with the same seed, and another with another."""
    one, again = (_told(source) for _ in range(2))
    if not _same_truth(one, again):
        raise ContractError(
            f"{name_of(source)}: its truth is unseeded: opened twice with seed 0 it tells another",
            "Draw everything from the seed that open() is given.",
        )
    if _same_truth(one, _told(source, seed=1)):
        raise ContractError(
            f"{name_of(source)} tells the same truth with seed 0 and seed 1",
            "The hidden state belongs to the market: draw it from the same seed as the events.",
        )


def check_truth_apart(source: Any) -> None:
    """Events and truth are the same whatever a reader does with the arrays: neither is made from what was handed out."""
    kept = _told(source)

    def spoil(batch: Batch) -> None:
        for array in (batch.events, batch.truth):
            if array is not None and array.flags.writeable:
                array.view(np.uint8)[:] = 0

    spoilt = _told(source, after=spoil)
    if kept.events.tobytes() != spoilt.events.tobytes():
        raise ContractError(
            f"{name_of(source)}: its events change when a reader overwrites the truth it was told",
            "Keep the market's state to yourself; hand out copies.",
        )
    if not _same_truth(kept, spoilt):
        raise ContractError(
            f"{name_of(source)}: its truth depends on what a reader does with the events",
            "The truth is the market's state, not a reading of arrays that were handed out.",
        )


def check_oracle(source: Any) -> None:
    """The oracle answers a finite number for each row and horizon, from that row and horizon alone."""
    truth = np.concatenate(_told(source).truth)[:500]
    name, horizons = name_of(source), [NS, 5 * NS, 60 * NS]
    if not callable(getattr(source, "oracle", None)):
        raise ContractError(
            f"{name} tells truth but has no oracle",
            "Give it oracle(truth, horizons_ns) -> float64[n, h], bps.",
        )
    before = truth.copy()
    expected = np.asarray(source.oracle(truth, horizons))
    if expected.dtype != np.float64 or expected.shape != (len(truth), len(horizons)):
        raise ContractError(
            f"the oracle of {name} gives {expected.dtype}{list(expected.shape)} for {len(truth)} rows and "
            f"{len(horizons)} horizons",
            "float64[n, h]: the expected return of each row over each horizon, bps.",
        )
    if not np.isfinite(expected).all():
        row, h = np.argwhere(~np.isfinite(expected))[0]
        raise ContractError(
            f"the oracle of {name} gives {expected[row, h]} at row {row}, horizon {horizons[h] // NS}s",
            "Someone who knows everything always expects something; where nothing can be known it is 0.",
        )
    if differing(truth, before).any():
        raise ContractError(
            f"the oracle of {name} changes the truth it is asked about", "Copy what you change."
        )
    alone = np.concatenate([source.oracle(truth[i : i + 1], horizons) for i in range(len(truth))])
    single = np.concatenate([source.oracle(truth, [horizon]) for horizon in horizons], axis=1)
    for other, what in ((alone, "rows"), (single, "horizons")):
        if at := first_difference(expected, other):
            raise ContractError(
                f"the oracle of {name} looks at other {what}: row {at[0]} alone gives {other[at]}, not {expected[at]}",
                "The expected return follows from the hidden state of its own row, and nothing else.",
            )


CHECKS = (
    check_deterministic,
    check_order,
    check_events,
    check_fingerprint,
    check_global_state,
    check_rows,
    check_openings,
    check_truth_form,
    check_truth_seeded,
    check_truth_apart,
    check_oracle,
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

    def test_global_state(self) -> None:
        check_global_state(self.make())


class RowSourceSuite:
    """Behaviour of a source that gives rows instead of events: subclass it in your tests and give `make`."""

    def make(self) -> Any:
        """A source that can be opened."""
        raise NotImplementedError("return your source")

    def test_rows(self) -> None:
        check_rows(self.make())

    def test_fingerprint(self) -> None:
        check_fingerprint(self.make())


class EnterableSuite:
    """Behaviour of a source that can be entered in its middle, beside `SourceSuite`: subclass it and give `make`."""

    def make(self) -> Any:
        """A source with two openings or more, and data until a minute behind the second one."""
        raise NotImplementedError("return your source")

    def test_openings(self) -> None:
        check_openings(self.make())


class TruthSuite:
    """Behaviour of a source that tells the truth, beside `SourceSuite`: subclass it and give `make`."""

    def make(self) -> Any:
        """A source whose batches carry truth."""
        raise NotImplementedError("return your source")

    def test_form(self) -> None:
        check_truth_form(self.make())

    def test_seeded(self) -> None:
        check_truth_seeded(self.make())

    def test_apart(self) -> None:
        check_truth_apart(self.make())

    def test_oracle(self) -> None:
        check_oracle(self.make())
