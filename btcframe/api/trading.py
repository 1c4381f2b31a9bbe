"""From a prediction to an order: what a policy sees, what it may ask for, and who answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from btcframe.types import FUNDING, EventArray, Floats, Instrument, Ints, StateArray, TimeInForce


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


class TraderState(IntEnum):
    """What the trader may do. It goes down by itself, and up when it is told to or what it was for is over."""

    ACTIVE = 0
    REDUCING = 1  # what opens is denied, and canceled where it works; what reduces passes
    HALTED = 2  # everything is canceled and nothing is asked for; only an explicit flatten sends orders


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
    symbol: str = ""  # "" for the session's


class Veto(NamedTuple):
    """A rule's no."""

    code: str  # short, stable: max_position, confidence
    detail: str = ""


class Stop(NamedTuple):
    """A rule's no to everything that opens, until further notice."""

    state: TraderState  # REDUCING or HALTED
    code: str  # short, stable: daily_loss
    detail: str = ""
    until_ns: int = 0  # when REDUCING ends by itself, 0 for never; HALTED never does


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
    tif: int = TimeInForce.GTC
    ended_ns: int = 0  # when we knew that it was final; 0 while it works
    denied_ns: int = 0  # when an amendment of it was last denied; 0: none was


class Position(NamedTuple):
    """What we hold and what is on its way."""

    lots: int = 0  # signed
    average_price: float = 0.0  # quote, of the open position
    working: tuple[Working, ...] = ()
    last: Working | None = None  # the order that ended last, DENIED ones too: all the memory a policy has

    def reduces(self, intent: Intent) -> bool:
        """Whether an intent can only make the position smaller, even if everything that works fills first."""
        if intent.reduce_only or intent.action == Action.CANCEL:
            return True
        changed = intent.order_id if intent.action == Action.AMEND else 0
        if any(o.order_id == changed and intent.lots <= o.filled_lots for o in self.working):
            return True  # nothing of the order is left to fill
        room = -intent.side * self.lots  # what this side can close
        if room <= 0:
            return False
        for order in self.working:
            if order.order_id == changed:
                room += order.filled_lots  # the lots of an amendment are the new total
            elif order.side == intent.side:
                room -= order.lots - order.filled_lots
        return intent.lots <= room


class Account(NamedTuple):
    """The money side, quote currency."""

    position: Position
    cash: float
    equity: float  # cash plus the position at mid
    peak_equity: float
    fees: float
    day_equity: float = math.nan  # at the first mark of the UTC day; NaN before
    state: TraderState = TraderState.ACTIVE
    last_second: int = 0  # orders sent and amended within the last second and minute; cancels are not counted
    last_minute: int = 0


class Market(NamedTuple):
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
    regimes : tuple of str     what `regime` are the probabilities of
    model_ns : int             end of the data the model was fitted on, 0 where that is not known
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
    regimes: tuple[str, ...] = ()
    model_ns: int = 0

    @property
    def quality(self) -> float:
        """Quality of the last row, 0 to 1 (docs/quality.md)."""
        return float(self.row["quality"])

    @property
    def age_ns(self) -> int:
        """How old the book was when the last row ended: its edge less the stamp of the last book message."""
        return int(self.row["age_ns"])

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
class Suited(Protocol):
    """What a policy may have besides: it knows beforehand where it could never trade. Asked when a session opens."""

    def suits(self, instrument: Instrument) -> None:
        """Raises ConfigError where its settings make no sense on this market: a size of less than a lot."""


@runtime_checkable
class Risk(Protocol):
    """A rule every intent must pass. Pure."""

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent, a smaller one, or a veto. Reducing intents pass limits that are meant for opening."""


@runtime_checkable
class Stopper(Protocol):
    """A rule that may stop the trader, asked at every closed row besides. Pure."""

    def stop(self, account: Account, market: Market) -> Stop | None:
        """Why the trader must stop opening, or halt; None where it need not."""


@runtime_checkable
class ReadsColumns(Protocol):
    """A rule that looks at features: a session without them is refused at its start."""

    @property
    def reads(self) -> tuple[str, ...]: ...


class Reports(NamedTuple):
    """What a venue told us, in order."""

    orders: StateArray  # ORDER[a]
    fills: StateArray  # FILL[b]
    funding: StateArray = np.empty(0, FUNDING)


@runtime_checkable
class Gateway(Protocol):
    """An open venue."""

    def submit(self, order_id: int, intent: Intent, now_ns: int) -> None: ...

    def amend(self, order_id: int, ticks: int, lots: int, now_ns: int) -> None: ...

    def cancel(self, order_id: int, now_ns: int) -> None: ...

    @property
    def busy(self) -> bool:
        """Whether anything could still be reported (working orders, reports on their way); of a real venue: always."""

    def advance(self, events: EventArray, until_ns: int) -> tuple[int, Reports]:
        """Let the market move.

        A simulated venue matches against `events`. It stops before the first event that is not earlier than a due
        report, so that the trader acts on it at once: reports of that moment come alone, and their `ns` is the time
        it is then. Otherwise all events are taken, and reports due by `until_ns` come together. A real venue does the
        same with what has arrived, see `btcframe.venues.timed`; and where there are no events, at the end of a
        session, it really waits until it is `until_ns`.

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
    """Where orders go.

    One that trades real money says of itself ``real = True``: it is not opened with a model that is a mock.
    """

    def open(self, instrument: Instrument, *, seed: int) -> Gateway: ...


class Recovered(NamedTuple):
    """What a real venue says of us before the first event. Nothing of ours works there: what did was canceled."""

    position: Position  # lots and average price
    cash: float  # so that cash plus the position at its average price is the equity; settle coin
    fills: StateArray  # FILL[n] that happened while nobody was here, for the record; order_id as their session had it
    notes: tuple[str, ...] = ()  # plain sentences: what was canceled, which fills had been missed


class Host(NamedTuple):
    """The session that a real venue works for. All of it may be called from any thread, and none of it waits."""

    session: str  # id, unique for the account: what the ids of its orders begin with
    now: Callable[[], int]  # the clock of EVENT.local_ts, ns
    wake: Callable[[], None]  # something has arrived: the trader is to hear it though the market is quiet
    tell: Callable[..., None]  # observers: tell(kind, **data)
    log: Callable[
        [Mapping[str, Any]], None
    ]  # into the session's log, as a command named `venue`: for the record
    stop: Callable[[str, str], None]  # open nothing more, and only reduce: code and why


@runtime_checkable
class RealVenue(Protocol):
    """A venue where orders are an exchange's: not made by a session, but met by it.

    ``real`` says whether it is real money, in place of a test's or a demonstration's.
    """

    @property
    def real(self) -> bool: ...

    def connect(
        self, instrument: Instrument, host: Host, *, opening: bool = True
    ) -> tuple[Gateway, Recovered]:
        """Check the account, take it for this session alone, and settle what an earlier one left.

        Parameters
        ----------
        instrument : Instrument     as the source tells it; what the venue says must be the same
        host : Host
        opening : bool              False: only to cancel and to close, whoever's session the orders are of; what forbids
                                    to open does not matter then

        Raises
        ------
        ConfigError
            If keys, rights, position mode, leverage or filters are not as they must be.
        StoreError
            If another session trades the account, or its journal cannot be written.
        DataError
            If the exchange does not answer, or its clock is too far from ours.
        """
