"""A long market: arrays on the disk give the same bits, and a length that the disk cannot hold is refused at once."""

from __future__ import annotations

import collections
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe import scratch
from btcframe.errors import StoreError
from btcframe.jobs import backtest, train
from btcframe.learning.predictions import PREDICTIONS
from btcframe.plugins import Catalog, discover
from btcframe.sessions.session import TABLES
from btcframe.trading.audit import load_tables
from btcframe.trading.desk import Desk

from .small import make_run


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def test_arrays_on_the_disk_give_the_same_bits(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [make_run(tmp_path, catalog, "memory"), make_run(tmp_path, catalog, "disk")]
    expected = backtest.main(runs[0])
    monkeypatch.setattr(scratch, "LARGE", 1)
    got = backtest.main(runs[1])
    assert len(got.tables["fills"]) > 20
    assert got.fingerprint == expected.fingerprint
    assert all(got.tables[name].tobytes() == expected.tables[name].tobytes() for name in expected.tables)
    results = [run.manifest["results"] for run in runs]
    assert results[0]["train"] == results[1]["train"]
    one, other = ((run.dir / PREDICTIONS).read_bytes() for run in runs)
    assert one == other
    left = sorted(p.name for p in runs[1].dir.iterdir())
    assert left == ["models", PREDICTIONS, "session.jsonl.zst", "state.bin", TABLES]


def test_a_market_that_the_disk_cannot_hold_is_refused_before_any_work(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**11, 0, 10**10))
    run = make_run(tmp_path, catalog, source={"plugin": "random_walk", "duration": "3650d"})
    with pytest.raises(StoreError, match=r"need [\d.]+ GB on the disk, and 10\.0 GB are free"):
        train.main(run)
    assert not (tmp_path / "lake").exists()
    assert list(run.dir.iterdir()) == []


def test_a_session_that_breaks_off_leaves_what_it_saw(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, catalog)
    whole, calls = Desk.mark, 0

    def breaks(self: Any, *told: Any, **more: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 900:
            raise RuntimeError("broken")
        whole(self, *told, **more)

    monkeypatch.setattr(Desk, "mark", breaks)
    with pytest.raises(RuntimeError, match="broken"):
        backtest.main(run)
    tables = load_tables(run.dir / TABLES)
    assert len(tables["equity"]) == 900
    assert len(tables["predictions"]) > 0 and (np.diff(tables["equity"]["row_ns"]) > 0).all()
