"""What became of a request, told from what ccxt raised: a table of codes, then the class of the error.

What is not known for certain is UNKNOWN, and is found out by asking. So a code nobody has heard of costs a question,
and never a second order.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from btcframe.types import OrderReason


class Outcome(enum.Enum):
    """What is known of a request after its answer, or the lack of one."""

    ACCEPTED = "accepted"  # taken for processing: nothing is working or filled yet
    REFUSED = "refused"  # the exchange said no: nothing was done
    UNKNOWN = "unknown"  # it may have been done: ask
    EXISTS = "exists"  # an order of that id is there: ask
    GONE = "gone"  # there is no such order any more, or never was: ask
    UNSENT = "unsent"  # no connection: not a byte has left
    LIMITED = "limited"  # too many requests: nothing was done
    CLOCK = "clock"  # our clock is off: nothing was done
    FATAL = "fatal"  # key, permission or ban: nothing was done, and nothing will be


class Answer(NamedTuple):
    """An outcome, and what the exchange said."""

    outcome: Outcome
    why: OrderReason = OrderReason.NONE
    code: str = ""
    said: str = ""


ACCEPTED = Answer(Outcome.ACCEPTED)

# ccxt's classes by name, for loading ccxt takes seconds; the most special first; what is in no row is UNKNOWN
_CLASSES: tuple[tuple[str, Outcome, OrderReason], ...] = (
    ("RateLimitExceeded", Outcome.LIMITED, OrderReason.RATE),
    ("DDoSProtection", Outcome.LIMITED, OrderReason.RATE),
    ("InvalidNonce", Outcome.CLOCK, OrderReason.VENUE),
    ("AuthenticationError", Outcome.FATAL, OrderReason.KEYS),
    ("InsufficientFunds", Outcome.REFUSED, OrderReason.FUNDS),
    ("OrderNotFound", Outcome.GONE, OrderReason.NONE),
    ("DuplicateOrderId", Outcome.EXISTS, OrderReason.NONE),
    ("OrderImmediatelyFillable", Outcome.REFUSED, OrderReason.POST_ONLY),
    ("OrderNotFillable", Outcome.REFUSED, OrderReason.FOK),
    ("MarketClosed", Outcome.REFUSED, OrderReason.CLOSED),
)


def classify(error: Exception, code: str, codes: Mapping[str, tuple[Outcome, OrderReason]]) -> Answer:
    """What an error of ccxt says of the request.

    Parameters
    ----------
    error : Exception
    code : str        the exchange's own code in it, "" without; see `Dialect.code_of`
    codes : mapping   what the exchange's codes mean

    Returns
    -------
    Answer
        without text: who knows the keys scrubs and adds it
    """
    if code in codes:
        return Answer(*codes[code], code)
    if type(error.__cause__).__name__ in ("ClientConnectorError", "ClientConnectorDNSError"):
        return Answer(Outcome.UNSENT, OrderReason.LOST, code)
    if not code:  # an exchange's own code that we do not know says more than the class ccxt chose for it: ask
        names = {kind.__name__ for kind in type(error).__mro__}
        for name, outcome, why in _CLASSES:
            if name in names:
                return Answer(outcome, why)
    return Answer(Outcome.UNKNOWN, OrderReason.NONE, code)
