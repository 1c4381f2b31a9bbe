"""Blocks: what a session log's files are made of, and what of them is whole.

A block is an independent zstd frame with a checksum, and holds whole lines. So ``zstdcat`` reads a file of them, a block
is there whole or not at all, and a file that was cut ends with the block before the cut.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import zstandard

from btcframe.errors import DataError

MAGIC = b"\x28\xb5\x2f\xfd"
"""What a zstd frame begins with."""

_LONGEST_HEADER = 18
_RLE, _RESERVED = 1, 3
_CHECKSUM = 4


def packer() -> zstandard.ZstdCompressor:
    """What makes a block of lines: `compress`. For one thread at a time."""
    return zstandard.ZstdCompressor(level=3, write_checksum=True)


class BlockReader:
    """The blocks of a file as it is now: iterate it for their lines.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    cut : int       after an iteration came to its end: bytes behind the last whole block

    Raises
    ------
    DataError
        While iterating, if a block is damaged and whole ones follow it: that is no cut.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = 0
        self._unpacker = zstandard.ZstdDecompressor()
        with path.open("rb") as file:
            self._size = os.fstat(file.fileno()).st_size
            self._data: mmap.mmap | bytes = (
                mmap.mmap(file.fileno(), self._size, access=mmap.ACCESS_READ) if self._size else b""
            )

    def __iter__(self) -> Iterator[bytes]:
        at = 0
        while at < self._size:
            end = self._end(at)
            lines = self._lines(at, end)
            if lines is None:
                self._check_cut(at)
                break
            yield lines
            at = end
        self.cut = self._size - at

    def backwards(self) -> Iterator[bytes]:
        """The whole blocks, the last one first; only those asked for are unpacked."""
        ends = [0]
        while 0 < (end := self._end(ends[-1])) < self._size:
            ends.append(end)
        for at in reversed(ends):
            lines = self._lines(at, self._end(at))
            if lines is not None:
                yield lines

    def close(self) -> None:
        """Let the file go."""
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    def _end(self, at: int) -> int:
        """Where the zstd frame at a place ends, told from its headers (RFC 8878, 3.1.1); 0 if none begins there."""
        head = self._data[at : at + _LONGEST_HEADER]
        if not head.startswith(MAGIC):
            return 0
        try:
            checksum = zstandard.get_frame_parameters(head).has_checksum
            at += zstandard.frame_header_size(head)
        except zstandard.ZstdError:
            return 0
        last = False
        while not last:
            piece = int.from_bytes(self._data[at : at + 3], "little")
            last, kind, size = bool(piece & 1), piece >> 1 & 3, piece >> 3
            if kind == _RESERVED or at + 3 > self._size:
                return 0
            at += 3 + (1 if kind == _RLE else size)
        return at + _CHECKSUM * checksum

    def _lines(self, at: int, end: int) -> bytes | None:
        """What a block holds, or None if it is not whole."""
        if not 0 < end <= self._size:
            return None
        try:
            # not decompress(): a block that somebody packed again may not tell how long its content is
            return self._unpacker.decompressobj().decompress(self._data[at:end])
        except zstandard.ZstdError:
            return None

    def _check_cut(self, at: int) -> None:
        """Raise DataError if a whole block stands behind the broken one at a place."""
        found = self._data.find(MAGIC, at + 1)
        while found >= 0:
            if self._lines(found, self._end(found)) is not None:
                raise DataError(
                    "damaged session log: a block does not match its checksum, and whole ones follow",
                    where=f"{self.path}, bytes {at:,} to {found:,}",
                    hint="The file was changed after it was written, or its disk fails.",
                )
            found = self._data.find(MAGIC, found + 1)
