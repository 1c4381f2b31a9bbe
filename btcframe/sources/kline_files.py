"""Files of bars (klines): CSV plain, gzip or zip, and parquet, a part at a time, errors that name the place.

What a file is shows in its first bytes, not in its name. A CSV without a header has the twelve columns of Binance's
archives; with one, and in parquet, columns are found by name.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import zipfile
import zlib
from collections.abc import Generator, Sequence
from pathlib import Path
from textwrap import shorten
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from btcframe.errors import DataError
from btcframe.sources.files import check
from btcframe.types import NS, Ints, StateArray

if TYPE_CHECKING:
    import pyarrow as pa

VALUES = (
    "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_base", "taker_buy_quote",
)  # fmt: skip
"""What a bar tells beside its time: quote, base coin, quote, a number; the last two are the takers' buys of it."""

NEEDED = ("open_time", "open", "high", "low", "close", "volume")
"""Columns that every file has; the others are NaN where it has none."""

BAR = np.dtype([("open_ns", "i8"), *((name, "f8") for name in VALUES)])
"""One bar: when it began, ns, and its values."""

CHUNK = 4 << 20
"""Bytes of CSV, unpacked, taken at a time."""

PART = 65_536
"""Rows of parquet taken at a time."""

_BINANCE = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trades", "taker_buy_base",
    "taker_buy_quote", "ignore",
)  # fmt: skip

_NAMES = {
    "open_time": "open_time_ms open_time_us open_time_ns opentime timestamp time datetime date start start_time ts",
    "open": "o open_price",
    "high": "h high_price max",
    "low": "l low_price min",
    "close": "c close_price last",
    "volume": "v vol base_volume base_asset_volume",
    "quote_volume": "quote_asset_volume quote_vol turnover",
    "trades": "count number_of_trades trade_count num_trades tradecount",
    "taker_buy_base": "taker_buy_volume taker_buy_base_volume taker_buy_base_asset_volume",
    "taker_buy_quote": "taker_buy_quote_volume taker_buy_quote_asset_volume",
}
_ALIASES = {alias: name for name, text in _NAMES.items() for alias in (name, *text.split())}

_EARLIEST_S, _LATEST_S = 1_230_768_000, 4_102_444_800  # 2009, before which there was no BTC, to 2100
_UNITS = (NS, 1_000_000, 1_000, 1)


class Part(NamedTuple):
    """Some bars of a file, in its order.

    Parameters
    ----------
    bars : BAR[n]
    path : Path
    first : int     line (CSV) or row (parquet) of the first of them, counted from 1
    unit : str      line or row
    """

    bars: StateArray
    path: Path
    first: int
    unit: str

    def where(self, i: int) -> str:
        """File and line of bar i."""
        return f"{self.path}, {self.unit} {self.first + i:,}"


def read_parts(path: Path) -> Generator[Part, None, None]:
    """The bars of a file, checked one by one.

    Raises
    ------
    DataError
        If the file is missing, empty, cut, damaged or not one of bars, or a bar cannot be: a stamp that is none, a
        price that is not positive, a high below a low, more bought by takers than traded.
    """
    if not path.is_file() or path.stat().st_size:
        check(path)
    else:
        raise DataError(f"{path} is empty", hint="A file of bars holds a bar a line.")
    with path.open("rb") as file:
        magic = file.read(4)
    parts = _parquet(path) if magic == b"PAR1" else _csv(path, magic)
    empty = True
    for part in parts:
        _check(part)
        empty = empty and not len(part.bars)
        yield part
    if empty:
        raise DataError(f"{path} holds no bar", hint="A file of bars holds a bar a line.")


# ---------------------------------------------------------------------------------------------------------- text


