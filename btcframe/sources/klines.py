"""Bars of trades (klines) as rows: prices, volumes and the takers' share of them, and no book."""

from __future__ import annotations

import contextlib
import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from btcframe.api import Batch
from btcframe.errors import ConfigError, DataError, did_you_mean
from btcframe.sources.files import fingerprint
from btcframe.sources.kline_files import Part, read_parts
from btcframe.sources.symbols import STEPS, ccxt_symbol, check_steps, quote_of
from btcframe.types import ROW, Instrument, Ints, RowArray, RowFlag, StateArray, duration_name, duration_ns

HEAD = 4096
"""Bars of a file that are looked at before any work."""

EQUAL = 20
"""Equal steps in a row that are no longer bars that are missing, but bars of another length."""


@dataclass(frozen=True)
class Klines:
    """Recorded bars (klines), from CSV (plain, .gz, .zip) or parquet: rows without a book.

    A bar becomes the row that ends when it does: nothing of it is known earlier. mid is its close, mid_high and mid_low
    its high and low: prices of trades, since bars have no quotes. V⁺ and V⁻ are the takers' volumes. N, and Q where the
    file has no taker quote volume, are split as V is: their sums are exact. Levels, microprice, order flow, the largest
    trade, the cost of trades and latency are unknown, and so is what the file has no column for (NaN, stamps 0): what
    reads them is NaN. All these rows are flagged BAR, those in which nobody traded NO_EVENTS as well. A period without
    a bar is a GAP row. The age of a row is the time since the last bar in which somebody traded.

    CSV without a header has the twelve columns of Binance's archives; columns with names need open_time, open, high,
    low, close and volume, and may have quote_volume, trades, taker_buy_base and taker_buy_quote; other usual names are
    understood. Each time is that of a bar's beginning in s, ms, us or ns, told by its size.

    The files are read in the order of their first bars. Times must go forward, also from file to file.

    Parameters
    ----------
    paths : tuple of str    files, or patterns such as data/BTCUSDT-1m-*.zip
    symbol : str            ccxt's, e.g. BTC/USDT:USDT; empty takes it from the files' names, as spot
    period : str            length of a bar, e.g. 1m; empty takes the shortest step between two bars
    tick : float, optional  price step, quote; default 0.01 (spot), 0.1 (linear), which are BTCUSDT's
    lot : float, optional   size step, base coin; default 0.000001 (spot), 0.001 (linear)
    batch : int             rows handed over at a time
    """

    paths: tuple[str, ...] = ()
    symbol: str = ""
    period: str = ""
    tick: float | None = None
    lot: float | None = None
    batch: int = 16_384

    def __post_init__(self) -> None:
        check_steps(self.tick, self.lot)
        if self.batch < 1:
            raise ValueError(f"batch: {self.batch} is not a positive number of rows")
        if self.period:
            try:
                duration_ns(self.period)
            except ValueError as error:
                raise ValueError(f"period: {error}") from None
        if self.symbol:
            pair = re.fullmatch(r"(\w+)/(\w+)(?::(\w+))?", self.symbol)
            if pair is None:
                raise ValueError(f"symbol: {self.symbol!r} is not ccxt's, e.g. BTC/USDT or BTC/USDT:USDT")
            if pair[3] and pair[3] != pair[2]:
                raise ValueError(f"symbol: {self.symbol} is inverse, and its bars count contracts, not coins")

    def open(self, *, seed: int) -> KlineFeed:
        """Look into every file, and read from the first bar on.

        Raises
        ------
        ConfigError
            If no file is named, or the symbol is not known.
        DataError
            If a file is missing, empty or not one of bars, or the files' bars have several lengths.
        """
        return KlineFeed(self._instrument(), [head.path for head in self._heads], self._period_ns, self.batch)

    def fingerprint(self) -> str:
        """sha256 over the contents of the files, in the order of their names."""
        return fingerprint(self._files)

    def row_period_ns(self) -> int:
        """Length of a bar, ns: what the clock must be set to.

        Raises
        ------
        ConfigError, DataError
            See `open`.
        """
        return self._period_ns

    @cached_property
    def _files(self) -> tuple[str, ...]:
        """The files that are named, patterns replaced by what they match."""
        if not self.paths:
            raise ConfigError(
                "source.paths: no file of bars is named",
                hint="Name files or patterns, CSV or parquet.",
                next="btcframe build source=klines 'source.paths=[data/BTCUSDT-1m-*.zip]' clock.every=1m",
            )
        files: list[str] = []
        for path in self.paths:
            # glob, because Path.glob takes no absolute pattern
            found = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else [path]  # noqa: PTH207
            if not found and not Path(path).exists():
                beside = Path(path).parent
                names = [p.name for p in beside.iterdir()] if beside.is_dir() else []
                raise DataError(
                    f"no file is called {path}",
                    where="source.paths",
                    hint=did_you_mean(Path(path).name, names, f"{beside}/"),
                )
            files += found or [path]
        return tuple(files)

    @cached_property
    def _heads(self) -> tuple[Part, ...]:
        """The beginning of every file, in the order of their first bars."""
        heads = []
        for path in self._files:
            with contextlib.closing(read_parts(Path(path))) as parts:
                head = next(part for part in parts if len(part.bars))
            heads.append(head._replace(bars=head.bars[:HEAD].copy()))
        heads.sort(key=lambda head: int(head.bars["open_ns"][0]))
        for one, other in pairwise(heads):
            if one.bars["open_ns"][0] == other.bars["open_ns"][0]:
                raise DataError(
                    f"{one.path} and {other.path} begin with the same bar",
                    where="source.paths",
                    hint="Leave one of them out.",
                )
        return tuple(heads)

    @cached_property
    def _period_ns(self) -> int:
        steps = [np.diff(head.bars["open_ns"]) for head in self._heads]
        forward = [int(step[step > 0].min()) for step in steps if (step > 0).any()]
        if not self.period and not forward:
            raise DataError(
                "no file has two bars in order: how long a bar is cannot be told",
                where="source.paths",
                hint="Say it: source.period=1m.",
            )
        period_ns = duration_ns(self.period) if self.period else min(forward)
        for head, step in zip(self._heads, steps, strict=True):
            _check_steps(step, period_ns, head)
        return period_ns

    def _instrument(self) -> Instrument:
        symbol = self.symbol or _symbol_of(self._files)
        contract = "linear" if ":" in symbol else "spot"
        tick, lot = STEPS[contract]
        return Instrument(
            symbol=symbol,
            tick=Decimal(tick if self.tick is None else repr(self.tick)),
            lot=Decimal(lot if self.lot is None else repr(self.lot)),
            contract=contract,
        )


