"""Directories of finished runs with returns that a test chooses, as the jobs would leave them."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from session_logs import write_lines
from session_tables import record

from btcframe.trading.audit import TABLES, digests
from btcframe.types import NS

SYMBOL = "BTC/USDT:USDT"
CASH = 1000.0
START_NS = 1_700_000_000 * NS
MINUTE_NS = 60 * NS

CONFIG: dict[str, Any] = {
    "verb": "run", "seed": 7, "trained": "", "select": ["*"],
    "validation": {"folds": 2, "jobs": 1},
    "backtest": {"cash": CASH},
    "source": {"plugin": "random_walk", "duration": "1h"},
    "clock": {"plugin": "time", "every": "1s"},
    "features": {"book": {"plugin": "book", "depths": [5, 20]}},
    "regime": {"plugin": "volatility", "window": 60},
    "label": {"plugin": "forward_return", "horizons": ["5s"]},
    "model": {"plugin": "ridge", "alpha": 1.0},
    "policy": {"plugin": "market", "threshold_bps": 0.0},
    "risk": {"max": {"plugin": "max_position", "size": 0.15}},
    "venue": {"plugin": "sim"},
}  # fmt: skip


def changed(config: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A config with other settings, by their paths; a component that is another one is given whole."""
    made = json.loads(json.dumps(config))
    for path, value in changes.items():
        node = made
        *steps, last = path.split("__")
        for step in steps:
            node = node[step]
        node[last] = value
    return made


def manifest(directory: Path, config: Mapping[str, Any], **more: Any) -> Path:
    """A run's directory with its manifest alone."""
    directory.mkdir(parents=True, exist_ok=True)
    lake = {"plugin": "delta", "path": str(directory.parent / "lake")}
    told = {
        "id": f"20261123T00000{directory.name[-1:]}Z-{config['verb']}-{directory.name}", "verb": config["verb"], "seed": config["seed"],
        "btcframe": importlib.metadata.version("btcframe"), "python": "3.11", "config": {"store": lake, **config},
        "config_hash": "ab" * 32, "git": {"commit": "cd" * 20, "dirty": False}, "machine": {"cpu": "one", "cores": 2},
        "packages": {"numpy": "2.0"}, "plugins": {"btcframe": "0.1.0"}, "code": {"btcframe": "ef" * 32},
        "command": ["model=ridge", "hydra.run.dir=x"], "status": "complete", "started": f"2026-11-23T00:00:0{len(directory.name) % 10}+00:00",
        "finished": "2026-11-23T00:01:00+00:00", "results": {},
    } | more  # fmt: skip
    (directory / "manifest.json").write_text(json.dumps(told))
    return directory


def traded(
    directory: Path, returns: Any, config: Mapping[str, Any] = CONFIG, *, turnover: float = 0.0, since_ns: int = START_NS, **more: Any
) -> Path:  # fmt: skip
    """A run that earned these returns, shares of the cash, one a minute; `turnover` in as many fills as minutes.

    Parameters
    ----------
    directory : Path
    returns : float64[T]
    config : mapping
    turnover : float      times the cash
    since_ns : int        of its first row
    more : of the manifest
    """
    returns = np.asarray(returns, float)
    n = len(returns)
    row_ns = since_ns + MINUTE_NS * np.arange(n + 1)
    tables = {name: np.zeros(0, dtype) for name, dtype in TABLES.items()}
    equity = np.zeros(n + 1, TABLES["equity"])
    equity["row_ns"], equity["mid"], equity["regime"] = row_ns, 100.0, -1
    equity["equity"] = CASH * (1 + np.concatenate(([0.0], np.cumsum(returns))))
    predictions = np.zeros(n + 1, TABLES["predictions"])
    predictions["row_ns"] = row_ns
    tables |= {"equity": equity, "predictions": predictions}
    if turnover:
        fills = np.concatenate(
            [record("fills", ns=ns + 1, venue_ns=ns, ticks=1, side=1) for ns in row_ns[:-1]]
        )
        fills["lots"] = round(turnover * CASH / n)
        tables["fills"] = fills
    (directory / "tables").mkdir(parents=True)
    for name, table in tables.items():
        np.save(directory / "tables" / f"{name}.npy", table)
    header = {
        "t": "header", "format": "btcframe-session", "version": 2, "source": config["source"], "seed": 7, "symbol": SYMBOL,
        "tick": "1", "lot": "1", "contract": "linear",
    }  # fmt: skip
    write_lines(directory / "session.jsonl.zst", json.dumps(header), json.dumps({"t": "end", "counts": {}}))
    told = {
        "net": float(equity["equity"][-1] - CASH),
        "holding_s": None,
        "tables": digests(directory / "tables"),
        "fingerprint": "aa" * 32,
    }
    results = {"build": {"id": "b1", "symbol": SYMBOL, "rows": n + 1, "data": ""}, "backtest": told}
    return manifest(directory, config, **{"results": results} | more)


def sweep(place: Path, returns: Any, **changes: Any) -> Path:
    """A sweep of runs with these returns, float64[T, N], that differ in model.alpha."""
    for k, column in enumerate(np.asarray(returns).T):
        traded(place / str(k), column, changed(CONFIG, model__alpha=float(k), **changes))
    return place


def predicted(
    directory: Path, p: Any, y: Any, config: Mapping[str, Any] = CONFIG, *, every_ns: int = NS
) -> Path:
    """A training that predicted p, 5s ahead, where y followed, bps; a row a second."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    p, y = np.asarray(p, float), np.asarray(y, float)
    row_ns = START_NS + every_ns * np.arange(len(p))
    directory.mkdir(parents=True)
    columns = {"row_ns": row_ns, "fold": np.zeros(len(p), np.int32), "mean_5s": p, "return_5s": y}
    pq.write_table(pa.table(columns), directory / "predictions.parquet")
    estimate = {"value": 0.1, "low": None, "high": None}
    metrics = {"horizon_ns": 5 * NS, "rows": len(p), "r2": estimate, "hit_rate": {**estimate, "value": None}}
    results = {
        "build": {"id": "b1", "symbol": SYMBOL, "rows": len(p), "data": ""},
        "train": {"metrics": [metrics], "folds": []},
    }
    return manifest(directory, dict(config) | {"verb": "train"}, results=results)