def _csv(path: Path, magic: bytes) -> Generator[Part, None, None]:
    names: Sequence[str] = ()
    columns: dict[str, str] = {}
    line = 1
    with contextlib.closing(_chunks(path, magic)) as chunks:
        for chunk in chunks:
            if not names:
                cells = next(csv.reader([chunk.partition(b"\n")[0].decode(errors="replace")]), [])
                cells = [cell.strip().lstrip("\ufeff") for cell in cells]
                if any(cell and cell[0].isalpha() for cell in cells):
                    names, columns = cells, _found(path, cells)
                    chunk, line = chunk.partition(b"\n")[2], 2
                elif len(cells) == len(_BINANCE):
                    names, columns = _BINANCE, {name: name for name in (NEEDED[0], *VALUES)}
                else:
                    raise DataError(
                        f"no header, and {len(cells)} columns where Binance's bars have {len(_BINANCE)}",
                        where=f"{path}, line 1",
                        hint=f"Give the columns names in the first line: {', '.join((NEEDED[0], *VALUES))}.",
                    )
            if chunk.strip():
                yield Part(_parsed(chunk, names, columns, path, line), path, line, "line")
            line += chunk.count(b"\n")


def _chunks(path: Path, magic: bytes) -> Generator[bytes, None, None]:
    """Whole lines of a file, a few megabytes at a time."""
    count = 0
    with contextlib.ExitStack() as stack:
        file: IO[bytes] | gzip.GzipFile
        try:
            if magic[:2] == b"\x1f\x8b":
                file = stack.enter_context(gzip.GzipFile(path))
            elif magic == b"PK\x03\x04":
                archive = stack.enter_context(zipfile.ZipFile(path))
                file = stack.enter_context(archive.open(_member(path, archive)))
            else:
                file = stack.enter_context(path.open("rb"))
            rest = b""
            while block := file.read(CHUNK):
                whole, newline, rest = (rest + block).rpartition(b"\n")
                count += whole.count(b"\n") + len(newline)
                if newline:
                    yield whole + newline
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, RuntimeError) as error:
            raise DataError(
                f"the packed file is cut or damaged: {error}",
                where=f"{path}, after line {count:,}",
                hint="Fetch it again.",
            ) from error
        if rest.strip():
            yield rest + b"\n"


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) != 1:
        held = ", ".join(info.filename for info in members[:5]) or "nothing"
        raise DataError(
            f"the archive holds {len(members)} files, and one was expected: {held}",
            where=str(path),
            hint="Unpack it, and name the files of bars.",
        )
    return members[0]


def _parsed(chunk: bytes, names: Sequence[str], columns: dict[str, str], path: Path, line: int) -> StateArray:
    import pyarrow as pa
    from pyarrow import csv as reader

    types = {theirs: pa.int64() if ours == NEEDED[0] else pa.float64() for ours, theirs in columns.items()}
    try:
        table = reader.read_csv(
            pa.BufferReader(chunk),
            reader.ReadOptions(use_threads=False, column_names=list(names), block_size=len(chunk) + 1),
            reader.ParseOptions(ignore_empty_lines=False),
            reader.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[], check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise _located(chunk, names, columns, path, line) or DataError(str(error), where=str(path)) from None
    return _bars(table, columns)


def _located(
    chunk: bytes, names: Sequence[str], columns: dict[str, str], path: Path, line: int
) -> DataError | None:
    """What is wrong with the first line that cannot be read."""
    for i, text in enumerate(chunk.decode(errors="replace").split("\n")[:-1]):
        cells = next(csv.reader([text]), [])
        where = f"{path}, line {line + i:,}"
        if len(cells) != len(names):
            return DataError(
                f"the line has {len(cells)} columns, and those before {len(names)}: {text[:60]!r}",
                where=where,
                hint="Was the file cut?",
            )
        for ours, theirs in columns.items():
            cell = cells[names.index(theirs)]
            try:
                int(cell) if ours == NEEDED[0] else float(cell)
            except ValueError:
                wanted = "a whole number of s, ms, us or ns" if ours == NEEDED[0] else "a number"
                return DataError(f"{theirs} is {cell!r}, which is not {wanted}", where=where)
    return None


# ------------------------------------------------------------------------------------------------------- parquet


def _parquet(path: Path) -> Generator[Part, None, None]:
    import pyarrow as pa
    from pyarrow import parquet

    row = 1
    try:
        with parquet.ParquetFile(path) as file:
            columns = _found(path, file.schema_arrow.names)
            for ours, theirs in columns.items():
                kind = file.schema_arrow.field(theirs).type
                number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
                if not number and not (ours == NEEDED[0] and pa.types.is_timestamp(kind)):
                    raise DataError(f"column {theirs} holds {kind}, not numbers", where=str(path))
            for batch in file.iter_batches(PART, columns=list(columns.values())):
                yield Part(_bars(batch, columns), path, row, "row")
                row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"the parquet file cannot be read: {str(error).splitlines()[0]}",
            where=f"{path}, after row {row - 1:,}",
            hint="Fetch it again.",
        ) from error


