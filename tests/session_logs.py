"""What the tests of session logs share."""

from __future__ import annotations

from pathlib import Path

import zstandard

from btcframe.types import Frame

HEADER = {"source": {"plugin": "random_walk", "rate": 5.0}, "symbol": "BTC/USDT:USDT", "seed": 7}


def numbered(n: int, first: int = 0) -> list[Frame]:
    """Frames that differ, a nanosecond apart."""
    return [Frame(1 + i, "s", b"%d" % i + b"x" * (i % 37)) for i in range(first, first + n)]


def unpacked(path: Path) -> bytes:
    """All lines of a file, as zstdcat shows them."""
    return zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True).read()


def write_lines(path: Path, *lines: str) -> Path:
    """A file of these lines, in one block."""
    path.write_bytes(zstandard.compress("".join(line + "\n" for line in lines).encode()))
    return path
