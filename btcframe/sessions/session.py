"""A trading session as a run's config describes it: the trader, its venue, and who is promoted when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.api import Gateway, Source, Venue, Wakes
from btcframe.learning.folds import Fold
from btcframe.models.artefacts import Builder, load_model, read_manifest
from btcframe.pipeline import Pipeline
from btcframe.run import Run
from btcframe.session_log import LOG, CommandItem, SessionLog
from btcframe.sessions.fits import check_fits
from btcframe.trading.audit import Audit
from btcframe.trading.forecasts import Promotion
from btcframe.trading.onlookers import PROMOTE, Log, Watch
from btcframe.trading.trader import Trader
from btcframe.types import Instrument, StateArray

SESSION = LOG
"""The session log in a run's directory."""

STATE = "state.bin"
"""The pipeline's memory as it last was, see `saved_state`."""

START = "start.bin"
"""What a session that did not start from nothing restored before its first event."""

ACCOUNT = "account.json"
"""What a trader must know to go on after a restart, see `Trader.save`."""

RESTORE = "restore"
"""Name of the session log's command for an account that was restored before the first event: its data are the account."""

TABLES = "tables"
"""The directory of what the session saw, decided and got: `audit.TABLES`."""


def of_folds(run: Run, folds: Sequence[Fold], instrument: Instrument) -> list[Promotion]:
    """Each fold's model from the start of its test window to its end.

    Raises
    ------
    ModelError
        If an artefact is missing or damaged, or was trained on another instrument or on other rows or features.
    """
    promotions = []
    for fold in folds:
        check_fits(read_manifest(fold.artefact), run, instrument)
        inside = fold.artefact.is_relative_to(run.dir)
        name = fold.artefact.relative_to(run.dir) if inside else fold.artefact.resolve()
        promotions += [
            Promotion(
                fold.test_start_ns,
                load_model(fold.artefact, run.catalog),
                name.as_posix(),
                fold.train_end_ns or 0,
            ),
            Promotion(fold.test_end_ns, None),
        ]
    return promotions


def of_log(log: SessionLog, directory: Path, catalog: Builder) -> list[Promotion]:
    """The promotions of a recorded session, models that lay in its run found in `directory`."""
    return [
        Promotion(
            item.data["row_ns"],
            replace(load_model(directory / name, catalog), index=item.data["index"])
            if (name := item.data["model"])
            else None,
            name,
            item.data.get("fitted_ns", 0),  # logs of older versions do not tell it
            item.data.get("why", ""),
        )
        for item in log
        if isinstance(item, CommandItem) and item.name == PROMOTE
    ]


def restored_from(log: SessionLog) -> dict[str, Any] | None:
    """The account that a recorded session restored before its first event; None where it started with cash alone."""
    for item in log:
        if not isinstance(item, CommandItem):
            return None
        if item.name == RESTORE:
            return item.data
    return None


def starting(directory: Path, config: Mapping[str, Any], tables: Mapping[str, StateArray]) -> float:
    """What the account of a session was worth when it began: its cash, or what it went on with, at the first mid known.

    Parameters
    ----------
    directory : Path      of the session
    config : mapping      of its run
    tables : mapping      of the session, or of one that played it again
    """
    if len(tables["equity"]) and restored_from(SessionLog(directory / SESSION)) is not None:
        return first_worth(tables["equity"]["equity"])
    return float(config["backtest"]["cash"])


def first_worth(equity: StateArray) -> float:
    """The first equity that is known: a session that goes on with a position begins without a book. NaN without one."""
    known = np.isfinite(equity)
    return float(equity[np.argmax(known)]) if known.any() else float("nan")


def since_known(tables: Mapping[str, StateArray]) -> dict[str, StateArray]:
    """Tables whose equity begins with the first row at which it was known.

    What a session was worth before that, with a position and without a book, is no number to add up; nothing could be
    sent then. Where it is never known, they are as they were.
    """
    known = np.isfinite(tables["equity"]["equity"])
    return {**tables, "equity": tables["equity"][int(np.argmax(known)) if known.any() else 0 :]}


def log_header(run: Run, source: Source, instrument: Instrument) -> dict[str, Any]:
    """What a session log says of itself: whose decoder its frames need, the seed, the instrument."""
    origin = getattr(source, "origin", None)
    node = run.config["source"] if origin is None else origin()
    return {"source": node, "seed": run.seed, **header(instrument)}


def header(instrument: Instrument) -> dict[str, str]:
    """What a session log's header says of the instrument."""
    return {name: str(value) for name, value in instrument._asdict().items()}


def instrument_of(header: Mapping[str, Any]) -> Instrument:
    """The instrument of a session log's header; logs of older versions tell neither notional nor funding."""
    told = {**Instrument._field_defaults, **header}
    return Instrument(
        told["symbol"], Decimal(told["tick"]), Decimal(told["lot"]), told["contract"],
        float(told["min_notional"]), int(told["funding_ns"]),
    )  # fmt: skip


def contains(run: Run) -> bool:
    """Whether a run goes on without a plugin that raised: a session does, and so does its replay."""
    return bool(run.config["verb"] == "trade")


def open_pipeline(
    run: Run,
    instrument: Instrument,
    wakes: Wakes | None = None,
    stopwatch: Callable[[], int] | None = None,
) -> Pipeline:
    """The pipeline that a run's config describes; without wakes it takes whole batches.

    With a stopwatch (a clock, ns) it times its parts: see Pipeline.
    """
    return Pipeline(
        instrument,
        run.component("clock"),
        run.components("features"),
        run.component("regime"),
        select=run.config["select"],
        wakes=wakes,
        contain=contains(run),
        stopwatch=stopwatch,
    )


def open_trader(
    run: Run,
    pipeline: Pipeline,
    promotions: Sequence[Promotion],
    *,
    tables: Path | None = None,
    audit: Audit | None = None,
    account: Mapping[str, Any] | None = None,
    venue: Venue | None = None,
    gateway: Gateway | None = None,
    log: Log | None = None,
    notify: Callable[..., Any] | None = None,
    watch: Watch | None = None,
) -> Trader:
    """The trader that a run's config describes, its venue open.

    Parameters
    ----------
    run : Run
    pipeline : Pipeline       with the policy's wakes
    promotions : sequence of Promotion
    tables : Path, optional   the directory of its tables
    audit : Audit, optional   in place of one there
    account : mapping, optional     what an earlier session's trader saved: the venue opens with what it held
    venue : Venue, optional   another one than the config's
    gateway : Gateway, optional     a venue that is open already
    log, notify, watch : optional   see Trader
    """
    label = run.component("label")
    if gateway is None:
        lots = account["ledger"]["position_lots"] if account else 0
        held = {"held": lots} if lots else {}  # third parties' venues may know nothing of it
        gateway = (venue or run.component("venue")).open(pipeline.instrument, seed=run.seed, **held)
    trader = Trader(
        pipeline,
        gateway,
        run.component("policy"),
        run.components("risk"),
        cash=float(run.config["backtest"]["cash"]),
        schedule=promotions,
        horizons_ns=label.horizons_ns,
        audit=audit or Audit(tables),
        log=log,
        notify=notify,
        watch=watch,
        contain=contains(run),
    )
    if account is not None:
        trader.restore(account)
    return trader
