"""What differs from exchange to exchange, beneath ccxt: codes, parameters, limits, permissions. One table each.

An exchange that has no table is spoken to by what ccxt has in common for all: its order ids are told by
`clientOrderId`, and what its answers mean is told by the class of the error alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from btcframe.types import OrderReason
from btcframe.venues.real.outcomes import Outcome

CREATE, AMEND, CANCEL, ASK = "create", "amend", "cancel", "ask"
"""Kinds of requests, each with a limit of its own."""

_O, _R = Outcome, OrderReason


@dataclass(frozen=True)
class Dialect:
    """How one exchange is spoken to.

    Parameters
    ----------
    link : str                  parameter that carries our id when an order is amended, canceled or asked for; "" where
                                that goes by the exchange's id only
    code : str                  pattern of its code in ccxt's text, one group; "" for none
    codes : mapping             what its codes mean
    whys : mapping              what its reasons for canceling or rejecting mean
    why_fields : tuple of str   of a raw order, where they stand
    rates : mapping             requests a second, by kind
    paths : mapping             kind of a request by the end of its path
    left, reset : str           headers: requests left in this second, when the next are given (ms)
    window : str                ccxt's option for how long a request is good, "" for none
    options : mapping           of ccxt, set at once
    local : bool                whether there is a local one, `btcframe exchange`
    funding : int               sign of a payment of ours in ccxt's fundingHistory; 0 where that is not known
    rights : str                method that tells what a key may do, "" for none
    """

    link: str = ""
    code: str = ""
    codes: Mapping[str, tuple[Outcome, OrderReason]] = field(default_factory=dict)
    whys: Mapping[str, OrderReason] = field(default_factory=dict)
    why_fields: tuple[str, ...] = ()
    rates: Mapping[str, float] = field(default_factory=lambda: {CREATE: 5, AMEND: 5, CANCEL: 5, ASK: 5})
    paths: Mapping[str, str] = field(default_factory=dict)
    left: str = ""
    reset: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    window: str = ""
    local: bool = False
    funding: int = 0
    rights: str = ""

    def code_of(self, text: str) -> str:
        """The exchange's code in the text of an error, "" without."""
        found = re.search(self.code, text) if self.code else None
        return found[1] if found else ""

    def why(self, raw: Mapping[str, Any]) -> OrderReason:
        """Why the exchange ended an order, from its raw words."""
        for name in self.why_fields:
            if (why := self.whys.get(str(raw.get(name, "")))) is not None:
                return why
        return OrderReason.NONE


def _coded(outcome: Outcome, why: OrderReason, *codes: int) -> dict[str, tuple[Outcome, OrderReason]]:
    return {str(code): (outcome, why) for code in codes}


# Bybit V5, docs/v5/error and enum; what ccxt raises for them is often of another class
_BYBIT_CODES = {
    **_coded(_O.UNKNOWN, _R.NONE, 10000, 10016, -1, 429, 170007, 170146, 170147),
    **_coded(_O.REFUSED, _R.LIMITS, 10001, 110003, 110094, 170130, 170136, 170140, 110020, 170810, 110009),
    **_coded(_O.REFUSED, _R.FUNDS, 110004, 110007, 110012, 110044, 110045, 110052, 170131),
    **_coded(_O.REFUSED, _R.REDUCE_ONLY, 110017),
    **_coded(_O.CLOCK, _R.VENUE, 10002),
    **_coded(_O.FATAL, _R.KEYS, 10003, 10004, 10005, 10007, 10008, 10010, 10024, 33004),
    **_coded(_O.LIMITED, _R.RATE, 10006, 10018, 170222),
    **_coded(_O.GONE, _R.NONE, 110001, 110008, 110010, 170142, 170143, 170213),
    **_coded(_O.EXISTS, _R.NONE, 110072, 170141),
    **_coded(_O.ACCEPTED, _R.NONE, 110043),
}  # fmt: skip

_BYBIT_WHYS = {
    "EC_PostOnlyWillTakeLiquidity": _R.POST_ONLY,
    "EC_NoImmediateQtyToFill": _R.UNFILLED,
    "EC_CancelForNoFullFill": _R.FOK,
    "EC_NoEnoughQtyToFill": _R.FOK,
    "EC_BySelfMatch": _R.SELF,
    "EC_PerCancelRequest": _R.ASKED,
    "EC_ReduceOnly": _R.REDUCE_ONLY,
    "CancelByUser": _R.ASKED,
    "CancelByReduceOnly": _R.REDUCE_ONLY,
    "CancelByPrepareLiq": _R.FUNDS,
    "CancelAllBeforeLiq": _R.FUNDS,
}

BYBIT = Dialect(
    link="orderLinkId",
    code=r'"retCode"\s*:\s*"?(-?\d+)',
    codes=_BYBIT_CODES,
    whys=_BYBIT_WHYS,
    why_fields=("rejectReason", "cancelType"),
    rates={CREATE: 10, AMEND: 10, CANCEL: 10, ASK: 50},
    paths={"/v5/order/create": CREATE, "/v5/order/amend": AMEND, "/v5/order/cancel": CANCEL},
    left="X-Bapi-Limit-Status",
    reset="X-Bapi-Limit-Reset-Timestamp",
    # the account is a unified one: asking for it costs two requests more, and a permission that trading does not need
    options={"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 6},
    window="recvWindow",
    local=True,
    funding=1,
    rights="privateGetV5UserQueryApi",
)

_KNOWN = {"bybit": BYBIT}


def dialect_of(exchange: str) -> Dialect:
    """The table of an exchange, or what all have in common."""
    return _KNOWN.get(exchange, Dialect())
