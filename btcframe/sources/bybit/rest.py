"""Bybit's market REST, as far as a live session needs it: instruments and their steps, and the exchange's clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import msgspec

from btcframe.control import ROUND_TRIP
from btcframe.errors import DataError
from btcframe.sources.bybit.market import Category, instruments_of
from btcframe.sources.live.losses import reason
from btcframe.types import Instrument

LARGEST = 16 << 20
"""Bytes of a reply at most; a page of a thousand instruments has 1 MB."""

AT_ONCE = 3
"""Round trips to begin with, a second apart: the first one pays for the connection."""

PAGES = 100
"""Pages at most: an exchange that goes on pointing to another one has not so many instruments."""


class _Clock(msgspec.Struct):
    timeNano: str


class _ClockReply(msgspec.Struct):
    retCode: int
    retMsg: str
    result: _Clock


class RoundTrip(msgspec.Struct, omit_defaults=True):
    """A question for the exchange's clock: its answer was true at some moment between asking and having it.

    Parameters
    ----------
    sent_ns : int       our wall clock when it was asked
    took_ns : int       until the answer was there
    server_ns : int     what the exchange answered
    error : str         why there is no answer
    """

    sent_ns: int
    took_ns: int = 0
    server_ns: int = 0
    error: str = ""


def instruments(base: str, category: Category, timeout: float) -> dict[str, tuple[str, Instrument]]:
    """Pair and Instrument of all of a category's instruments, by ccxt's symbol.

    Raises
    ------
    DataError
        If the exchange cannot be reached, refuses, or answers something else.
    """
    with ThreadPoolExecutor(1) as apart:  # the caller's thread may have a loop that runs
        return apart.submit(asyncio.run, _instruments(base, category, timeout)).result()


async def _instruments(base: str, category: Category, timeout: float) -> dict[str, tuple[str, Instrument]]:
    found: dict[str, tuple[str, Instrument]] = {}
    cursor = ""
    async with _session(timeout) as session:
        for _ in range(PAGES):
            query = {"category": category.value, "limit": "1000"} | ({"cursor": cursor} if cursor else {})
            url = f"{base}/v5/market/instruments-info"
            more, cursor = instruments_of(await _get(session, url, query), url)
            found |= more
            if not cursor:
                return found
    raise DataError(f"the list of instruments does not end after {PAGES} pages", where=base)


async def clock_of(
    base: str, every: float, now: Callable[[], int], timeout: float = 5.0
) -> AsyncIterator[tuple[str, bytes]]:
    """Control frames ~time, each a round trip to the exchange's clock: a few at once, then again and again.

    Parameters
    ----------
    base : str
    every : float       s between two; 0 for none at all
    now : callable      our clock, ns UTC
    timeout : float     s
    """
    if not every:
        return
    url = f"{base}/v5/market/time"
    async with _session(timeout) as session:
        for number in itertools.count(1):
            trip = RoundTrip(now())
            try:
                reply = await _get(session, url, {})
                trip.took_ns = now() - trip.sent_ns
                trip.server_ns = int(msgspec.json.decode(reply, type=_ClockReply).result.timeNano)
            except (DataError, ValueError) as error:
                trip.error = str(error)
            yield ROUND_TRIP, msgspec.json.encode(trip)
            await asyncio.sleep(every if number >= AT_ONCE else min(every, 1.0))


def _session(timeout: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout), trust_env=True)


async def _get(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> bytes:
    try:
        async with session.get(url, params=query) as reply:
            status, data = reply.status, bytearray()
            async for piece in reply.content.iter_any():
                data += piece
                if len(data) > LARGEST:
                    break
    except TimeoutError as error:
        raise DataError(f"no answer within {session.timeout.total:g} s", where=url) from error
    except aiohttp.ClientConnectorError as error:
        raise DataError(f"the exchange cannot be reached: {reason(error.os_error)}", where=url) from error
    except (aiohttp.ClientError, OSError) as error:
        raise DataError(f"the exchange cannot be reached: {error}", where=url) from error
    if status == 403:
        raise DataError(
            "the exchange refused the request with HTTP 403",
            where=url,
            hint="It does so for too many requests, for ten minutes, and for addresses of some countries.",
        )
    if status != 200 or len(data) > LARGEST:
        what = f"HTTP {status}" if status != 200 else f"more than {LARGEST:,} bytes"
        raise DataError(f"the exchange answered with {what}", where=url)
    return bytes(data)
