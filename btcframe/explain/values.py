"""What is told of an order, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Ids(NamedTuple):
    """What stands behind an order; "" and None where there is none.

    Parameters
    ----------
    run : str             id of the session's run
    config, code : str    sha256 of its resolved config, and of the code of all packages it used
    commit : str or None  of the checkout that the code came from, "-dirty" where it was changed
    model, name : str     sha256 of the model's artefact, and where that lies
    build : str           the training table that the model was fitted on
    row_ns : int          the row: the end of it
    prediction : int or None      where in the table `predictions` what the model said of that row begins
    """

    run: str
    config: str
    code: str
    commit: str | None
    model: str
    name: str
    build: str
    row_ns: int
    prediction: int | None


class Seen(NamedTuple):
    """What was known when the order was decided on; NaN, "" and None where it was not.

    Parameters
    ----------
    ns : int                       local time of the decision
    bid, ask, mid, spread_bps : float      of the book at that moment, quote
    quality : float                of the row
    age_ns : int or None           how old the book was when the row ended
    regime : str
    position : float               base coin, or contracts
    equity : float
    state : int or None            TraderState
    """

    ns: int
    bid: float
    ask: float
    mid: float
    spread_bps: float
    quality: float
    age_ns: int | None
    regime: str
    position: float
    equity: float
    state: int | None


class Feature(NamedTuple):
    """One feature of the row decided on.

    Parameters
    ----------
    name, unit : str
    value : float     NaN where it was not known
    usual : float     median of the rows before; NaN where none had a value
    below : float     share of the rows before that had less, an equal value counts half; NaN likewise
    """

    name: str
    unit: str
    value: float
    usual: float
    below: float


class Features(NamedTuple):
    """What the model was given of that row.

    Parameters
    ----------
    columns : tuple of Feature      the least usual first
    rows : int                      closed before it since the session began: all of them, or every s-th of many, tell
                                    what is usual
    off : mapping of str            what was switched off by then, and why
    """

    columns: tuple[Feature, ...]
    rows: int
    off: Mapping[str, str]


class Predicted(NamedTuple):
    """What the model said of one horizon, bps; NaN where it says nothing of that kind."""

    horizon_ns: int
    mean: float
    p_up: float
    low: float
    high: float


class Decided(NamedTuple):
    """One intent about the order.

    Parameters
    ----------
    ns : int
    action, tif : int         Action, TimeInForce
    side : int
    price : float or None     limit, quote; None at the market
    asked, sent : float       size that the policy wanted, and that left us; 0 where it was denied
    reduce_only : bool
    reason : str              the policy's
    veto : str                code of the rule or filter that denied it, "" where none did
    cut : str                 the last rule that made it smaller or reduce-only, "" where none did
    bid, ask : float          of the book it was decided on; NaN where that was not usable
    """

    ns: int
    action: int
    tif: int
    side: int
    price: float | None
    asked: float
    sent: float
    reduce_only: bool
    reason: str
    veto: str
    cut: str
    bid: float
    ask: float


class Answered(NamedTuple):
    """One state of the order.

    Parameters
    ----------
    ns : int                  when we knew
    venue_ns : int or None    when it happened at the venue; None for what we did ourselves
    state, why : int          OrderState, OrderReason
    price : float or None     limit
    size, filled : float
    """

    ns: int
    venue_ns: int | None
    state: int
    why: int
    price: float | None
    size: float
    filled: float


class Filled(NamedTuple):
    """One fill.

    Parameters
    ----------
    ns, venue_ns : int        when we knew, and when it happened
    price, size, fee : float
    maker : bool
    slippage_bps : float      against the mid of the book decided on (docs/report.md)
    queue_s : float           how long the order had stood in its place; NaN for a taker
    markouts : tuple of (horizon ns, bps)      positive is good for us; NaN where the mid was not known
    """

    ns: int
    venue_ns: int
    price: float
    size: float
    fee: float
    maker: bool
    slippage_bps: float
    queue_s: float
    markouts: tuple[tuple[int, float], ...]


class Heard(NamedTuple):
    """What passed between the session and an exchange about the order.

    Parameters
    ----------
    ns : int
    text : str              in a few words
    raw : mapping           as it stands in the log
    """

    ns: int
    text: str
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Explained:
    """An order from end to end; see the parts.

    Parameters
    ----------
    order_id : int
    symbol, contract : str
    status : str                of the run: complete, running, failed, interrupted
    ids : Ids
    seen : Seen
    predicted : tuple of Predicted
    decided : tuple of Decided      the order itself, then what was wanted of it later
    answered : tuple of Answered    every state
    fills : tuple of Filled
    features : Features or None     where they were asked for
    heard : tuple of Heard          at a real venue: what passed about it
    """

    order_id: int
    symbol: str
    contract: str
    status: str
    ids: Ids
    seen: Seen
    predicted: tuple[Predicted, ...]
    decided: tuple[Decided, ...]
    answered: tuple[Answered, ...]
    fills: tuple[Filled, ...]
    features: Features | None = None
    heard: tuple[Heard, ...] = ()


class Line(NamedTuple):
    """One order in a list: its id, when and what was decided, and what became of it."""

    order_id: int
    ns: int
    side: int
    price: float | None
    size: float
    filled: float
    state: int
    reason: str
    veto: str
