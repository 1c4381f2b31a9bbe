"""Recorded files, line by line: plain or packed, several as one session, errors that name file and line."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from btcframe.errors import DataError, did_you_mean
from btcframe.types import Frame

CHUNK = 1 << 20


def check(path: Path) -> None:
    """Raise DataError unless `path` is a file that holds something."""
    if path.is_dir():
        names = sorted(p.name for p in path.iterdir() if p.is_file())
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise DataError(
            f"{path} is a directory, not a recording",
            hint=f"Name its files in the order of recording. It holds: {shown or 'no files'}.",
        )
    if not path.exists():
        folder = path.parent
        if not folder.is_dir():
            raise DataError(f"{path} does not exist", hint=f"There is no directory {folder} either.")
        raise DataError(
            f"{path} does not exist",
            hint=did_you_mean(path.name, [p.name for p in folder.iterdir()], f"{folder}/"),
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty", hint="It holds no message and no bar.")


def fingerprint(paths: tuple[str, ...]) -> str:
    """sha256 over the contents of the files, in order."""
    digest = hashlib.sha256()
    for path in paths:
        check(Path(path))
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def lines_of(path: Path) -> Generator[list[bytes], None, None]:
    """The lines of a file, without their ends, a chunk at a time.

    The file is plain, gzip, zstd, or a zip of one file, which its first bytes tell.

    Raises
    ------
    DataError
        If it is cut, damaged, or holds nothing.
    """
    count = 0
    rest = b""
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        kind = next((name for start, name in _PACKED.items() if magic.startswith(start)), "")
        try:
            with _unpacked(raw, kind, path) as file:
                while chunk := file.read(CHUNK):
                    lines = (rest + chunk).split(b"\n")
                    rest = lines.pop()
                    count += len(lines)
                    if lines:
                        yield lines
        except _DAMAGED as error:
            raise DataError(
                f"the {kind} file is cut or damaged: {error}",
                where=f"{path}, after line {count}",
                hint=_RESCUE.get(kind, "Fetch it again."),
            ) from error
    if rest:
        yield [rest]
    elif not count:
        raise DataError(f"{path} is empty", hint="It holds no message and no bar.")


_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, zstandard.ZstdError)
_RESCUE = {
    "gzip": "Fetch it again, or unpack what can be read of it: zcat FILE > PART.",
    "zstd": "Fetch it again, or unpack what can be read of it: zstdcat FILE > PART.",
}


@contextlib.contextmanager
def _unpacked(raw: IO[bytes], kind: str, path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """What a packed file holds, as a file."""
    if kind == "gzip":
        with gzip.GzipFile(fileobj=raw) as file:
            yield file
    elif kind == "zstd":
        yield io.BufferedReader(_Zstd(raw), CHUNK)
    elif kind == "zip":
        with zipfile.ZipFile(raw) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) != 1:
                raise DataError(
                    f"the zip file holds {len(names)} files",
                    where=str(path),
                    hint=f"A recording is one: unpack it and name its files. It holds: {', '.join(names[:8]) or 'none'}.",
                )
            with archive.open(names[0]) as file:
                yield file
    else:
        yield raw


class _Zstd(io.RawIOBase):
    """A zstd file unpacked; unlike the library's reader it does not take a cut file for a whole one."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._unpacker = zstandard.ZstdDecompressor().decompressobj()
        self._packed = b""
        self._ready = memoryview(b"")
        self._within = False  # a frame of the file

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready:
            packed = self._packed or self._raw.read(CHUNK)
            if not packed:
                if self._within:
                    raise EOFError("it ends too early")
                return 0
            if self._unpacker.eof:
                self._unpacker = zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._unpacker.decompress(packed))
            self._packed, self._within = self._unpacker.unused_data, not self._unpacker.eof
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


class LineFiles:
    """Lines of several files in order, parsed into frames, a chunk at a time.

    Parameters
    ----------
    paths : tuple of str
    parse : callable        bytes → Frame; a ValueError becomes a DataError that names file and line
    """

    def __init__(self, paths: tuple[str, ...], parse: Callable[[bytes], Frame]) -> None:
        self._paths = tuple(Path(p) for p in paths)
        self._parse = parse
        self._starts: list[tuple[int, Path]] = []

    def where(self, ordinal: int) -> str:
        """``file:line`` of the frame with this ordinal, counted from 0 over all files."""
        first, path = max((s for s in self._starts if s[0] <= ordinal), key=lambda s: s[0])
        return f"{path}:{ordinal - first + 1}"

    def __iter__(self) -> Iterator[list[Frame]]:
        self._starts = []
        ordinal = 0
        parse = self._parse
        for path in self._paths:
            check(path)
            self._starts.append((ordinal, path))
            for lines in lines_of(path):
                frames = []
                for line in lines:
                    try:
                        frames.append(parse(line))
                    except ValueError as error:
                        raise DataError(str(error), where=self.where(ordinal + len(frames))) from None
                ordinal += len(frames)
                yield frames