# -------------------------------------------------------------------------------------------------------- common


def _found(path: Path, names: Sequence[str]) -> dict[str, str]:
    """A file's own names of the columns that are read."""
    found: dict[str, str] = {}
    for name in names:
        plain = name.strip().lower().replace(" ", "_").replace("-", "_")
        if plain in _ALIASES:
            ours = _ALIASES[plain]
            if ours in found:
                raise DataError(f"columns {found[ours]} and {name} are both {ours}", where=str(path))
            found[ours] = name
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise DataError(
            f"not a file of bars: there is no column {', '.join(missing)}",
            where=str(path),
            hint=f"It has: {shorten(', '.join(names), 160, placeholder=' …')}. A bar needs {', '.join(NEEDED)}; other usual names will do.",
        )
    return found


def _bars(table: pa.Table | pa.RecordBatch, columns: dict[str, str]) -> StateArray:
    import pyarrow as pa

    bars = np.empty(table.num_rows, BAR)
    stamps = table.column(columns[NEEDED[0]])
    if pa.types.is_timestamp(stamps.type):
        stamps = stamps.cast(pa.timestamp("ns", stamps.type.tz))
    bars["open_ns"] = _nanoseconds(stamps.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False))
    for name in VALUES:
        if name in columns:
            values = table.column(columns[name]).cast(pa.float64())
            bars[name] = values.to_numpy(zero_copy_only=False)
        else:
            bars[name] = np.nan
    return bars


def _nanoseconds(stamps: Ints) -> Ints:
    """Stamps in s, ms, us or ns, each told by its size, as ns; 0 where it is none of a time from 2009 to 2099."""
    result = np.zeros(len(stamps), np.int64)
    for unit in _UNITS:
        per_second = NS // unit
        fits = (stamps >= _EARLIEST_S * per_second) & (stamps < _LATEST_S * per_second)
        result[fits] = stamps[fits] * unit
    return result


def _check(part: Part) -> None:
    """Raise DataError for the first bar that cannot be one."""
    bars = part.bars
    o, h, low, c, volume = (bars[name] for name in VALUES[:5])
    taken, number = bars["taker_buy_base"], bars["trades"]
    quote, taken_quote = bars["quote_volume"], bars["taker_buy_quote"]
    rules = (
        (bars["open_ns"] > 0, "its time is not one from 2009 to 2099 in s, ms, us or ns"),
        *(
            (np.isfinite(bars[name]) & (bars[name] > 0), f"its {name} is {{{name}}}, not a positive price")
            for name in VALUES[:4]
        ),
        (h >= low, "its high {high} is below its low {low}"),
        ((h >= o) & (h >= c), "its high {high} is below its open {open} or close {close}"),
        ((low <= o) & (low <= c), "its low {low} is above its open {open} or close {close}"),
        (np.isfinite(volume) & (volume >= 0), "its volume is {volume}"),
        (~(number < 0), "its number of trades is {trades}"),
        (~(taken < 0) & ~(taken > volume * (1 + 1e-9)), "takers bought {taker_buy_base} of its volume {volume}"),
        (~(quote < 0) & ~np.isinf(quote), "its volume is {quote_volume} of quote"),
        (
            ~(taken_quote < 0) & ~(taken_quote > quote * (1 + 1e-9)),
            "takers bought for {taker_buy_quote} of its {quote_volume} of quote",
        ),
    )  # fmt: skip
    wrong = [(int(np.argmin(good)), words) for good, words in rules if not good.all()]
    if wrong:
        i, words = min(wrong, key=lambda found: found[0])
        told = {name: f"{bars[name][i]:.10g}" for name in VALUES}
        raise DataError(f"that is not a bar: {words.format(**told)}", where=part.where(i))
