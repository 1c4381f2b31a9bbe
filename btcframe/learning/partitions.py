"""The rows of a market made in partitions, days mostly, several at a time; they are those of one pass, to the bit.

A partition enters the market where a book begins, and its rows begin `SETTLED_NS` later. There the partition before
ends, which has read on so far; and what both remember there must be the same, bit for bit (`pipeline.agreement`). Where
it is not, the partition is made again, from what the one before remembers. So each follows from the one before, up to
the first, which enters the market at its beginning.

What is made side by side is what takes long of a recording: to read, decode and apply its messages. What looks back
further than a row (quality, features, descriptors, labels) follows from the rows, one after the other, in the process
that writes the table. Rows go there as files, by their place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from btcframe.api import SETTLED_NS, Batch, Clock, Enterable, Feed
from btcframe.atomic import unwritable
from btcframe.engine import Died, Unsendable, Where, several
from btcframe.errors import DataError
from btcframe.pipeline import Pipeline
from btcframe.pipeline.agreement import Memory, disagreement
from btcframe.pipeline.row_sources import has_book
from btcframe.types import ROW, EventArray, RowArray, duration_name

_PIECE = 16_384
"""Rows handed on at a time."""

_BEGINNING, _END = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True)
class Partition:
    """A stretch of a market.

    Parameters
    ----------
    enter : int or None    the opening at which the source is entered, ns; None: at its beginning
    begin : int            local_ts from which on events are its own, ns
    end : int              … and before which
    """

    enter: int | None = None
    begin: int = _BEGINNING
    end: int = _END


class Made(NamedTuple):
    """What came of a partition.

    Parameters
    ----------
    entry : Memory    of the pipeline, before its first event
    exit : Memory     behind its last
    rows : Path       ROW[n], as bytes
    """

    entry: Memory
    exit: Memory
    rows: Path


def partitions_of(source: Any, clock: Clock, least_ns: int) -> tuple[list[Partition], str]:
    """How a market is cut, at openings that its source tells of.

    Parameters
    ----------
    source : Source
    clock : Clock
    least_ns : int    how long a partition lasts at least; the last one may be shorter

    Returns
    -------
    (partitions, why) : (list of Partition, str)
        In order; one, of all of it, where it cannot be cut, and why; "" where there are several.

    Raises
    ------
    ConfigError, DataError
        If the source cannot be opened.
    """
    if not isinstance(source, Enterable):
        return [Partition()], "its source cannot be entered in its middle"
    if not has_book(source) or hasattr(source, "oracle"):
        return [Partition()], "its source gives rows or truth, which partitions do not carry"
    warm_up_ns = max(SETTLED_NS, 2 * clock.period_ns)
    chosen: list[int] = []
    for opening in source.openings():
        # a day begins with its first message, so that it may be a moment shorter or longer than a day
        if not chosen or opening - chosen[-1] >= max(least_ns - SETTLED_NS, 2 * warm_up_ns):
            chosen.append(opening)
    if len(chosen) < 2:
        return [Partition()], f"it can be entered at no place {duration_name(least_ns)} behind its beginning"
    begins = [_BEGINNING, *(opening + warm_up_ns for opening in chosen[1:])]
    ends = [*begins[1:], _END]
    enters = [None, *chosen[1:]]
    return [Partition(*each) for each in zip(enters, begins, ends, strict=True)], ""


class PartitionedFeed:
    """The rows of a market, closed already, in order: what one pass closes, without what looks back further.

    Parameters
    ----------
    source : Source
    clock : Clock
    partitions : sequence of Partition
    seed : int
    where : Where           they are made
    directory : Path        where their rows lie until they are taken; on a cluster all its nodes must see it
    again : callable        told of a partition that was made again, and of what differed

    Raises
    ------
    ConfigError, DataError
        If the source cannot be opened; while iterating, if it cannot be read, or a process ends without a word.
    StoreError
        While iterating, if the disk has no room for the rows.
    """

    def __init__(
        self, source: Any, clock: Clock, partitions: Sequence[Partition], *, seed: int, where: Where,
        directory: Path, again: Callable[[Partition, str], None],
    ) -> None:  # fmt: skip
        with contextlib.closing(source.open(seed=seed)) as feed:
            self.instrument = feed.instrument
        self._work = [
            (source, clock, seed, partition, directory.absolute() / f".partition-{index}.rows")
            for index, partition in enumerate(partitions)
        ]
        self._where, self._again = where, again
        self._batches = self._joined()

    def __iter__(self) -> Iterator[Batch]:
        """Batches of rows; once."""
        return self._batches

    def close(self) -> None:
        """End what is at work, and leave nothing behind."""
        self._batches.close()

    def _joined(self) -> Generator[Batch, None, None]:
        try:
            with contextlib.closing(several(self._where, make_rows, self._work)) as coming:
                before: Made | None = None
                sure = self._work[0][3]
                for work, made in zip(self._work, coming, strict=True):
                    partition, each = work[3], made
                    what = disagreement(before.exit, made.entry) if before else ""
                    if before and what:
                        self._again(partition, what)
                        # the source as well goes on from where it is known to be right
                        each = make_rows(
                            *work[:3], replace(partition, enter=sure.enter), work[4], before.exit
                        )
                    else:
                        sure = partition
                    yield from _read(each.rows)
                    each.rows.unlink()
                    before = each
        except Died as error:
            raise DataError(
                "a process that made rows of a partition ended without a word",
                where="engine.jobs",
                hint="It may have been killed for want of memory.",
                next="In one pass: engine.jobs=1",
            ) from error
        except Unsendable as error:
            raise DataError(
                "the source or the clock cannot be handed to another process: it does not pickle",
                where="engine.jobs",
                next="In one pass: engine.jobs=1",
            ) from error
        finally:
            for work in self._work:
                work[4].unlink(missing_ok=True)


def make_rows(
    source: Any, clock: Clock, seed: int, partition: Partition, path: Path, memory: Memory | None = None
) -> Made:
    """Close the rows of a partition.

    Parameters
    ----------
    source : Source
    clock : Clock
    seed : int
    partition : Partition
    path : Path                 of the file that its rows are written into
    memory : Memory, optional   what is remembered where it begins; None: what a pipeline learns on the way there

    Raises
    ------
    ConfigError, DataError
        If the source cannot be read.
    StoreError
        If the disk has no room.
    """
    feed: Feed = (
        source.open(seed=seed) if partition.enter is None else source.enter(partition.enter, seed=seed)
    )
    with contextlib.closing(feed), path.open("wb") as file:
        pipeline = Pipeline(feed.instrument, clock, {}, None)
        entry: Memory | None = None
        for batch in feed:
            first, end = np.searchsorted(batch.events["local_ts"], (partition.begin, partition.end))
            if entry is None and memory is None:
                for _ in _closed(pipeline, batch.events[:first]):
                    pass  # rows of the partition before
            if entry is None and first < len(batch.events):
                entry = _entered(pipeline, memory)
            for rows in _closed(pipeline, batch.events[first:end]):
                _write(file, rows, path)
            if end < len(batch.events):
                break
        if entry is None:  # the market ends before it begins
            entry = _entered(pipeline, memory)
        return Made(entry, pipeline.save(), path)


def _entered(pipeline: Pipeline, memory: Memory | None) -> Memory:
    if memory is None:
        return pipeline.save()
    pipeline.restore(memory)
    return memory


def _closed(pipeline: Pipeline, events: EventArray) -> Iterator[RowArray]:
    """Push all events; the rows that they close, a view each time."""
    at, whole = 0, False
    while not whole:
        at, wake = pipeline.push(events, at)
        whole = at == len(events) and not wake
        if len(pipeline.rows):
            yield pipeline.rows


def _write(file: BinaryIO, rows: RowArray, path: Path) -> None:
    try:
        file.write(rows.view(np.uint8).data)
        file.flush()  # here, where what cannot be written is told
    except OSError as error:
        raise unwritable("the rows of a partition", path, error) from error


def _read(path: Path) -> Iterator[Batch]:
    with path.open("rb") as file:
        while len(rows := np.fromfile(file, ROW, _PIECE)):
            yield Batch(rows=rows)
