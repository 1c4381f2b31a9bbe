"""From the disk into the store: in order, gathered, again and again while the store takes nothing.

What the store refuses for good is set apart, so that it blocks nothing and is not lost. It counts as refused if the
store says so (`RefusedError`), or if the store has failed with it `PATIENCE` times and takes what comes after it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from btcframe.api import Store
from btcframe.errors import RefusedError
from btcframe.spool.directory import Journal, Piece
from btcframe.spool.frames import ROWS, Damage, Entry, Frame, packed, unpacked
from btcframe.types import NS

PATIENCE = 8
"""Attempts after which a store that takes other rows has refused these."""

PROBE = 16
"""Entries of a kind that a store which has failed is tried with: of all that waits, each attempt would unpack the whole."""

FIRST_NS, LONGEST_NS = NS // 2, 60 * NS
"""How long to wait after a first failure, and at most; doubled each time, of which a random half to whole is waited."""

_DETAIL = 500
"""Characters of an error that are kept."""

_Group = list[tuple[Piece, Entry]]


class Tell(Protocol):
    """Takes what observers are told: a kind of `SessionEvent` and its data."""

    def __call__(self, kind: str, **data: Any) -> None: ...


class Step(NamedTuple):
    """What a step did: rows and batches in the store, rows set apart, and how long to wait before the next one.

    `wait_ns` is 0 if there is more to do, and None if there is nothing at all.
    """

    rows: int
    batches: int
    apart: int
    wait_ns: int | None
    error: str


class Drain:
    """Brings what waits in a journal into a store, a step at a time. Steps are of one thread.

    Parameters
    ----------
    journal : Journal
    store : Store
    every_ns : int          how long rows wait for others, ns
    batch : int             rows gathered at most
    now_ns : callable       the clock, ns UTC
    uniform : callable      random numbers in [0, 1)
    tell : callable         observers
    patience : int          failures after which what others do not share is a refusal
    """

    def __init__(
        self,
        journal: Journal,
        store: Store,
        *,
        every_ns: int,
        batch: int,
        now_ns: Callable[[], int],
        uniform: Callable[[], float],
        tell: Tell,
        patience: int = PATIENCE,
    ) -> None:
        self._journal, self._store, self._tell = journal, store, tell
        self._every_ns, self._batch, self._now_ns, self._uniform = every_ns, batch, now_ns, uniform
        self._patience = patience
        self._handled: set[tuple[Path, int]] = set()  # places of what comes next that is written or set apart
        self._due_ns = self._rows = self._batches = self._apart = 0
        self.failures, self.error = 0, ""

    def step(self, *, hurry: bool = False, again: bool = False) -> Step:
        """One attempt to bring in what comes next.

        Parameters
        ----------
        hurry : bool    do not wait for more rows
        again : bool    do not wait after a failure
        """
        waits = self._journal.tally()
        now_ns = self._now_ns()  # after it: what waits was put before now
        if not again and (left := _left(self._due_ns - now_ns, LONGEST_NS)):
            return Step(0, 0, 0, left, self.error)
        if not hurry and waits.batches and waits.rows < self._batch:
            left = _left(waits.oldest_ns + self._every_ns - now_ns, self._every_ns)
            if left:
                return Step(0, 0, 0, left, self.error)
        pieces = self._journal.window(self._batch)
        if not pieces:
            return Step(0, 0, 0, None, self.error)
        self._rows = self._batches = self._apart = 0
        failed: Exception | None = None
        try:
            self._bring(pieces)
        except Exception as error:  # noqa: BLE001 - a stranger's store may raise anything; its rows stay
            failed = error
        done = list(itertools.takewhile(lambda piece: piece.place in self._handled, pieces))
        if done:
            self._journal.advance(done)
            self._handled.difference_update(piece.place for piece in done)
        self._note(failed)
        return Step(self._rows, self._batches, self._apart, self._wait(failed), self.error)

    def give(self, entries: Sequence[Entry]) -> Step:
        """One attempt to write entries that are not on the disk: all of them, or none that counts."""
        self._rows = self._batches = 0
        failed: Exception | None = None
        try:
            for _, group in itertools.groupby(entries, key=_key):
                self._hand(list(group))
        except Exception as error:  # noqa: BLE001 - a stranger's store may raise anything; its rows stay
            failed = error
        self._note(failed)
        return Step(self._rows, self._batches, 0, self._wait(failed), self.error)

    def _note(self, error: Exception | None) -> None:
        """Note whether the store took rows."""
        if error is None:
            if self.failures:
                self._tell("spool_flows", after=self.failures)
            self.failures, self.error, self._due_ns = 0, "", 0
            return
        self.failures += 1
        self.error = str(error)[:_DETAIL]
        if self.failures == 1:
            self._tell("spool_waits", error=self.error)

    # ----------------------------------------------------------------------------------------------- one window

    def _bring(self, pieces: Iterable[Piece]) -> None:
        groups: dict[object, _Group] = {}
        waiting: Iterable[Piece] = (piece for piece in pieces if piece.place not in self._handled)
        if (
            0 < self.failures < self._patience
        ):  # then the others are looked at, too: it may be these rows alone
            waiting = itertools.islice(waiting, PROBE)
        for piece in waiting:
            entry = self._entry(piece)
            if entry is None:
                continue
            group = groups.setdefault(_key(entry), [])
            if not self.failures or len(group) < PROBE:
                group.append((piece, entry))
        taken = False
        failed: list[tuple[_Group, Exception]] = []
        for group in groups.values():
            try:
                self._give(group)
                taken = True
            except Exception as error:
                if self.failures < self._patience:
                    raise
                failed.append((group, error))
        if failed and not taken:
            raise failed[0][1]
        for group, _ in failed:
            self._one_by_one(group, Exception)

    def _entry(self, piece: Piece) -> Entry | None:
        """The entry of a frame; what is damaged or cannot be read is set apart as it is."""
        item, why = piece.item, f"{piece.segment.name} is damaged from byte {piece.item.start:,} on"
        if isinstance(item, Frame):
            try:
                return unpacked(item)
            except (ValueError, KeyError) as error:  # Arrow's errors are ValueErrors
                why = str(error)
        self._set_apart(Piece(piece.segment, Damage(item.start, item.end, False)), None, why)
        return None

    def _give(self, group: _Group) -> None:
        """Write a group; of one that is refused, each entry apart, so that only the guilty is set apart."""
        try:
            self._hand([entry for _, entry in group])
        except RefusedError as error:
            if len(group) > 1:
                self._one_by_one(group, RefusedError)
            else:
                self._set_apart(group[0][0], group[0][1], str(error))
        self._handled.update(piece.place for piece, _ in group)

    def _one_by_one(self, group: _Group, refusal: type[Exception]) -> None:
        for piece, entry in group:
            try:
                self._hand([entry])
            except refusal as error:
                self._set_apart(piece, entry, str(error))
            self._handled.add(piece.place)

    def _hand(self, entries: Sequence[Entry]) -> None:
        import pyarrow

        kind, owner, table, _ = entries[0]
        rows = pyarrow.concat_tables([entry.rows for entry in entries])
        if kind == ROWS:
            self._store.write(owner, table, rows)
        else:
            self._store.record(owner, table, rows)
        self._rows += rows.num_rows
        self._batches += len(entries)

    def _set_apart(self, piece: Piece, entry: Entry | None, error: str) -> None:
        ns = self._now_ns()
        frame = b"" if entry is None else packed(entry, ns, error[:_DETAIL])
        self._journal.set_apart(piece, frame, ns)
        self._apart += piece.item.rows
        self._handled.add(piece.place)
        what = {} if entry is None else {"table": entry.table, "owner": entry.owner}
        self._tell("spool_apart", rows=piece.item.rows, error=error[:_DETAIL], **what)

    def _wait(self, error: Exception | None) -> int:
        if error is None:
            return 0
        longest = min(FIRST_NS << min(self.failures - 1, 20), LONGEST_NS)
        wait = int(longest * (0.5 + self._uniform() / 2))
        self._due_ns = self._now_ns() + wait
        return wait


def _key(entry: Entry) -> tuple[object, ...]:
    return *entry[:3], entry.rows.schema


def _left(left_ns: int, most_ns: int) -> int:
    """How long is left; 0 also for more than there can be, as after the clock was set back."""
    return left_ns if 0 < left_ns <= most_ns else 0
