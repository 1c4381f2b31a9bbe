"""A training tells what looks like a leak: on the console, and in its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jobs.small import Said, make_run

from btcframe.jobs import train
from btcframe.learning.leaks import Suspicion
from btcframe.plugins import discover


def test_what_looks_like_a_leak_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def leaking(table: Any, found: Any, last: Any, *, seed: int) -> tuple[Suspicion, ...]:
        asked.append((len(found.rows), last.index, seed))
        return (Suspicion("one_column", 5_000_000_000, 0.97, 0.9, "5s: one column. 97% is future."),)

    monkeypatch.setattr(train, "suspicions", leaking)
    run = make_run(tmp_path, discover())
    result = train.main(run)
    told = run.manifest["results"]["train"]["suspicions"]
    assert told == [
        {"kind": "one_column", "horizon_ns": 5_000_000_000, "value": 0.97, "bound": 0.9,
         "words": "5s: one column. 97% is future."}
    ]  # fmt: skip
    assert isinstance(run.console, Said)
    assert "This looks like a leak. 5s: one column. 97% is future." in run.console.lines
    assert asked == [(len(result.row_ns), result.folds[-1].index, run.seed)]


def test_of_a_random_walk_nothing_is_suspected(tmp_path: Path) -> None:
    run = make_run(tmp_path, discover())
    train.main(run)
    assert run.manifest["results"]["train"]["suspicions"] == []
