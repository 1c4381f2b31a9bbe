"""One build, one builder."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from btcframe.errors import StoreError
from btcframe.stores.claims import claimed


def _hold(directory: str, queue: multiprocessing.Queue[str]) -> None:
    with claimed(Path(directory), "abc", lambda: queue.put("waits")):
        queue.put("builds")


def test_only_one_process_builds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[str] = context.Queue()
    with claimed(tmp_path, "abc", lambda: pytest.fail("nobody else has it")):
        process = context.Process(target=_hold, args=(str(tmp_path), queue))
        process.start()
        assert queue.get(timeout=60) == "waits"
    assert queue.get(timeout=60) == "builds"
    process.join(timeout=60)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"), claimed(tmp_path / "file" / "x", "a", print):
        pass
