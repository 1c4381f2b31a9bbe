"""Recorded files, line by line: plain or gzip, several as one session, errors that name file and line."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path

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
            for lines in self._chunks(path):
                frames = []
                for line in lines:
                    try:
                        frames.append(parse(line))
                    except ValueError as error:
                        raise DataError(str(error), where=self.where(ordinal + len(frames))) from None
                ordinal += len(frames)
                yield frames

    def _chunks(self, path: Path) -> Iterator[list[bytes]]:
        count = 0
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file: gzip.GzipFile | BufferedReader = gzip.GzipFile(fileobj=raw) if packed else raw
            rest = b""
            while True:
                try:
                    chunk = file.read(CHUNK)
                except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                    raise DataError(
                        f"the gzip file is cut or damaged: {error}",
                        where=f"{path}, after line {count}",
                        hint="Fetch it again, or unpack what can be read of it: zcat FILE > PART.",
                    ) from error
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                if not chunk:
                    break
                count += len(lines)
                if lines:
                    yield lines
            if rest:
                yield [rest]
            elif not count:
                raise DataError(f"{path} is empty", hint="It holds no message and no bar.")
