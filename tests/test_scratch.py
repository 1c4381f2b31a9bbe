"""Arrays on the disk: as good as those in memory, without a name, and refused where there is no room."""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe import scratch
from btcframe.errors import StoreError
from btcframe.types import PREDICTION


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything above a page is large, and pieces are a few rows."""
    monkeypatch.setattr(scratch, "LARGE", 4096)
    monkeypatch.setattr(scratch, "PIECE", 100)


def mapped(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


@pytest.mark.parametrize("dtype", [np.float64, np.int64, PREDICTION])
def test_large_arrays_are_files_without_a_name(small: None, tmp_path: Path, dtype: Any) -> None:
    array = scratch.zeros((1000, 3), dtype, tmp_path)
    assert mapped(array) and array.dtype == dtype and array.shape == (1000, 3) and array.flags.c_contiguous
    assert not array.view(np.uint8).any()
    assert type(array) is np.ndarray
    assert list(tmp_path.iterdir()) == []
    assert not mapped(scratch.zeros((2, 3), dtype, tmp_path))
    assert not mapped(scratch.zeros((1000, 3), dtype, None))


def test_forgetting_loses_nothing(small: None, tmp_path: Path) -> None:
    array = scratch.zeros((5000, 3), np.float64, tmp_path)
    expected = np.arange(15000.0).reshape(5000, 3)
    array[:] = expected
    scratch.forget(array[100:200], np.arange(3))
    np.testing.assert_array_equal(array, expected)
    array[7] = -1.0
    scratch.forget(array)
    assert (array[7] == -1.0).all()


@pytest.mark.skipif(sys.platform != "linux", reason="counts resident pages as Linux tells them")
def test_the_memory_is_given_back(tmp_path: Path) -> None:
    def resident() -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    size = 2 * scratch.LARGE
    array = scratch.zeros((size,), np.uint8, tmp_path)
    before = resident()
    array[:] = 1
    assert resident() - before > size // 2
    scratch.forget(array)
    assert resident() - before < size // 4
    maps = Path("/proc/self/maps")
    assert str(tmp_path) in maps.read_text()
    del array
    gc.collect()
    assert str(tmp_path) not in maps.read_text()  # and the disk, with the last reference


def test_pieces_follow_each_other(small: None) -> None:
    assert [(p.start, p.stop) for p in scratch.pieces(250)] == [(0, 100), (100, 200), (200, 250)]
    assert list(scratch.pieces(0)) == []


@pytest.mark.parametrize("directory", [False, True])
@pytest.mark.parametrize(
    "rows", [np.arange(40, 900), np.arange(0, 1000, 2), np.arange(0), np.array([3]), np.array([0, 1, 2, 999])]
)
def test_taking_rows(small: None, tmp_path: Path, rows: np.ndarray, directory: bool) -> None:
    array = np.random.default_rng(0).random((1000, 3))
    got = scratch.take(array, rows, tmp_path if directory else None)
    np.testing.assert_array_equal(got, array[rows])
    assert np.shares_memory(got, array) == (len(rows) > 0 and rows[-1] - rows[0] + 1 == len(rows))
    assert mapped(got) == (directory and len(rows) == 500)


@pytest.mark.parametrize("directory", [False, True])
def test_joining(small: None, tmp_path: Path, directory: bool) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.random((n, 2)) for n in (300, 0, 5, 101)]
    got = scratch.joined(arrays, tmp_path if directory else None)
    np.testing.assert_array_equal(got, np.concatenate(arrays))
    assert mapped(got) == directory
    assert scratch.joined(arrays[:1]) is arrays[0]


def test_no_room_is_said_before_anything_is_written(small: None, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"need [\d,.]+ GB on the disk, and [\d,.]+ GB are free") as caught:
        scratch.zeros((2 * shutil.disk_usage(tmp_path).free,), np.uint8, tmp_path)
    assert caught.value.where == str(tmp_path) and caught.value.next
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys, numpy as np; from pathlib import Path; from btcframe import scratch; scratch.LARGE = 1; "
        "a = scratch.zeros((10_000,), np.float64, Path(sys.argv[1])); a[:] = 1; os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=os.environ, check=False)
    assert done.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_another_process_finds_an_array_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = np.arange(5)
    assert scratch.shared(small) is small and scratch.opened(small) is small
    monkeypatch.setattr(scratch, "LARGE", 1)
    array = scratch.zeros((10, 3), np.float64, tmp_path)
    array[:] = np.arange(30).reshape(10, 3)
    for mine in (array, array[4:9]):  # whole, and some rows of it
        told = scratch.shared(mine)
        assert isinstance(told, scratch.Shared)
        code = "import pickle, sys; from btcframe import scratch; sys.stdout.buffer.write(scratch.opened(pickle.load(sys.stdin.buffer)).tobytes())"
        seen = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(told), capture_output=True)
        assert seen.returncode == 0, seen.stderr
        assert seen.stdout == mine.tobytes()
        np.testing.assert_array_equal(scratch.opened(told), mine)
    columns = array[:, 1]  # not one stretch of the file: it is handed over itself
    assert scratch.shared(columns) is columns


def test_a_file_is_closed_with_the_last_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LARGE", 1)
    array = scratch.zeros((10, 3), np.float64, tmp_path)
    told = scratch.shared(array)
    assert isinstance(told, scratch.Shared)
    part = array[2:4]
    del array
    assert str(Path(told.file).readlink()).startswith(str(tmp_path))
    del part
    gc.collect()
    with pytest.raises(FileNotFoundError):
        Path(told.file).readlink()
