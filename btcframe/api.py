"""The interfaces of all slots, on one screen each. Protocols: nothing to inherit.

A component is a frozen dataclass (the recipe): its fields are hyper-parameters, config schema, command line and
docs. Whatever it produces that has memory is another object: a feature's `state()`, a source's `Feed`, a model's
`Predictor`, a regime's `Labeler`, a venue's `Gateway`. So there is no half-fitted or half-open component.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from btcframe.types import (
    EVENT,
    EventArray,
    Floats,
    Frame,
    Instrument,
    Ints,
    RowArray,
    StateArray,
    TimeInForce,
)

if TYPE_CHECKING:
    import pyarrow as pa


# ---------------------------------------------------------------------------------------------------- sources


class Batch(NamedTuple):
    """What a feed hands over at a time: a few events live, up to 65k from a recording.

    `frames` are the raw messages the events were decoded from, for the session log; empty for a source that makes
    its events itself (its config and seed are then the record). `rows` is for sources without a book (klines).
    """

    events: EventArray = np.empty(0, EVENT)
    frames: Sequence[Frame] = ()
    rows: RowArray | None = None


@runtime_checkable
class Feed(Protocol):
    """An open source: iterate it for batches, in order of consumption, `local_ts` never decreasing."""

    instrument: Instrument

    def __iter__(self) -> Iterator[Batch]: ...

    def close(self) -> None:
        """Stop and free whatever the feed holds; harmless when done twice."""


@runtime_checkable
class Source(Protocol):
    """Market events, recorded or live.

    A source whose batches carry frames also has ``decode(frames: Iterable[list[Frame]]) -> Feed``, the same
    decoding without the files or sockets: a session log replays through it.
    """

    def open(self, *, seed: int) -> Feed:
        """Start from the beginning. Raises DataError if there is nothing to read."""

    def fingerprint(self) -> str:
        """What identifies the data: a hash of the recorded files, or "" where config and seed say it all."""


@runtime_checkable
class Clock(Protocol):
    """Closes rows."""

    @property
    def period_ns(self) -> int:
        """Nominal length of a row, ns."""

    def state(self) -> StateArray:
        """Memory before the first event: a structured array of shape (1,)."""

    def cuts(self, events: EventArray, start: int, state: StateArray, out: StateArray) -> tuple[int, int]:
        """Write the row boundaries found from `start` on.

        Parameters
        ----------
        events : EVENT[n]
        start : int           first event not yet looked at
        state : structured    updated in place
        out : CUT[c]          boundaries; several may share one index (rows without events)

        Returns
        -------
        (found, seen) : (int, int)
            boundaries written, and the first event not looked at: n, or the index of the last boundary where
            `out` was full (the next call starts there).
        """


# --------------------------------------------------------------------------------------- features, regime, labels


class Column(NamedTuple):
    """One column a component writes."""

    name: str
    unit: str = ""  # bps, base coin, quote, rows, 1 for a ratio
    low: float = -np.inf  # range the value cannot leave
    high: float = np.inf
    warmup: int = 0  # first row that can be valid, 0-based from the first row with a good book
    inputs: tuple[str, ...] = ()  # ROW fields read
    formula: str = ""  # one line
    source: str = ""  # paper or origin
    family: str = ""


@runtime_checkable
class Feature(Protocol):
    """Columns of X, causal: row t is computed from rows <= t."""

    def columns(self) -> tuple[Column, ...]:
        """What `update` writes, in order."""

    def state(self, instrument: Instrument) -> StateArray:
        """All memory the feature will ever have: a structured array of shape (1,), so it can be saved."""

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        """Advance over rows.

        Parameters
        ----------
        rows : ROW[n]         read only; n is what arrived: 1 live, thousands in a build
        state : structured    updated in place
        out : float64[n, k]   C-contiguous; NaN on entry; column j is `columns()[j]`
        """


@runtime_checkable
class Labeler(Protocol):
    """A regime fitted on training rows: descriptors in, probabilities out."""

    labels: tuple[str, ...]

    def state(self) -> StateArray:
        """Memory (hysteresis, filter) before the first row, shape (1,)."""

    def update(self, descriptors: Floats, state: StateArray, out: Floats) -> None:
        """descriptors float64[n, d] → out float64[n, len(labels)], rows summing to 1, NaN where unknown."""

    def save(self, directory: Path) -> None:
        """Write everything `Regime.load` needs into a directory that exists and is empty."""


@runtime_checkable
class Regime(Protocol):
    """Market state. Its descriptors are columns exactly like a feature's (names start with ``regime_``)."""

    def columns(self) -> tuple[Column, ...]: ...

    def state(self, instrument: Instrument) -> StateArray: ...

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None: ...

    def fit(self, descriptors: Floats, *, seed: int) -> Labeler:
        """Fit on the descriptors of training rows only, float64[n, d]."""

    def load(self, directory: Path) -> Labeler: ...


