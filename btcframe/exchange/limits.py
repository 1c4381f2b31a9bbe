"""How many requests and new connections the exchange takes in a while."""

from __future__ import annotations

from collections import deque

from btcframe.types import NS

CONNECTIONS = (500, 300 * NS)
"""New connections in five minutes."""

REQUESTS = (600, 5 * NS)
"""REST requests in five seconds."""

TOGETHER = 1000
"""Connections of one category at a time."""


class Window:
    """At most so many in any span of time.

    Parameters
    ----------
    most : int
    span_ns : int
    """

    def __init__(self, most: int, span_ns: int) -> None:
        self._most, self._span = most, span_ns
        self._taken: deque[int] = deque()

    def take(self, ns: int) -> bool:
        """Count one now; returns False where it is one too many."""
        while self._taken and self._taken[0] <= ns - self._span:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return False
        self._taken.append(ns)
        return True
