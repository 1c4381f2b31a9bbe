"""What goes wrong with requests to trade: which fault befalls the next one, and which codes faults answer with."""

from __future__ import annotations

ERRORS = {
    "error_10000": (10000, "Server Timeout"),
    "error_10016": (10016, "Server error."),
    "error_170007": (170007, "Timeout waiting for response from backend server."),
    "error_170146": (170146, "Order creation timeout."),
}
"""Answers that do not tell what became of the request, by the fault that gives them."""

BEFORE = "_before"
"""Ends the name of a fault that answers without having done anything."""

ON_REQUESTS = (
    *ERRORS,
    *(f"{name}{BEFORE}" for name in ERRORS),
    "reply_lost",
    "request_lost",
    "accepted_twice",
    "reject",
    "partial_cancel",
    "fill_in_cancel",
)
"""Faults that befall the next requests to trade."""

_ONLY = {"reject": "create", "partial_cancel": "create", "fill_in_cancel": "cancel", "error_170146": "create"}


class Troubles:
    """Faults that wait for a request, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, str]] = []

    def befall(self, name: str, amount: int, operation: str) -> None:
        """The next so many requests have this fault: all, or those of one operation."""
        only = operation or _ONLY.get(name.removesuffix(BEFORE), "")
        self._waiting += [(name, only)] * amount

    def take(self, operation: str) -> str:
        """The fault of a request that is here, "" without one."""
        for waiting in self._waiting:
            if waiting[1] in ("", operation):
                self._waiting.remove(waiting)
                return waiting[0]
        return ""

    def heal(self) -> None:
        """Nothing waits any more."""
        self._waiting.clear()
