"""From an open feed to its facts, and the file they are kept in."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Feed
from btcframe.errors import ConfigError, DataError
from btcframe.facts import activity, book, flow, price, trades
from btcframe.facts.statistics import Line, Measured
from btcframe.pipeline import Pipeline
from btcframe.types import NS, RowArray, duration_name

SECTIONS = (activity.SECTION, book.SECTION, price.SECTION, flow.SECTION, trades.SECTION)
FILE = "facts.json"
VERSION = 1
SHORTEST_NS = 60 * NS


class Facts(NamedTuple):
    """What was measured of one market.

    Parameters
    ----------
    name : str                       what it is called beside others
    market : mapping                 symbol, tick, lot, begin, seconds, events, rows, unusable rows, price
    values : mapping of Measured     by `definitions.Fact.key`
    lines : mapping of Line          by `definitions.Figure.keys`
    """

    name: str
    market: Mapping[str, Any]
    values: Mapping[str, Measured]
    lines: Mapping[str, Line]


def measure(feed: Feed, pipeline: Pipeline, period_ns: int, advance: Callable[[float], None]) -> Facts:
    """Stream a feed once and measure every fact.

    Parameters
    ----------
    feed : Feed
    pipeline : Pipeline    without wakes; of its rows only, no feature is read
    period_ns : int        length of a row
    advance : callable     told of every number of rows closed

    Raises
    ------
    ConfigError
        If the rows are not evenly spaced: then there is nothing to measure horizons in.
    DataError
        If the source has no book, or its rows span less than a minute.
    """
    tick, lot = float(feed.instrument.tick), float(feed.instrument.lot)
    counts, prints = activity.ActivityFacts(period_ns), trades.TradeFacts(lot)
    of_rows = (
        counts,
        book.BookFacts(tick, period_ns),
        price.PriceFacts(tick, period_ns),
        flow.FlowFacts(period_ns),
    )
    extent = _Extent(period_ns)
    for batch in feed:
        if batch.rows is not None:
            raise DataError("the source gives rows, and these facts need a book", where="source")
        at, whole = 0, False
        while not whole:
            before = at
            at, wake = pipeline.push(batch.events, at)
            whole = at == len(batch.events) and not wake
            events, rows = batch.events[before:at], pipeline.rows
            counts.add_events(events, prints.add(events))
            if len(rows):
                extent.add(rows)
                for part in of_rows:
                    part.add(rows)
                advance(len(rows))
    extent.check()
    parts = (*of_rows, prints)
    values = {key: value for part in parts for key, value in part.facts().items()}
    lines = {key: line for part in parts for key, line in part.lines().items()}
    i = feed.instrument
    market = {"symbol": i.symbol, "tick": str(i.tick), "lot": str(i.lot), **extent.described()}
    return Facts(f"{i.symbol} {market['begin'][:10]}", market, values, lines)


class _Extent:
    """From when to when, how many rows, at what price."""

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._first, self._last, self._rows, self._priced, self._sum = 0, 0, 0, 0, 0.0

    def add(self, rows: RowArray) -> None:
        ns = rows["row_ns"]
        if (self._rows and ns[0] != self._last + self._period_ns) or (np.diff(ns) != self._period_ns).any():
            raise ConfigError(
                "the rows are not evenly spaced, and the facts are by time",
                where="clock",
                hint="Use clock=time.",
            )
        self._first, self._last = self._first or int(ns[0]), int(ns[-1])
        priced = np.isfinite(rows["mid"])
        self._rows += len(rows)
        self._priced += int(priced.sum())
        self._sum += float(rows["mid"][priced].sum())

    def check(self) -> None:
        span = self._rows * self._period_ns
        if span < SHORTEST_NS or not self._priced:
            raise DataError(
                f"{self._priced:,} rows of {duration_name(self._period_ns)} with a mid are too few for facts",
                where="source",
                hint=f"Use at least {duration_name(SHORTEST_NS)} of a market with both sides.",
            )

    def described(self) -> dict[str, Any]:
        begin = datetime.datetime.fromtimestamp((self._first - self._period_ns) / NS, datetime.UTC)
        return {
            "begin": begin.isoformat(timespec="seconds"),
            "seconds": self._rows * self._period_ns / NS,
            "row": duration_name(self._period_ns),
            "rows": self._rows,
            "unusable": self._rows - self._priced,
            "price": self._sum / self._priced,
        }


# ------------------------------------------------------------------------------------------------------ file


def as_json(facts: Facts) -> dict[str, Any]:
    """Plain values for `FILE`; what is not known is null."""
    return {
        "version": VERSION,
        "name": facts.name,
        "market": dict(facts.market),
        "values": {key: _known(v._asdict()) for key, v in facts.values.items()},
        "lines": {
            key: _known({k: a.tolist() for k, a in v._asdict().items()}) for key, v in facts.lines.items()
        },
    }


def load(directory: Path) -> Facts:
    """The facts that a run of `btcframe facts` left in its directory.

    Raises
    ------
    DataError
        If there are none, or they cannot be read.
    """
    path = directory / FILE
    hint = "Measure a market first: btcframe facts source=…"
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{directory} has no {FILE}", where="beside", hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", where="beside") from error
    try:
        plain = json.loads(text)
        if plain["version"] != VERSION:
            raise DataError(
                f"{path} is of version {plain['version']}, not {VERSION}", where="beside", hint=hint
            )
        values = {key: Measured(**_unknown(v)) for key, v in plain["values"].items()}
        lines = {
            key: Line(**{k: np.array(_unknown(a), float) for k, a in v.items()})
            for key, v in plain["lines"].items()
        }
        return Facts(plain["name"], plain["market"], values, lines)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error!r}", where="beside", hint=hint) from error


def _known(value: Any) -> Any:
    """JSON has no NaN: null stands for it."""
    if isinstance(value, dict):
        return {k: _known(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_known(v) for v in value]
    return None if not math.isfinite(value) else value


def _unknown(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _unknown(v) for k, v in value.items()}
    return (
        [math.nan if v is None else v for v in value]
        if isinstance(value, list)
        else math.nan
        if value is None
        else value
    )
