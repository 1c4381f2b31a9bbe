"""How many configurations were tried on a market: counted in a real store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from btcframe.api import Store
from btcframe.plugins import discover
from btcframe.report.trials import trials_of, trials_text
from btcframe.stores.records import TABLES

SYMBOL = "BTC/USDT:USDT"
CONFIG: dict[str, Any] = {
    "source": {"plugin": "synthetic", "duration": "1h"},
    "model": {"plugin": "ridge", "alpha": 1.0},
    "policy": {"plugin": "market"},
    "validation": {"folds": 5, "jobs": 1, "final": False},
    "store": {"plugin": "delta", "path": "here"},
    "seed": 7,
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    built: Store = discover().build("store", {"plugin": "delta", "path": str(tmp_path / "lake")})
    return built


def tell(store: Store, name: str, config: dict[str, Any], **more: Any) -> None:
    row = {
        "n": 0, "symbol": SYMBOL, "verb": "train", "status": "complete", "started_ns": 1,
        "manifest": json.dumps({"config": config}),
    } | more  # fmt: skip
    _, *schema = TABLES["runs"]
    store.record(name, "runs", pa.Table.from_pylist([row], schema=pa.schema(schema)))


def test_the_first_is_one(store: Store) -> None:
    assert trials_of(store, CONFIG, SYMBOL) == 1


def test_every_other_setting_of_the_prediction_counts_once(store: Store) -> None:
    tell(store, "same", CONFIG)
    tell(store, "again", CONFIG, verb="run")
    tell(
        store, "traded-otherwise", CONFIG | {"policy": {"plugin": "maker"}, "store": {"plugin": "timescale"}}
    )
    tell(store, "side-by-side", CONFIG | {"validation": {"folds": 5, "jobs": 8, "final": True}})
    assert trials_of(store, CONFIG, SYMBOL) == 1
    for k, change in enumerate((
        {"model": {"plugin": "ridge", "alpha": 2.0}},
        {"seed": 8},
        {"validation": {"folds": 6}},
        {"source": {"plugin": "synthetic", "duration": "2h"}},
    )):  # fmt: skip
        tell(store, f"other-{k}", CONFIG | change)
        tell(store, f"other-{k}-again", CONFIG | change)
        assert trials_of(store, CONFIG, SYMBOL) == 2 + k


def test_other_markets_failures_and_mere_sessions_do_not_count(store: Store) -> None:
    other = CONFIG | {"model": {"plugin": "zero"}}
    tell(store, "elsewhere", other, symbol="ETH/USDT:USDT")
    tell(store, "no-symbol", other, symbol=None)
    tell(store, "archive", other | {"source": {"plugin": "bybit_archive"}})
    tell(store, "failed", other, status="failed")
    tell(store, "session", other, verb="backtest")
    assert trials_of(store, CONFIG, SYMBOL) == 1


def test_it_is_said() -> None:
    assert trials_text(1) == "One configuration was tried on this market that this store knows of."
    assert trials_text(1200).startswith("1,200 configurations were tried on this market")
