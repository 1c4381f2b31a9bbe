"""Files that are either whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from btcframe.atomic import replacing
from btcframe.errors import StoreError


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path, "it") as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), replacing(tmp_path / "a.txt", "it") as temporary:
        temporary.write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    place = tmp_path / "file" / "a.txt"
    with (
        pytest.raises(StoreError, match="the report cannot be written") as caught,
        replacing(place, "the report") as t,
    ):
        t.write_text("x")
    assert "hydra.run.dir" in str(caught.value)


def test_a_full_disk(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with (
        pytest.raises(StoreError, match="No space left"),
        replacing(tmp_path / "a", "it"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
