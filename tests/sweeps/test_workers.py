"""Each task in a process of its own: nothing passes from one to the next, and none takes another with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from btcframe.sweeps.workers import Ended, Task, side_by_side

CHANGED: list[int] = []


def done(
    calls: list[Callable[[], Any]], at: Path, jobs: int = 2, threads: int = 1
) -> tuple[dict[int, Ended], list[int]]:
    begun: list[int] = []
    tasks = [Task(n, call, at / str(n) / "output.txt") for n, call in enumerate(calls)]
    ended = list(side_by_side(tasks, begun.append, jobs=jobs, threads=threads))
    return {one.number: one for one in ended}, begun


def fine() -> str:
    os.write(1, b"as it should be\n")  # pytest has a standard output of its own
    return "fine"


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crashes() -> None:
    os.abort()


def leaves() -> None:
    os._exit(7)


def changes() -> int:
    CHANGED.append(1)
    os.environ["CHANGED"] = "yes"
    return len(CHANGED)


def test_what_dies_takes_nobody_with_it(tmp_path: Path) -> None:
    ended, begun = done([killed, fine, crashes, leaves, fine], tmp_path)
    assert begun == [0, 1, 2, 3, 4]
    assert [ended[n].value for n in range(5)] == [None, "fine", None, None, "fine"]
    assert "SIGKILL (for want of memory, or by hand)" in ended[0].died
    assert "SIGABRT" in ended[2].died
    assert "exit code 7" in ended[3].died
    assert ended[1].died == ended[4].died == ""
    assert ended[1].memory > 1_000_000
    assert (tmp_path / "1" / "output.txt").read_text() == "as it should be\n"
    assert "test_workers.py" in (tmp_path / "2" / "output.txt").read_text()  # where it crashed


def test_nothing_passes_from_one_to_the_next(tmp_path: Path) -> None:
    ended, _ = done([changes] * 3, tmp_path, jobs=1)
    assert [ended[n].value for n in range(3)] == [1, 1, 1]
    assert CHANGED == []
    assert "CHANGED" not in os.environ


def test_cores_are_divided(tmp_path: Path) -> None:
    def told() -> tuple[Any, ...]:
        import numba
        import threadpoolctl

        pools = {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
        return numba.config.NUMBA_NUM_THREADS, os.environ["OMP_NUM_THREADS"], pools

    ended, _ = done([told], tmp_path, threads=1)
    assert ended[0].value == (1, "1", {1})


def test_who_stops_early_ends_what_is_at_work(tmp_path: Path) -> None:
    def waits() -> None:
        signal.pause()

    tasks = [Task(n, call, tmp_path / str(n) / "output.txt") for n, call in enumerate([waits, fine])]
    work = side_by_side(tasks, lambda number: None, jobs=2, threads=1)
    assert next(work).value == "fine"
    work.close()
    assert multiprocessing.active_children() == []