class KlineFeed:
    """Rows of bars; see `Klines`.

    Parameters
    ----------
    instrument : Instrument
    files : list of Path      in the order of their first bars
    period_ns : int
    batch : int               rows of a batch at most
    """

    def __init__(self, instrument: Instrument, files: list[Path], period_ns: int, batch: int) -> None:
        self.instrument = instrument
        self._files, self._period_ns, self._batch = files, period_ns, batch
        self._reading: contextlib.ExitStack = contextlib.ExitStack()

    def __iter__(self) -> Iterator[Batch]:
        """Batches of rows.

        Raises
        ------
        DataError
            If a bar is not one, or the bars' times do not go forward by periods.
        """
        last_ns: int | None = None
        traded_ns: int | None = None
        last_path = Path()
        for path in self._files:
            parts = read_parts(path)
            self._reading.callback(parts.close)
            for part in parts:
                if not len(part.bars):
                    continue
                open_ns = part.bars["open_ns"]
                before = int(open_ns[0]) - self._period_ns if last_ns is None else last_ns
                steps = np.diff(open_ns, prepend=before)
                if steps[0] <= 0 and path != last_path:
                    raise DataError(
                        f"{path} begins at {_time(open_ns[0])}, before {last_path} ends at {_time(before)}",
                        where="source.paths",
                        hint="Files must not overlap: leave one of them out.",
                    )
                _check_steps(steps, self._period_ns, part, before=1)
                traded_ns = int(open_ns[0]) if traded_ns is None else traded_ns
                for rows in self._rows(part.bars, before):
                    traded_ns = _set_age(rows, traded_ns)
                    yield Batch(rows=rows)
                last_ns, last_path = int(open_ns[-1]), path

    def close(self) -> None:
        """Close the files."""
        self._reading.close()

    def _rows(self, bars: StateArray, before_ns: int) -> Iterator[RowArray]:
        """Bars, and the periods between them that have none, after the bar that began at `before_ns`."""
        at = (bars["open_ns"] - before_ns) // self._period_ns - 1
        for start in range(0, int(at[-1]) + 1, self._batch):
            n = min(self._batch, int(at[-1]) + 1 - start)
            first, end = np.searchsorted(at, (start, start + n))
            rows = _missing(n)
            rows["row_ns"] = before_ns + self._period_ns * np.arange(start + 2, start + n + 2)
            here = at[first:end] - start
            if len(here) == n:
                _fill(rows, bars[first:end])
            elif len(here):
                filled = rows[here]
                _fill(filled, bars[first:end])
                rows[here] = filled
            yield rows


