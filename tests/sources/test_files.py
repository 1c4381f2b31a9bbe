from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

import btcframe.sources.files as files
from btcframe.errors import DataError
from btcframe.sources.files import lines_of

TEXT = b"".join(b"line %d of some\n" % i for i in range(5000))


def zipped(text: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("day/", "")
        archive.writestr("day/book.data", text)
    return out.getvalue()


def zstd(text: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(text)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "gzip": gzip.compress,
    "zstd": zstd,
    "zstd in frames": lambda text: zstd(text[:777]) + zstd(b"") + zstd(text[777:]),
    "zip": zipped,
}


@pytest.mark.parametrize("chunk", [7, 1000, 1 << 20])
@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("end", [b"", b"the last, without an end"])
def test_lines_are_the_same_however_they_are_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packer: str, chunk: int, end: bytes
) -> None:
    monkeypatch.setattr(files, "CHUNK", chunk)
    path = tmp_path / "any name"
    path.write_bytes(PACKERS[packer](TEXT + end))
    got = [line for lines in lines_of(path) for line in lines]
    assert got == (TEXT + end).splitlines()


@pytest.mark.parametrize("packer", [name for name in PACKERS if name != "plain"])
@pytest.mark.parametrize("cut", [5, 100, -1])
def test_a_cut_file_is_not_taken_for_a_whole_one(tmp_path: Path, packer: str, cut: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(PACKERS[packer](TEXT)[:cut])
    with pytest.raises(DataError, match="file is cut or damaged") as error:
        list(lines_of(path))
    assert str(path) in error.value.where


@pytest.mark.parametrize("packer", PACKERS)
def test_a_file_that_holds_nothing(tmp_path: Path, packer: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(PACKERS[packer](b""))
    with pytest.raises(DataError, match="is empty"):
        list(lines_of(path))
