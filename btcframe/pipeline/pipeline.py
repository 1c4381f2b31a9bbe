"""The only place where events become rows and rows become features.

`Pipeline.push` is the one path of build, backtest, paper, live and replay: batches of any size, or one event at a
time, give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from btcframe.api import Clock, Feature, Regime, Wake, Wakes
from btcframe.errors import ConfigError
from btcframe.kernels.book import copy_book, new_book, top
from btcframe.kernels.flow import BEST, TIMER, ingest, new_state
from btcframe.kernels.rows import build_rows, close_row, take_rows
from btcframe.pipeline.containment import Containment
from btcframe.pipeline.parts import OneRow, parts_of, update_all
from btcframe.pipeline.selection import ALL, chosen
from btcframe.types import CUT, LEVELS, ROW, EventArray, Floats, Instrument, Ints, RowArray, StateArray

Gate = Callable[[EventArray, int], tuple[int, bool]]
"""(events ingested, now) → (how many of them may stand, whether something was reported)."""

_WAKES = tuple(Wake(bits) for bits in range(2 * Wake.FULL))  # IntFlag arithmetic costs a microsecond a time


class Pipeline:
    """Book, rows, features and regime descriptors of one instrument.

    Parameters
    ----------
    instrument : Instrument
    clock : Clock
    features : mapping of name to Feature     their columns make up `x`, in this order
    regime : Regime, optional
        None makes no descriptors
    select : sequence of str
        columns of the features that are used, see `btcframe.pipeline.selection`; a feature with none of them does not run
    wakes : Wakes, optional
        None builds whole batches. Otherwise `push` stops at every closed row and at what `wakes` asks for.
    capacity : int
        rows that one push can close; more make it stop with Wake.FULL
    threads : int
        that compute the columns of a batch; the bits do not depend on it
    contain : bool
        whether a feature or regime that raises is switched off, instead of the error going on
    stopwatch : callable, optional
        the time in ns, for `slowest` and `at_work`; what is computed does not depend on it

    Raises
    ------
    ConfigError
        If two components write a column of the same name, or `select` fits none.
    """

    def __init__(
        self,
        instrument: Instrument,
        clock: Clock,
        features: Mapping[str, Feature],
        regime: Regime | None,
        *,
        select: Sequence[str] = ALL,
        wakes: Wakes | None = None,
        capacity: int = 65536,
        threads: int = 1,
        contain: bool = False,
        stopwatch: Callable[[], int] | None = None,
    ) -> None:
        self.instrument = instrument
        regimes = {} if regime is None else {"regime": regime}
        _refuse_duplicates({**features, **regimes})
        used = chosen(features, select)
        named = {f"features.{name}": feature for name, feature in features.items()}
        self.columns, self._features = parts_of(named, instrument, used)
        self.regime_columns, self._regime = parts_of(regimes, instrument)
        self._wakes = wakes
        self._wanted = (BEST if wakes and wakes.best else 0) | (TIMER if wakes and wakes.timer_ns else 0)
        self._capacity = 1 if wakes else capacity
        self._rows = np.zeros(self._capacity, ROW)
        # column by column: each part writes long runs of its own, and a table of columns is made without a turn
        self._x = np.empty((len(self.columns), self._capacity)).T
        self._descriptors = np.empty((self._capacity, len(self.regime_columns)))
        self._threads = threads
        self._work = [
            *((part, self._x) for part in self._features),
            *((part, self._descriptors) for part in self._regime),
        ]
        self._containment = Containment([part.name for part, _ in self._work], contain)
        self._live = tuple(
            OneRow(parts, self._rows, matrix, self._containment, stopwatch)
            for parts, matrix in ((self._features, self._x), (self._regime, self._descriptors))
        )
        self._closed = 0
        self._seen = np.zeros(1, np.int64)  # rows closed so far
        self._book = new_book()
        self._ingest = new_state(instrument, wakes.timer_ns if wakes else 0)
        self._now = self._ingest["now"]  # a view
        self._clock = clock
        self._clock_state = clock.state()
        self._cuts = np.zeros(self._capacity, CUT)
        # how far the clock has looked ahead of what was consumed: the next cut (-1 for none known), its row, and
        # the first event not looked at, counted from the first event not consumed
        self._ahead = np.array([-1, 0, 0])
        self._book_before, self._ingest_before = new_book(), self._ingest.copy()

    def push(self, events: EventArray, start: int = 0, gate: Gate | None = None) -> tuple[int, Wake]:
        """Consume events up to the next wake.

        Call again with the same array, from what was consumed on, until everything is consumed and the wake is
        NONE.

        Parameters
        ----------
        events : EVENT[n]
        start : int         first event not yet consumed
        gate : callable, optional
            Called with the events that lead up to the wake and the time then known. Where it takes fewer, what
            was ingested is rewound and only those stand: no row closes, and the wake is ORDER.

        Returns
        -------
        (consumed, wake) : (int, Wake)
        """
        self._closed = 0
        if start >= len(events):
            return len(events), Wake.NONE
        if self._wakes is None:
            if gate is not None:
                raise ValueError("a gate needs a pipeline with wakes")
            return self._push_batch(events, start)
        return self._push_to_wake(events, start, gate)

    def push_rows(self, rows: RowArray, start: int = 0) -> int:
        """Consume rows that were closed elsewhere: a store's, or those of a source without a book.

        Call again from what was consumed on, until everything is. Features and regime see them as they see rows of
        events. The book is not touched; once there are events, the clock goes on from their own time.

        Parameters
        ----------
        rows : ROW[n]     contiguous, in order of time, later than everything consumed before
        start : int       first row not yet consumed

        Returns
        -------
        consumed : int
        """
        taken = rows[start : start + self._capacity]
        self._closed = len(taken)
        if len(taken):
            _copy(taken, self._rows[: len(taken)])
            self._seen += len(taken)
            take_rows(self._ingest, self.rows)
            self._compute()
        return start + len(taken)

    def _push_batch(self, events: EventArray, start: int) -> tuple[int, Wake]:
        found, seen = self._clock.cuts(events, start, self._clock_state, self._cuts)
        self._closed = build_rows(
            self._book, self._ingest, events, start, seen, self._cuts, found, self._rows
        )
        self._seen += self._closed
        self._compute()
        return seen, Wake.NONE if seen == len(events) else Wake.FULL

    def _push_to_wake(self, events: EventArray, start: int, gate: Gate | None) -> tuple[int, Wake]:
        cut, row_ns, looked = self._ahead.tolist()
        if cut < 0 and start + looked < len(events):
            found, seen = self._clock.cuts(events, start + looked, self._clock_state, self._cuts)
            looked = seen - start
            if found:
                cut, row_ns = int(self._cuts["index"][0]) - start, int(self._cuts["row_ns"][0])
        stop = len(events) if cut < 0 else start + cut
        if gate is not None:
            copy_book(self._book, self._book_before)
            _copy(self._ingest, self._ingest_before)
        at, why = ingest(self._book, self._ingest, events, start, stop, self._wanted, cut >= 0)
        closes = cut >= 0 and at == stop and why != BEST
        wake = int(why)
        if gate is not None:
            taken, reported = gate(events[start:at], self.now_ns)
            if taken < at - start:
                copy_book(self._book_before, self._book)
                _copy(self._ingest_before, self._ingest)
                at, closes, wake = start + taken, False, 0
                ingest(self._book, self._ingest, events, start, at, 0, False)
                reported = True
            if reported:
                wake |= Wake.ORDER.value
        if closes:
            self._closed = close_row(self._book, self._ingest, self._rows, 0, row_ns)
            self._seen += self._closed
            self._compute()
            cut = -1
            if self._closed:
                wake |= Wake.ROW.value
        elif cut >= 0:
            cut -= at - start
        self._ahead[:] = cut, row_ns, looked - (at - start)
        return at, _WAKES[wake]

    def _compute(self) -> None:
        if self._closed == 1:  # live, this is every row
            for one_row in self._live:
                one_row.update()
        else:
            update_all(self._work, self._rows[: self._closed], self._containment, self._threads)
            self._settle()

    def _settle(self) -> None:
        for one_row in self._live:
            one_row.settle()

    @property
    def rows(self) -> RowArray:
        """ROW[m] closed by the last push; a view until the next one."""
        return self._rows[: self._closed]

    @property
    def x(self) -> Floats:
        """float64[m, k]: the features of `rows`; a view until the next push."""
        return self._x[: self._closed]

    @property
    def descriptors(self) -> Floats:
        """float64[m, d]: the regime descriptors of `rows`; a view until the next push."""
        return self._descriptors[: self._closed]

    @property
    def now_ns(self) -> int:
        """Latest local time known: of the last item consumed, or of the one that a row closed before."""
        return int(self._now[0])

    @property
    def book_ns(self) -> int:
        """Local time of the last book message consumed, ns; 0: there was none."""
        return max(int(self._ingest["book_ns"][0]), 0)

    @property
    def rows_seen(self) -> int:
        """Rows closed so far, those of a restored memory included."""
        return int(self._seen[0])

    @property
    def contained(self) -> Mapping[str, str]:
        """The features and regime that are switched off, as named in a config, and why; a view."""
        return self._containment.told

    def switch_off(self, name: str, why: str) -> None:
        """Switch off a feature or the regime for good: its columns are NaN from the next row on.

        Parameters
        ----------
        name : str    as in a config: features.ofi, regime
        why : str

        Raises
        ------
        ConfigError
            If the pipeline has no such part.
        """
        self._containment.switch_off(name, why)
        self._settle()

    @property
    def slowest(self) -> tuple[str, int]:
        """What took longest over the last row of its own, and how long, ns; ("", 0) without a stopwatch."""
        return max((one_row.slowest for one_row in self._live), key=lambda told: told[1])

    @property
    def at_work(self) -> str:
        """What is computing now, for another thread to look at; "" without a stopwatch."""
        return "".join(one_row.at_work for one_row in self._live)

    def top(self) -> tuple[bool, Ints, Ints, Ints, Ints]:
        """The book as it stands.

        Returns
        -------
        (usable, bid_ticks, bid_lots, ask_ticks, ask_lots)
            usable: valid, whole, two-sided and uncrossed; int64 arrays of up to 20 levels, best first, copies that
            cannot be written to: who decides and who checks it see the same.
        """
        levels = np.empty((4, LEVELS), np.int64)
        sound, bids, asks = top(self._book, *levels)
        levels.setflags(write=False)
        return bool(sound), levels[0, :bids], levels[1, :bids], levels[2, :asks], levels[3, :asks]

    def save(self) -> dict[str, Any]:
        """Copy all memory: what `restore` needs to go on to the same bits."""
        copies = {}
        for name, array in self._memory().items():
            copies[name] = np.empty_like(array)
            _copy(array, copies[name])
        return copies

    def restore(self, memory: Mapping[str, Any]) -> None:
        """Continue where `save` was called, on a pipeline built from the same config.

        The wakes may be others: a memory of another timer starts this one's anew.

        Raises
        ------
        ConfigError
            If the memory is that of other components.
        """
        own = self._memory()
        for name in (*sorted(own.keys() ^ memory.keys()), *own):
            if name not in own or name not in memory or _layout(own[name]) != _layout(memory[name]):
                raise ConfigError(
                    f"the saved state is another pipeline's: {name!r} differs",
                    hint="Clock, features and regime must be those it was saved with.",
                )
        timer_ns = int(self._ingest["timer_ns"][0])
        for name, array in own.items():
            _copy(memory[name], array)
        if self._ingest["timer_ns"][0] != timer_ns:
            self._ingest["timer_ns"], self._ingest["timer_due"] = timer_ns, np.iinfo(np.int64).min
        self._containment.read_back()
        self._settle()
        self._closed = 0

    def _memory(self) -> dict[str, StateArray]:
        parts = {part.name: part.state for part in (*self._features, *self._regime)}
        fixed = {
            "book": self._book, "ingest": self._ingest, "clock": self._clock_state, "ahead": self._ahead,
            "seen": self._seen, "contained": self._containment.memory,
        }  # fmt: skip
        return fixed | parts


def _refuse_duplicates(components: Mapping[str, Feature | Regime]) -> None:
    owners: dict[str, str] = {}
    for name, component in components.items():
        for column in component.columns():
            other = owners.setdefault(column.name, name)
            if other != name:
                raise ConfigError(
                    f"features {other} and {name} both write a column {column.name!r}",
                    where="features",
                    hint="Change a parameter that is part of the name, or leave one of them out.",
                )


def _layout(array: StateArray) -> tuple[Any, ...]:
    return array.dtype, array.shape


def _copy(source: StateArray, target: StateArray) -> None:
    # as bytes: one memcpy, where assigning a structured array goes field by field
    target.view(np.uint8)[:] = source.view(np.uint8)
