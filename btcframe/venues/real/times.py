"""How long the requests of a venue may take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from btcframe.types import NS


@dataclass(frozen=True)
class Times:
    """How long things take at most.

    Parameters
    ----------
    window_ns : int       for which the exchange takes a request that was under way
    settle_ns : int       within which it tells, or can be asked for, what it has done
    check_ns : int        between two comparisons of everything
    patience_ns : int     that an order may wait for a limit of requests
    in_flight : int       requests at once
    sleep : callable      seconds
    """

    window_ns: int = 5 * NS
    settle_ns: int = 2 * NS
    check_ns: int = 30 * NS
    patience_ns: int = 2 * NS
    in_flight: int = 4
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def until(self, event: asyncio.Event, ns: int) -> None:
        """Wait for an event, but not longer than that."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.sleep(ns / NS))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
