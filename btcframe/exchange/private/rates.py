"""How many requests an account may make in a second, by what they ask for."""

from __future__ import annotations

from typing import NamedTuple

_SECOND_MS = 1000

MOST = {
    "/v5/order/create": 10,
    "/v5/order/amend": 10,
    "/v5/order/cancel": 10,
    "/v5/order/cancel-all": 10,
    "/v5/order/create-batch": 10,
    "/v5/order/amend-batch": 10,
    "/v5/order/cancel-batch": 10,
    "/v5/position/set-leverage": 10,
    "/v5/position/switch-mode": 10,
    "/v5/user/query-api": 10,
}
"""Requests a second; of a batch the orders in it count."""

_OTHERS = 50
_SPOT = {"/v5/order/create": 20, "/v5/order/cancel": 20, "/v5/order/cancel-all": 20}


class Left(NamedTuple):
    """What is left of a route's second.

    Parameters
    ----------
    most, left : int
    reset_ms : int      the exchange's clock when there is more
    allowed : bool      whether this request still was one of them
    """

    most: int
    left: int
    reset_ms: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        """As a reply tells it."""
        return {
            "X-Bapi-Limit": str(self.most),
            "X-Bapi-Limit-Status": str(self.left),
            "X-Bapi-Limit-Reset-Timestamp": str(self.reset_ms),
        }


class Rates:
    """Counts requests by account and route, second by second."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, str], tuple[int, int]] = {}  # second, and used of it

    def take(self, uid: int, path: str, category: str, now_ms: int, count: int = 1) -> Left:
        """Count a request, or so many orders of a batch."""
        most = _SPOT.get(path, 0) if category == "spot" else 0
        most = most or MOST.get(path, _OTHERS)
        second = now_ms // _SECOND_MS
        begun, used = self._seconds.get((uid, path), (second, 0))
        used = used if begun == second else 0
        reset = (second + 1) * _SECOND_MS
        if used + count > most:
            return Left(most, 0, reset, allowed=False)
        self._seconds[uid, path] = (second, used + count)
        return Left(most, most - used - count, now_ms, allowed=True)
