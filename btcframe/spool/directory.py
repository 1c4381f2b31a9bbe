"""The segments of a spool in their directory: written at the end, drained from the front, one process at a time.

*Architecture Invariant*: what was acknowledged stands in a segment until the store has it, or in the folder `apart`.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from btcframe.spool.frames import Damage, Frame, put_drained, scan
from btcframe.spool.segment import (
    DAMAGED,
    SegmentWriter,
    Waiting,
    cut,
    locked,
    opened,
    segment_name,
    segments,
    sync_folder,
    unwritable,
    waiting,
)

SEGMENT_BYTES = 64_000_000
"""Size at which a new segment is begun; also how much of it is read at a time."""


class Tally(NamedTuple):
    """What waits in a segment."""

    rows: int
    batches: int
    bytes: int
    oldest_ns: int


class Piece(NamedTuple):
    """A frame or a damaged stretch, and the segment it lies in."""

    segment: Path
    item: Frame | Damage

    @property
    def place(self) -> tuple[Path, int]:
        """Segment and offset."""
        return self.segment, self.item.start


class Journal:
    """The segments in a directory, in order of their names, which are the times they were begun.

    Other processes may add whole segments (`use.keep`) and look on; only this one drains.

    Parameters
    ----------
    path : Path
    address : str       the store that rows are for; None drains what is for any
    limit : int         bytes on disk at most
    sync : bool         `append` waits until the disk has it
    segment : int       bytes at which a new segment is begun

    Raises
    ------
    StoreError
        If another process uses the directory, or it cannot be written.
    """

    def __init__(
        self, path: Path, address: str | None, *, limit: int, sync: bool = False, segment: int = SEGMENT_BYTES
    ) -> None:
        self.path, self.address, self._limit, self._sync, self._segment = path, address, limit, sync, segment
        self.apart = path / "apart"
        self._mutex = threading.Lock()
        self._active: SegmentWriter | None = None
        self._aside: SegmentWriter | None = None
        self._unsynced = False
        self._last_ns = 0
        try:
            self.apart.mkdir(parents=True, exist_ok=True)
            self._lock = locked(path)
            try:
                for each in segments(path):
                    cut(each)
            except BaseException:
                os.close(self._lock)
                raise
        except OSError as error:
            raise unwritable(path, error) from error
        self._known: dict[Path, Waiting] = {}
        self._apart_bytes = sum(file.stat().st_size for file in self.apart.iterdir())

    # ------------------------------------------------------------------------------------------------- writing

    def append(self, frames: Sequence[tuple[bytes, int, int]]) -> None:
        """Append frames, each with its rows and when it was put, all or none.

        Raises
        ------
        OSError
            If the disk or the limit has no room.
        """
        with self._mutex:
            size = sum(len(data) for data, *_ in frames)
            if self._bytes() + size > self._limit:
                raise OSError(errno.ENOSPC, "spool.limit is reached", str(self.path))
            if self._active is None or self._active.size >= self._segment:
                self._rotate(frames[0][2])
            active = self._active
            if active is None:
                raise RuntimeError("no segment was begun")
            active.append(b"".join(data for data, *_ in frames))
            self._unsynced = True
            for data, rows, ns in frames:
                self._known[active.path].add(rows, len(data), ns)
            if self._sync:
                self._synced()

    def sync(self) -> None:
        """Wait until the disk has what was appended. Raises OSError."""
        with self._mutex:
            self._synced()

    def _synced(self) -> None:
        if self._unsynced and self._active is not None:
            self._active.sync()
        self._unsynced = False

    def _rotate(self, ns: int) -> None:
        if self._active is not None:
            if self._unsynced:
                self._active.sync()
            self._active.close()
            self._active = None
        address = self.address or ""
        self._active = SegmentWriter(self._name(self.path, ns), address)
        self._known[self._active.path] = Waiting(address, self._active.size, self._active.size)

    def _name(self, folder: Path, ns: int) -> Path:
        """A name after all others of ours, and after those that were there."""
        if not self._last_ns:
            self._last_ns = max((int(s.name.partition("-")[0]) for s in segments(self.path)), default=0)
        self._last_ns = max(self._last_ns + 1, ns)
        return folder / segment_name(self._last_ns)

    # ------------------------------------------------------------------------------------------------ draining

    def tally(self) -> Tally:
        """What waits for our store."""
        with self._mutex:
            ours = [self._known[path] for path in self._ours()]
            return Tally(
                sum(each.rows for each in ours),
                sum(each.batches for each in ours),
                sum(each.bytes for each in ours),
                min((each.oldest_ns for each in ours if each.batches), default=0),
            )

    def window(self, rows: int) -> list[Piece]:
        """What comes next, up to so many rows, or a segment's worth of bytes; at least one piece if any waits."""
        pieces: list[Piece] = []
        count = size = 0
        with self._mutex:
            parts = [(path, self._known[path].drained, self._end(path)) for path in self._ours()]
        for path, start, end in parts:
            with opened(path) as file:
                for item in scan(file, start, end):
                    pieces.append(Piece(path, item))
                    count, size = count + item.rows, size + item.end - item.start
                    if count >= rows or size >= self._segment:
                        return pieces
        return pieces

    def advance(self, pieces: Sequence[Piece]) -> None:
        """The store has these, the first that waited, or they were set apart: a segment without more is removed."""
        with self._mutex:
            for path in dict.fromkeys(piece.segment for piece in pieces):
                done = [piece.item for piece in pieces if piece.segment == path]
                there, end = self._known[path], done[-1].end
                if end >= self._end(path):
                    self._remove(path)
                    continue
                with opened(path, os.O_RDWR) as file:
                    put_drained(file, there.first, end)
                    following = next(scan(file, end, self._end(path), bodies=False))
                there.drained = end
                for item in done:
                    if isinstance(item, Frame):
                        there.rows -= item.rows
                        there.batches -= 1
                        there.bytes -= item.end - item.start
                if isinstance(following, Frame):
                    there.oldest_ns = following.ns

    def set_apart(self, piece: Piece, frame: bytes, ns: int) -> None:
        """Put a refused frame, with its error, or a damaged piece into the folder `apart`, and onto the disk.

        Raises
        ------
        OSError
            If the disk has no room; nothing is changed then.
        """
        with self._mutex:
            if isinstance(piece.item, Damage):
                name = f"{piece.segment.stem}-{piece.item.start}{DAMAGED}"
                with opened(piece.segment) as file:
                    frame = os.pread(file, piece.item.end - piece.item.start, piece.item.start)
                (self.apart / name).write_bytes(frame)
                with opened(self.apart / name) as file:
                    os.fsync(file)
                sync_folder(self.apart)
            else:
                address = self._known[piece.segment].address
                if self._aside is not None and (
                    self._aside.address != address or self._aside.size >= self._segment
                ):
                    self._aside.close()
                    self._aside = None
                if self._aside is None:
                    self._aside = SegmentWriter(self._name(self.apart, ns), address)
                self._aside.append(frame)
                self._aside.sync()
            self._apart_bytes += len(frame)

    def retry(self) -> None:
        """Put back what was set apart; it comes after what waits. Raises OSError."""
        with self._mutex:
            if self._aside is not None:
                self._aside.close()
                self._aside = None
            for path in segments(self.apart):
                self._apart_bytes -= path.stat().st_size
                path.rename(self._name(self.path, 0))

    def close(self) -> None:
        """Onto the disk with the rest, and let others use the directory. Raises OSError."""
        with self._mutex:
            try:
                self._synced()
            finally:
                for writer in (self._active, self._aside):
                    if writer is not None:
                        writer.close()
                self._active = self._aside = None
                os.close(self._lock)

    # --------------------------------------------------------------------------------------------------- files

    def _ours(self) -> list[Path]:
        """Segments for our store. One whose header is damaged is set apart."""
        for path in segments(self.path):
            if path not in self._known:
                found = waiting(path)
                if found is None:
                    self._apart_bytes += path.stat().st_size
                    path.rename(self.apart / f"{path.stem}{DAMAGED}")
                else:
                    self._known[path] = found
        return [path for path in sorted(self._known) if self.address in (None, self._known[path].address)]

    def _end(self, path: Path) -> int:
        """Where the last whole frame ends, or the file of another process."""
        active = self._active
        return active.size if active is not None and active.path == path else path.stat().st_size

    def _bytes(self) -> int:
        return self._apart_bytes + sum(self._end(path) for path in segments(self.path))

    def _remove(self, path: Path) -> None:
        if self._active is not None and self._active.path == path:
            self._active.close()
            self._active = None
        path.unlink()
        del self._known[path]