@runtime_checkable
class Label(Protocol):
    """Targets: the only component that looks ahead, and it says how far."""

    @property
    def horizons_ns(self) -> tuple[int, ...]: ...

    @property
    def max_horizon_ns(self) -> int: ...

    @property
    def lookback_ns(self) -> int:
        """How much of the past a label needs (a volatility to scale by); 0 for none."""

    def columns(self) -> tuple[Column, ...]:
        """One per horizon."""

    def label(self, rows: RowArray) -> tuple[Floats, Ints]:
        """ROW[n] → (y float64[n, h], t_end int64[n, h]).

        y[t] uses nothing after t_end[t] <= row_ns[t] + max_horizon_ns; NaN where it cannot be known.
        """


# ------------------------------------------------------------------------------------------------------- models


class Split(NamedTuple):
    """Row indices of one fold."""

    train: Ints
    test: Ints


class Splitter(Protocol):
    """Purged splits of a training set."""

    def split(self, row_ns: Ints, t_end: Ints) -> Iterator[Split]:
        """row_ns int64[n], t_end int64[n, h] → folds; no training label ends inside the test window."""


@dataclass(frozen=True)
class TrainingSet:
    """What a model may see: one fold's training rows, nothing else.

    Parameters
    ----------
    x : float64[n, k]          unscaled feature columns, NaN where missing
    columns : tuple of str     their names, in order
    row_ns : int64[n]
    y : float64[n, h]          labels, NaN where unknown
    t_end : int64[n, h]        when each label is known
    horizons_ns : tuple of int
    weight : float64[n]        sample weight
    regime : float64[n, r]     probabilities of the labeler fitted on these rows
    regimes : tuple of str     their names
    splitter : Splitter        for early stopping and stacking inside the window
    seed : int
    """

    x: Floats
    columns: tuple[str, ...]
    row_ns: Ints
    y: Floats
    t_end: Ints
    horizons_ns: tuple[int, ...]
    weight: Floats
    regime: Floats
    regimes: tuple[str, ...]
    splitter: Splitter
    seed: int


@runtime_checkable
class Predictor(Protocol):
    """A fitted model."""

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """Fill out PREDICTION[n, h] from x float64[n, k] and regime float64[n, r].

        One sequential kernel: n rows at once give the bits of n calls with one row. A row it cannot predict
        (missing columns) gets NaN. `row_ns` and `model` are the caller's and left alone.
        """

    def save(self, directory: Path) -> None:
        """Write everything `Model.load` needs into a directory that exists and is empty. No pickle."""


@runtime_checkable
class Model(Protocol):
    """A recipe for a predictor."""

    def fit(self, data: TrainingSet) -> Predictor:
        """Raises ModelError where the data cannot be fitted (constant label, too few rows)."""

    def load(self, directory: Path) -> Predictor: ...


# ------------------------------------------------------------------------------------------------------ trading


class Wake(IntFlag):
    """Why `Pipeline.push` stopped."""

    NONE = 0  # everything was consumed
    ROW = 1  # a row closed
    BEST = 2  # a best price changed
    TIMER = 4  # a timer of the policy is due
    ORDER = 8  # the venue reported something
    FULL = 16  # the row buffer is full: take the rows and push again


class Wakes(NamedTuple):
    """What a policy wants to be woken for, besides closed rows and order reports."""

    best: bool = False
    timer_ns: int = 0  # period; 0 for none


class Action(IntEnum):
    """What an intent asks for."""

    SUBMIT = 1
    AMEND = 2
    CANCEL = 3


class Intent(NamedTuple):
    """What a policy wants done. Prices in ticks, sizes in lots: nothing to round later."""

    action: Action
    side: int = 0  # +1 buy, -1 sell
    lots: int = 0  # for AMEND the new total
    ticks: int = 0  # limit price; 0 for a market order
    tif: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    order_id: int = 0  # AMEND, CANCEL: which
    reason: str = ""


class Veto(NamedTuple):
    """A rule's no."""

    code: str  # short, stable: max_position, confidence
    detail: str = ""


class Working(NamedTuple):
    """An order that is not final."""

    order_id: int
    side: int
    ticks: int
    lots: int
    filled_lots: int
    state: int  # OrderState
    ns: int  # when it was submitted
    reduce_only: bool


