"""A session log as it is read: the items of all its files, and what of them is missing."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from btcframe.errors import DataError, did_you_mean
from btcframe.session_log.blocks import MAGIC, BlockReader
from btcframe.session_log.items import Closing, EndItem, Item, NextItem, kind

LOG = "session.jsonl.zst"
"""The name of a run's session log. It is a file, or stands for the files of a log that is rotated."""

SUFFIX = ".jsonl.zst"

FORMAT = "btcframe-session"
VERSION = 2
READ = (1, 2)
"""Versions that are read. One of version 1 has one file, and its header says nothing of parts."""

_decode = msgspec.json.Decoder(Item | Closing)


class Summary(NamedTuple):
    """What a log holds, as far as it is whole.

    Parameters
    ----------
    parts : int         files
    size : int          bytes on disk
    first_ns, last_ns : int     stamps of the first and the last item that has one; 0 without
    """

    parts: int
    size: int
    first_ns: int
    last_ns: int


def part_path(log: Path, part: int) -> Path:
    """Where part 1, 2, … of a log that is rotated lies: ``session.0001.jsonl.zst`` of ``session.jsonl.zst``."""
    return log.with_name(f"{log.name.removesuffix(SUFFIX)}.{part:04d}{SUFFIX}")


def part_paths(log: Path) -> tuple[Path, ...]:
    """The files of a log, in order: the one of that name, or its parts.

    Raises
    ------
    DataError
        If there is none, or one is missing.
    """
    names = re.compile(rf"{re.escape(log.name.removesuffix(SUFFIX))}\.(\d{{4,}}){re.escape(SUFFIX)}")
    there = os.listdir(log.parent) if log.parent.is_dir() else []  # noqa: PTH208 - a name is all that is needed
    numbers = sorted(int(found[1]) for name in there if (found := names.fullmatch(name)))
    if log.is_file():
        if numbers:
            raise DataError(
                f"two session logs lie here: {log.name}, and one of {len(numbers)} parts",
                where=str(log.parent),
                hint="A directory holds one. Move the other away.",
            )
        return (log,)
    if not numbers:
        raise _absent(log, there)
    absent = next((n for n, number in enumerate(numbers, start=1) if n != number), None)
    if absent is not None:
        raise DataError(
            f"part {absent} of the session log is missing",
            where=str(part_path(log, absent)),
            hint=f"There are {len(numbers)} of {numbers[-1]} files, and the order of consumption needs all.",
        )
    return tuple(part_path(log, number) for number in numbers)


def _absent(log: Path, there: Sequence[str]) -> DataError:
    runs = [name for name in there if (log.parent / name).is_dir() and _has_log(log.parent / name)]
    if not log.parent.is_dir():
        return DataError(f"{log} does not exist", hint=f"There is no directory {log.parent} either.")
    if log.name == LOG:  # a directory was named, or the name that the files of its log share
        return DataError(
            f"there is no session log in {log.parent}",
            hint=f"Its file is {LOG}, or {part_path(log, 1).name}, … where it is rotated."
            + (f" Runs with one: {', '.join(sorted(runs)[-5:])}." if runs else ""),
        )
    return DataError(f"{log} does not exist", hint=did_you_mean(log.name, [*there], f"{log.parent}/"))


def _has_log(folder: Path) -> bool:
    return (folder / LOG).is_file() or part_path(folder / LOG, 1).is_file()


