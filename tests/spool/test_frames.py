"""Frames: what is read is what was written, and damage is found wherever it is."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spool.spooled import entry, records
from stores.every_row import same

from btcframe.errors import StoreError
from btcframe.spool import RECORD, Entry
from btcframe.spool.frames import (
    Damage,
    Frame,
    error_of,
    header,
    packed,
    put_drained,
    read_header,
    scan,
    unpacked,
)
from btcframe.spool.segment import cut, opened, waiting

ENTRIES = [entry(0, 3), records(0, 2), entry(3, 1), entry(4, 8, x=list("abcdefgh")), records(2, 5)]
SEGMENT = header("somewhere") + b"".join(packed(each, 100 + i) for i, each in enumerate(ENTRIES))
FIRST = len(header("somewhere"))


def read(folder: Path, data: bytes) -> list[Frame | Damage]:
    path = folder / "segment"
    path.write_bytes(data)
    with opened(path) as file:
        return list(scan(file, FIRST, len(data)))


def equal(one: Entry, other: Entry) -> bool:
    return one[:3] == other[:3] and same(one.rows, other.rows)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    found = read(tmp_path, SEGMENT)
    assert all(equal(unpacked(frame), each) for frame, each in zip(found, ENTRIES, strict=True))
    assert [(frame.rows, frame.ns) for frame in found] == [(3, 100), (2, 101), (1, 102), (8, 103), (5, 104)]
    with opened(tmp_path / "segment") as file:
        heads = list(scan(file, FIRST, len(SEGMENT), bodies=False))
    assert [frame[:4] for frame in heads] == [frame[:4] for frame in found]


def test_odd_names_nulls_and_long_columns(tmp_path: Path) -> None:
    odd = Entry(RECORD, 'r"\n{é', "t\x00", pa.table({"a\nb": [None, "x\n", ""], "n": pa.array([1, None, 3])}))
    (frame,) = read(tmp_path, header("somewhere") + packed(odd, 7, error="no\nroom"))
    assert equal(unpacked(frame), odd)
    assert error_of(frame) == "no\nroom"


@settings(max_examples=150, derandomize=True, deadline=None)
@given(flips=st.lists(st.integers(8 * FIRST, 8 * len(SEGMENT) - 1), min_size=1, max_size=4, unique=True))
def test_flipped_bits_cost_the_frames_they_lie_in_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, flips: list[int]
) -> None:
    data = bytearray(SEGMENT)
    for bit in flips:
        data[bit // 8] ^= 1 << bit % 8
    folder = tmp_path_factory.mktemp("flips")
    ends = [frame.end for frame in read(folder, SEGMENT)]
    hit = {next(i for i, end in enumerate(ends) if bit // 8 < end) for bit in flips}
    found = read(folder, bytes(data))
    whole = [each for each in found if isinstance(each, Frame)]
    kept = [each for i, each in enumerate(ENTRIES) if i not in hit]
    assert len(whole) == len(kept)
    assert all(equal(unpacked(frame), each) for frame, each in zip(whole, kept, strict=True))
    assert [each.start for each in found] == [
        FIRST,
        *(each.end for each in found[:-1]),
    ]  # no byte is left out


@settings(max_examples=100, derandomize=True, deadline=None)
@given(length=st.integers(FIRST, len(SEGMENT)))
def test_a_file_cut_anywhere_gives_its_whole_frames_and_a_torn_rest(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    ends = [frame.end for frame in read(folder, SEGMENT)]
    found = read(folder, SEGMENT[:length])
    whole = [end for end in ends if end <= length]
    assert [each.end for each in found if isinstance(each, Frame)] == whole
    last = max(whole, default=FIRST)
    assert [each for each in found if isinstance(each, Damage)] == (
        [Damage(last, length, True)] if length > last else []
    )
    assert cut(folder / "segment") == length - last
    assert (folder / "segment").read_bytes() == SEGMENT[:last]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(bit=st.integers(0, 8 * FIRST - 1))
def test_a_flipped_bit_in_the_header(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    path = tmp_path_factory.mktemp("header") / "segment"
    data = bytearray(SEGMENT)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    place = FIRST - 12  # how far it was drained: worth nothing where it cannot be trusted
    found = waiting(path)
    assert (found is None) == (bit // 8 < place)
    assert found is None or (found.drained, found.batches) == (FIRST, len(ENTRIES))


def test_how_far_it_was_drained_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    second = read(tmp_path, SEGMENT)[0].end
    with opened(path, os.O_RDWR) as file:
        put_drained(file, FIRST, second)
        assert read_header(file, "") == ("somewhere", FIRST, second)
    assert path.stat().st_size == len(SEGMENT)
    found = waiting(path)
    assert found is not None
    assert (found.rows, found.batches, found.oldest_ns) == (16, 4, 101)


def test_a_spool_of_a_newer_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "segment"
    monkeypatch.setattr("btcframe.spool.frames.VERSION", 2)
    path.write_bytes(header("somewhere"))
    monkeypatch.undo()
    with pytest.raises(StoreError, match=r"of version 2, and this btcframe reads up to 1") as raised:
        waiting(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "data", [b"", b"btcspool", b"\0" * 200, b"something else, and long enough to be a header"]
)
def test_what_is_no_segment(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "segment"
    path.write_bytes(data)
    assert waiting(path) is None
