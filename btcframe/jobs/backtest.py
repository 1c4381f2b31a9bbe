"""Out-of-sample predictions traded against the simulated venue."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from btcframe.combinatorial import Combinatorial
from btcframe.config import duration, splitter
from btcframe.errors import ModelError
from btcframe.jobs import train as train_job
from btcframe.learning.folds import MODELS, Fold, saved_folds
from btcframe.live_sources import needs_recording
from btcframe.models.artefacts import read_manifest
from btcframe.pipeline.row_sources import needs_book
from btcframe.report.trading import TradingMetrics, describe_trading, summarize
from btcframe.run import Run, load_manifest
from btcframe.session_log import SessionWriter
from btcframe.sessions.predictors import is_run, traded_folds
from btcframe.sessions.saved_state import StateWriter
from btcframe.sessions.sensitivity import vary
from btcframe.sessions.session import (
    SESSION,
    STATE,
    TABLES,
    log_header,
    of_folds,
    open_pipeline,
    open_trader,
)
from btcframe.sessions.warm_start import begin_from, identity_of, warm_start
from btcframe.trading.audit import digests, fingerprint
from btcframe.types import StateArray


@dataclass(frozen=True)
class BacktestResult:
    """What a backtest found.

    Parameters
    ----------
    tables : mapping            intents, orders, fills, predictions, equity, mapped: see `btcframe.trading.audit`
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
    source, plugin = run.component("source"), run.config["source"]["plugin"]
    needs_recording(source, plugin, "a backtest")
    needs_book(source, plugin, "trading needs one")
    trained = run.config["trained"]
    if not trained and isinstance(splitter(run.config), Combinatorial):
        raise ModelError(
            "the models of a combinatorial training cannot be traded: they have seen what came after",
            where="validation.scheme",
            hint="It judges. What is traded walks forward: validation.scheme=walk_forward.",
            next="To judge only: btcframe train validation.scheme=combinatorial",
        )
    if not trained:
        return backtest(run, train_job.main(run).folds)
    return backtest(run, folds_of(Path(trained)) if is_run(Path(trained)) else traded_folds(run))


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
        source = run.component("source")
        feed = stack.enter_context(contextlib.closing(source.open(seed=run.seed)))
        what = log_header(run, source, feed.instrument)
        promotions = of_folds(run, folds, feed.instrument)
        start, batches = warm_start(run, feed)
        log = stack.enter_context(SessionWriter(run.dir / SESSION, what))
        bar = stack.enter_context(run.progress("backtest", unit="events"))
        pipeline = open_pipeline(run, feed.instrument, run.component("policy").wakes)
        if start is not None:
            begin_from(run, start, pipeline, log)
        trader = open_trader(run, pipeline, promotions, tables=run.dir / TABLES, log=log, notify=run.notify)
        stack.enter_context(contextlib.closing(trader))
        memory = stack.enter_context(
            StateWriter(
                run.dir / STATE,
                pipeline,
                identity_of(run, feed.instrument),
                duration(run.config, "state", "every"),
                log.flush,
            )
        )
        for batch in batches:
            log.batch(batch)
            trader.consume(batch.events)
            memory.took(len(batch.events))
            bar.advance(len(batch.events))
        trader.finish(flatten=run.config["backtest"]["flatten"])
    tables = trader.audit.tables()
    result = BacktestResult(tables, summarize(tables, feed.instrument, cash), fingerprint(tables))
    models = [read_manifest(fold.artefact) for fold in folds]
    told = result.metrics._asdict() | {
        "fingerprint": result.fingerprint,
        "tables": digests(run.dir / TABLES),
        "session": SESSION,
        "models": [model["digest"] for model in models],
        "symbol": feed.instrument.symbol,
        "build": models[0]["build"],
    }
    run.manifest.setdefault("results", {})["backtest"] = {k: None if v != v else v for k, v in told.items()}
    run.say(describe_trading(result.metrics, tables, feed.instrument, cash))
    if not len(tables["predictions"]):
        run.say("Nothing was predicted: the market ends before a row that no model was fitted on.")
    if run.config["backtest"].get("sensitivity"):
        vary(run)
    return result