class SessionLog:
    """Reads a session log, streaming: iterate it for its items, any number of times.

    Parameters
    ----------
    path : Path     a file, or the name that the files of a rotated log share; one of these files is read by itself

    Attributes
    ----------
    header : dict           what the session said of itself, and `part` and `item`: which file, and its first item
    paths : tuple of Path   the files
    complete : bool or None
        After an iteration came to its end: whether the closing line was there. A killed run's is not.
    cut : int               after an iteration: bytes behind the last whole block, which a crash left

    Raises
    ------
    DataError
        If a file is missing, is no session log, is of a newer version, or is damaged before its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.paths = part_paths(path)
        self.complete: bool | None = None
        self.cut = 0
        header = _header(self.paths[0])
        if header is None:
            raise _no_log(self.paths[0])
        if header.get("version") not in READ:
            raise DataError(
                f"the session log is of version {header.get('version')}, this btcframe reads {READ[-1]} and older",
                where=str(self.paths[0]),
                hint="Replay it with the btcframe that wrote it.",
            )
        self.header: dict[str, Any] = {"part": 1, "item": 0} | header

    def __iter__(self) -> Iterator[Item]:
        self.complete, self.cut = None, 0
        items = self.header["item"]
        closing: Closing | None = None
        for number, path in enumerate(self.paths):
            if number:
                if closing is None:
                    raise DataError(
                        f"the session log is cut in the middle: {self.paths[number - 1].name} has no closing line",
                        where=str(path),
                        hint="Each file can be read by itself.",
                    )
                header = _header(path)
                if header is None and path == self.paths[-1]:
                    self.cut = path.stat().st_size  # its writer died as it began the file
                    break
                self._check_follows(path, header, items)
            closing = None
            with contextlib.closing(BlockReader(path)) as blocks:
                for item in _items(blocks):
                    if isinstance(item, Closing):
                        closing = item
                        break
                    items += 1
                    yield item
                else:
                    self.cut = blocks.cut
        alone = self.paths == (self.path,)  # one file of several, asked for by its own name
        self.complete = isinstance(closing, EndItem) or (alone and isinstance(closing, NextItem))

    def summary(self) -> Summary:
        """How much there is, without reading it."""
        size = sum(path.stat().st_size for path in self.paths)
        first = last = 0
        for path in self.paths:
            with contextlib.closing(BlockReader(path)) as blocks:
                first = next((found[0] for lines in blocks if (found := _stamps(lines))), 0)
            if first:
                break
        for path in reversed(self.paths):
            with contextlib.closing(BlockReader(path)) as blocks:
                last = next((found[-1] for lines in blocks.backwards() if (found := _stamps(lines))), 0)
            if last:
                break
        return Summary(len(self.paths), size, first, last)

    def _check_follows(self, path: Path, header: Mapping[str, Any] | None, items: int) -> None:
        """Raise DataError unless a file goes on with this log's item after the last."""
        if header is None:
            raise _no_log(path)
        place = ("part", "item")
        if {k: v for k, v in header.items() if k not in place} != {
            k: v for k, v in self.header.items() if k not in place
        }:
            raise DataError("the file is of another session than the one before", where=str(path))
        if header.get("item") != items:
            raise DataError(
                f"the file begins with item {header.get('item')}, and the one before ends with {items - 1}",
                where=str(path),
            )


def _no_log(path: Path) -> DataError:
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if not start:
        return DataError(f"{path} is empty", hint="Its session ended before the first line was written.")
    if start == MAGIC:
        return DataError(
            f"{path} is not a session log, or was cut before its first block was whole",
            hint=f"No first line with format {FORMAT!r} can be read.",
        )
    return DataError(f"{path} is not a session log", hint="It is a file of zstd blocks, and this is none.")


def _header(path: Path) -> dict[str, Any] | None:
    """The first line of a file, or None if it is no header."""
    with contextlib.closing(BlockReader(path)) as blocks:
        first = next(iter(blocks), b"").partition(b"\n")[0]
    try:
        header = msgspec.json.decode(first)
    except msgspec.DecodeError:
        return None
    return header if isinstance(header, dict) and header.get("format") == FORMAT else None


def _items(blocks: BlockReader) -> Iterator[Item | Closing]:
    """The items of a file, and its closing line, whose counts are those of the items before it."""
    counts: Counter[str] = Counter()
    line = 2
    begun = False
    for lines in blocks:
        if not begun:
            lines, begun = lines.partition(b"\n")[2], True
        items: Iterable[Item | Closing]
        try:
            items = _decode.decode_lines(lines)
        except msgspec.DecodeError:
            items = _one_by_one(lines, blocks.path, line)
        for item in items:
            if isinstance(item, Closing):
                if item.counts != dict(counts):
                    raise DataError(
                        f"the session log holds {_told(counts)}, and its closing line counts {_told(item.counts)}",
                        where=f"{blocks.path}:{line}",
                    )
                yield item
                return
            counts[kind(item)] += 1
            line += 1
            yield item


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items())) or "nothing"


def _one_by_one(lines: bytes, path: Path, first: int) -> Iterator[Item | Closing]:
    """The items of a block of which one is damaged, up to that one."""
    for number, line in enumerate(lines.splitlines(), start=first):
        try:
            item = _decode.decode(line)
        except msgspec.DecodeError as error:
            raise DataError(f"damaged session log: {error}", where=f"{path}:{number}") from error
        yield item


def _stamps(lines: bytes) -> list[int]:
    """The stamps in a block, ns; orders and fills have none of their own."""
    found = []
    for line in lines.splitlines():
        said = msgspec.json.decode(line, type=_Stamped)
        if said.ts:
            found.append(said.ts)
    return found


class _Stamped(msgspec.Struct):
    """Of any line, when it was."""

    ts: int = 0
