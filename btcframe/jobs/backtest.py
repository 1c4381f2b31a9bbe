"""Out-of-sample predictions traded against the simulated venue."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from btcframe.artefacts import read_manifest
from btcframe.audit import digests, fingerprint
from btcframe.errors import ModelError
from btcframe.jobs import train as train_job
from btcframe.report.trading import TradingMetrics, describe_trading, summarize
from btcframe.run import Run, load_manifest
from btcframe.session import SESSION, TABLES, of_folds, open_trader
from btcframe.session_log import SessionWriter
from btcframe.training import MODELS, Fold, saved_folds
from btcframe.types import StateArray


@dataclass(frozen=True)
class BacktestResult:
    """What a backtest found.

    Parameters
    ----------
    tables : mapping            intents, orders, fills, predictions, equity, mapped: see `btcframe.audit`
    metrics : TradingMetrics
    fingerprint : str           sha256 of intents, orders and fills
    """

    tables: dict[str, StateArray]
    metrics: TradingMetrics
    fingerprint: str


def main(run: Run) -> BacktestResult:
    """Backtest the models of `trained`, or of a training made first.

    Raises
    ------
    ConfigError, DataError, ModelError, PluginError, StoreError
    """
    trained = run.config["trained"]
    return backtest(run, folds_of(Path(trained)) if trained else train_job.main(run).folds)


def folds_of(directory: Path) -> tuple[Fold, ...]:
    """The folds of a finished run, all of them.

    Raises
    ------
    DataError
        If the run is not whole.
    ModelError
        If there are no models, one is damaged, or one is missing.
    """
    folds = saved_folds(directory)
    trained = len(load_manifest(directory).get("results", {}).get("train", {}).get("folds", ()))
    if len(folds) != trained:
        raise ModelError(
            f"there are {len(folds)} models of {trained} folds in {directory / MODELS}",
            next="Train them again: btcframe train",
        )
    return folds


def backtest(run: Run, folds: Sequence[Fold]) -> BacktestResult:
    """Trade every fold's model on its test window, and on no other row.

    Raises
    ------
    ConfigError, DataError, ModelError, PluginError, StoreError
    """
    cash = float(run.config["backtest"]["cash"])
    with contextlib.ExitStack() as stack:
        feed = stack.enter_context(contextlib.closing(run.component("source").open(seed=run.seed)))
        what = {name: str(getattr(feed.instrument, name)) for name in ("symbol", "tick", "lot", "contract")}
        header = {"source": run.config["source"], "seed": run.seed, **what}
        promotions = of_folds(run, folds, feed.instrument)
        log = stack.enter_context(SessionWriter(run.dir / SESSION, header))
        bar = stack.enter_context(run.progress("backtest", unit="events"))
        trader = open_trader(
            run, feed.instrument, promotions, tables=run.dir / TABLES, log=log, notify=run.notify
        )
        stack.enter_context(contextlib.closing(trader))
        for batch in feed:
            log.batch(batch)
            trader.consume(batch.events)
            bar.advance(len(batch.events))
        trader.finish(flatten=run.config["backtest"]["flatten"])
    tables = trader.audit.tables()
    result = BacktestResult(tables, summarize(tables, feed.instrument, cash), fingerprint(tables))
    models = [read_manifest(fold.artefact)["digest"] for fold in folds]
    told = result.metrics._asdict() | {
        "fingerprint": result.fingerprint,
        "tables": digests(run.dir / TABLES),
        "session": SESSION,
        "models": models,
    }
    run.manifest.setdefault("results", {})["backtest"] = {k: None if v != v else v for k, v in told.items()}
    run.say(describe_trading(result.metrics, feed.instrument, cash))
    return result