def _set_age(rows: RowArray, traded_ns: int) -> int:
    """Write how long ago the last bar with a trade ended, the one before the rows at `traded_ns`; return the latest."""
    traded = rows["flags"] & np.uint32(RowFlag.NO_EVENTS) == 0
    last = np.maximum.accumulate(np.where(traded, rows["row_ns"], traded_ns))
    rows["age_ns"] = rows["row_ns"] - last
    return int(last[-1])


def _missing(n: int) -> RowArray:
    """ROW[n] of periods of which nothing is known."""
    one = np.zeros(1, ROW)
    for name in ROW.names or ():
        if ROW[name].base.kind == "f":
            one[name] = np.nan
    one["flags"] = RowFlag.GAP | RowFlag.NO_EVENTS
    rows = np.empty(n, ROW)
    # as bytes: one copy, where assigning a structured array goes field by field
    rows.view(np.uint8).reshape(n, ROW.itemsize)[:] = one.view(np.uint8)
    return rows


def _fill(rows: RowArray, bars: StateArray) -> None:
    """Write BAR[n] into ROW[n] that hold nothing but their times."""
    volume, bought = bars["volume"], bars["taker_buy_base"]
    traded = volume > 0
    share = np.divide(bought, volume, out=np.where(np.isnan(bought), np.nan, 0.5), where=traded)
    quote, bought_quote = bars["quote_volume"], bars["taker_buy_quote"]
    bought_quote = np.where(np.isnan(bought_quote), share * quote, bought_quote)
    rows["flags"] = np.where(traded, int(RowFlag.BAR), int(RowFlag.BAR | RowFlag.NO_EVENTS))
    rows["messages"] = 1
    rows["mid"], rows["mid_high"], rows["mid_low"] = bars["close"], bars["high"], bars["low"]
    rows["buy_volume"], rows["sell_volume"] = bought, np.maximum(volume - bought, 0.0)
    rows["buy_count"], rows["sell_count"] = share * bars["trades"], (1.0 - share) * bars["trades"]
    rows["buy_notional"], rows["sell_notional"] = bought_quote, np.maximum(quote - bought_quote, 0.0)


def _check_steps(steps: Ints, period_ns: int, part: Part, before: int = 0) -> None:
    """Raise DataError where a step between bars is not a number of periods, or only ever several.

    Parameters
    ----------
    steps : int64[n]     ns, the last n leading to the bars of the part
    period_ns : int
    part : Part
    before : int         1 where the first step leads to the part's first bar, 0 where it leads to its second
    """

    def where(i: int) -> str:
        return part.where(i + 1 - before)

    if not len(steps):
        return
    wrong = np.flatnonzero((steps <= 0) | (steps % period_ns != 0))
    if len(wrong):
        i = int(wrong[0])
        time = _time(part.bars["open_ns"][i + 1 - before])
        if steps[i] <= 0:
            again = "is there twice" if steps[i] == 0 else "comes after a later one"
            raise DataError(
                f"the bar of {time} {again}", where=where(i), hint="Times of bars must go forward."
            )
        raise DataError(
            f"the bar of {time} comes {duration_name(int(steps[i]))} after the one before it, which is no number of "
            f"bars of {duration_name(period_ns)}",
            where=where(i),
            hint="Files of one length of bar belong together; source.period says which.",
        )
    changes = np.flatnonzero(np.diff(steps)) + 1
    starts = np.concatenate([[0], changes])
    runs = np.diff(np.append(starts, len(steps)))
    several = starts[(runs >= EQUAL) & (steps[starts] > period_ns)]
    if len(several):
        i = int(several[0])
        raise DataError(
            f"bars of {duration_name(int(steps[i]))} among bars of {duration_name(period_ns)}",
            where=where(i),
            hint="Files of one length of bar belong together; source.period says which.",
        )


def _symbol_of(files: tuple[str, ...]) -> str:
    """The symbol that the files' names tell."""
    pairs = {
        word: path
        for path in files
        for word in re.split(r"[^A-Za-z0-9]+", Path(path).name)
        if word.isupper() and quote_of(word)
    }
    if len(pairs) != 1:
        what = "the files' names tell no symbol"
        if pairs:
            what = f"the files are of several symbols, as their names tell: {', '.join(sorted(pairs))}"
        raise ConfigError(
            f"source.symbol: {what}", hint="Write it as ccxt does, e.g. source.symbol=BTC/USDT."
        )
    return ccxt_symbol(next(iter(pairs)), "spot")


def _time(ns: int) -> str:
    return f"{np.datetime64(int(ns), 'ns').astype('datetime64[s]')}Z"