class Position(NamedTuple):
    """What we hold and what is on its way."""

    lots: int = 0  # signed
    average_price: float = 0.0  # quote, of the open position
    working: tuple[Working, ...] = ()


class Account(NamedTuple):
    """The money side, quote currency."""

    position: Position
    cash: float
    equity: float  # cash plus the position at mid
    peak_equity: float
    fees: float


@dataclass(frozen=True, slots=True)
class Market:
    """What is known at a decision; nothing in it is later than `now_ns`.

    Parameters
    ----------
    now_ns : int               local time of the decision
    instrument : Instrument
    usable : bool              the book is valid, uncrossed and two-sided
    bid_ticks, bid_lots, ask_ticks, ask_lots : int64[<=20]   the book, best first
    row : ROW scalar           last closed row
    x : float64[k]             its features; `columns` names them
    regime : float64[r]        its regime probabilities
    prediction : PREDICTION[h] on that row; NaN means where there is no model yet
    """

    now_ns: int
    instrument: Instrument
    usable: bool
    bid_ticks: Ints
    bid_lots: Ints
    ask_ticks: Ints
    ask_lots: Ints
    row: Any
    x: Floats
    columns: tuple[str, ...]
    regime: Floats
    prediction: StateArray

    @property
    def mid(self) -> float:
        """Mid price of the book, quote; NaN when not usable."""
        if not self.usable:
            return float("nan")
        i = self.instrument
        return (i.price(int(self.bid_ticks[0])) + i.price(int(self.ask_ticks[0]))) / 2


@runtime_checkable
class Policy(Protocol):
    """Turns predictions into intents. Pure: the same arguments give the same intents."""

    @property
    def wakes(self) -> Wakes: ...

    def decide(self, market: Market, position: Position) -> Sequence[Intent]: ...


@runtime_checkable
class Risk(Protocol):
    """A rule every intent must pass. Pure."""

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent, a smaller one, or a veto. Reducing intents pass limits that are meant for opening."""


class Reports(NamedTuple):
    """What a venue told us, in order."""

    orders: StateArray  # ORDER[a]
    fills: StateArray  # FILL[b]


@runtime_checkable
class Gateway(Protocol):
    """An open venue."""

    def submit(self, order_id: int, intent: Intent, now_ns: int) -> None: ...

    def amend(self, order_id: int, ticks: int, lots: int, now_ns: int) -> None: ...

    def cancel(self, order_id: int, now_ns: int) -> None: ...

    @property
    def busy(self) -> bool:
        """Whether anything could still be reported (working orders, reports on their way)."""

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        """Let the market move.

        A simulated venue matches against `events`. It stops before the first event that is not earlier than a due
        report, so that the trader acts on it at once: reports of that moment come alone, and their `ns` is the time
        it is then. Otherwise all events are taken, and reports due by `until_ns` come together. A real venue takes
        all events and returns what has arrived.

        Returns
        -------
        (taken, reports) : (int, Reports)
            how many of `events` were consumed, and what we now know. If all were taken, time is `until_ns`.
        """

    def reconcile(self) -> Position:
        """The venue's own view of what we hold: on start, after a reconnect and at the end."""

    def close(self) -> None: ...


@runtime_checkable
class Venue(Protocol):
    """Where orders go."""

    def open(self, instrument: Instrument, *, seed: int) -> Gateway: ...


# -------------------------------------------------------------------------------------------------------- stores


@runtime_checkable
class Store(Protocol):
    """Tables of builds. Key (build, symbol, row_ns); a sealed build never changes."""

    def claim(self, build: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold the right to make a build; calls `waiting` once and waits while another process has it."""

    def write(self, build: str, table: str, batch: pa.Table) -> None:
        """Append rows. Idempotent: rows of this build that are there already are not written twice."""

    def seal(self, build: str, manifest: Mapping[str, Any]) -> None:
        """Declare a build whole. Until then `scan` refuses it."""

    def scan(
        self,
        build: str,
        table: str,
        columns: Sequence[str] | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Rows with since <= row_ns < until in order, only `columns`. Raises StoreError for an unsealed build."""

    def builds(self) -> Mapping[str, Mapping[str, Any]]:
        """Manifests of the sealed builds by id."""

    def discard(self, build: str) -> None:
        """Delete what an interrupted, unsealed build left behind."""


# ----------------------------------------------------------------------------------------------------- observers


@dataclass(frozen=True)
class SessionEvent:
    """What observers are told.

    kind : run_started, run_finished, run_failed, fold_done, gap, halt, promotion, build_done
    """

    kind: str
    ns: int
    run: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


FrameBatches = Iterable[list[Frame]]
