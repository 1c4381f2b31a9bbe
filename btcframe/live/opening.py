"""How a session is opened: what it starts from, its two lanes, where they lead, and what is said of it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.api import Batch, Feed, Gateway, Host, RealVenue, Recovered, Source, Suited
from btcframe.config import duration
from btcframe.errors import DataError, StoreError
from btcframe.latency import Latency
from btcframe.learning.building import build_id, identity
from btcframe.learning.stored_rows import TABLE as ROW_TABLE
from btcframe.live.inbox import Inbox, host_of
from btcframe.live.onlooker import Onlooker
from btcframe.live.pace import Bounds, Pace
from btcframe.live.recovering import account_at, differs
from btcframe.live.session import Session
from btcframe.live.sinks import LogSink, MemorySink, StoreSink, TableSink, WatchSink
from btcframe.live.slow_lane import SlowLane
from btcframe.models.drift import ModelWatch
from btcframe.models.production import Follower, Ladder, Production
from btcframe.report.words import counted
from btcframe.run import Run, write_json
from btcframe.session_log import Keeping, Later, SessionWriter, Straight, records_of
from btcframe.sessions.predictors import Chosen, predictors
from btcframe.sessions.session import (
    ACCOUNT,
    RESTORE,
    SESSION,
    STATE,
    TABLES,
    log_header,
    open_pipeline,
    open_trader,
)
from btcframe.sessions.warm_start import begin_from, identity_of, warm_start
from btcframe.spool.settings import settings_of
from btcframe.spool.writer import Spool
from btcframe.trading.audit import Audit
from btcframe.trading.forecasts import Promotion
from btcframe.types import EVENT, NS, ROW, EventFlag, Instrument, Kind
from btcframe.venues.sim import Sim
from btcframe.watch.switch import standing
from btcframe.watch.telling import Teller

_ONE = {ROW_TABLE: "row", "equity": "equity mark", "funding": "funding payment"}
"""What one record of a table is called, where it is not the table's name without its s."""


@dataclass(frozen=True)
class Opened:
    """A session that is ready to go.

    Parameters
    ----------
    session : Session
    batches : iterator of Batch     of its feed, all of them
    feed : Feed
    promotion : Promotion or None   the model that predicts from the first row on
    note : str                      what else is to be said of the models
    account : mapping or None       what was restored
    recovered : Recovered or None   what a real venue said of it
    audit : Audit                   its tables, whole when the session has ended
    store : StoreSink               where rows and records went
    identity : mapping              of the build of its rows
    """

    session: Session
    batches: Iterator[Batch]
    feed: Feed
    promotion: Promotion | None
    note: str
    account: Mapping[str, Any] | None
    recovered: Recovered | None
    audit: Audit
    store: StoreSink
    identity: Mapping[str, Any]


@contextlib.contextmanager
def opened(run: Run, source: Source) -> Iterator[Opened]:
    """Open a session; at the end all of it is written, and its log is closed, unless it failed.

    Raises
    ------
    ConfigError, DataError, ModelError, PluginError, StoreError
    """
    config, directory = run.config, run.dir
    with contextlib.ExitStack() as stack:
        feed = stack.enter_context(contextlib.closing(source.open(seed=run.seed)))
        instrument = feed.instrument
        if isinstance(policy := run.component("policy"), Suited):
            policy.suits(instrument)
        chosen = predictors(run, instrument)
        promotion = _first_of(chosen)
        account = account_of(Path(config["warm_start"]), instrument) if config["warm_start"] else None
        load_kernels(run, instrument, promotion)
        whose = identity_of(run, instrument)
        audit = Audit(directory / TABLES, kept=1 << 62)
        tell = Teller(run.catalog.notify, str(directory))
        stack.enter_context(tell.running())
        spool = stack.enter_context(
            Spool(run.component("store"), settings_of(config["spool"]), observe=run.catalog.notify).running()
        )
        files = Later(Straight(config["record"]["sync"], again=True))
        log = stack.enter_context(
            SessionWriter(
                directory / SESSION, log_header(run, source, instrument), _keeping(run), files=files
            )
        )
        what = identity({**config, "build": {"rows": True}}, run.catalog, f"session {run.manifest['id']}")
        store = StoreSink(
            spool, run.manifest["id"], build_id(what), instrument,
            every_ns=duration(config, "lane", "latest"), most=config["spool"]["batch"],
        )  # fmt: skip
        memory = MemorySink(directory / STATE, directory / ACCOUNT)
        models = _production(run, chosen, tell)
        slow = SlowLane(
            [[LogSink(log, files), TableSink(audit), memory], [store], [WatchSink(models.watch, tell)]],
            Pace(_bounds(run)),
            config["lane"]["memory"],
            tell,
        )
        stack.enter_context(slow.running())
        inbox, gateway, recovered = Inbox(), None, None
        if isinstance(venue := run.component("venue"), RealVenue):
            host = host_of(run.manifest["id"], feed, inbox, tell)
            gateway, recovered = venue.connect(instrument, host)
            stack.enter_context(contextlib.closing(gateway))
            account = _settled(run, recovered, account, instrument, host)
        start, batches = warm_start(run, feed, whose)  # from here on the market waits for us
        latency = Latency()
        pipeline = open_pipeline(run, instrument, run.component("policy").wakes, time.perf_counter_ns)
        if start is not None:
            begin_from(run, start, pipeline, slow)
        if account is not None:
            write_json(directory / ACCOUNT, account)  # at once: whoever goes on from here must find it
            slow.command(start.first_ns if start else 0, RESTORE, **account)
        onlooker = Onlooker(latency, pipeline, slow, duration(config, "trade", "stall"), tell)
        trader = open_trader(
            run, pipeline, [promotion] if promotion else [],
            audit=Audit(hand=slow.table), account=account, gateway=gateway, log=slow, notify=tell, watch=onlooker,
        )  # fmt: skip
        stack.enter_context(contextlib.closing(trader))
        session = Session(
            _about(run, instrument, promotion), feed, pipeline, trader, slow, onlooker, latency, models,
            identity=whose, state_ns=duration(config, "state", "every"),
            parts=lambda: {"spool": _store_counts(spool), "observers": tell.counts(), **_venue_counts(gateway)},
            inbox=inbox,
        )  # fmt: skip
        if (guard := getattr(feed, "guard", None)) is not None:
            guard(slow.pressure, duration(config, "trade", "lag"))
        if config["warm_start"] and (halt := standing(Path(config["warm_start"]))) is not None:
            session.ask("halt", why=halt.cause)
        if models.follower is not None:
            stack.enter_context(models.follower.running())
        yield Opened(
            session,
            batches,
            feed,
            promotion,
            _said(run, models, chosen),
            account,
            recovered,
            audit,
            store,
            what,
        )


def sealed(run: Run, done: Opened) -> str:
    """Seal the build of the session's rows, if all of them are in the store; what became of it, in words."""
    build, rows = build_id(done.identity), done.store.rows
    if not rows:
        return "Store: no row was closed, so it was given none"
    told = ", ".join(counted(n, _ONE.get(name, name[:-1])) for name, n in rows.items())
    try:
        if ROW_TABLE in rows:
            manifest = {
                "identity": dict(done.identity),
                "symbol": done.feed.instrument.symbol,
                "summary": {"first_ns": done.store.first_ns},
                "tables": {ROW_TABLE: rows[ROW_TABLE]},
            }
            run.component("store").seal(build, manifest)
    except StoreError as error:
        return (
            f"Store: {told} were put into the spool, and not all are in the store: {error.what}\n"
            f"  Bring them in: btcframe db drain. Build {build} of its rows stays open; the run's directory has all of it"
        )
    return f"Store: {told}, as build {build}"


def account_of(directory: Path, instrument: Instrument) -> dict[str, Any] | None:
    """What the trader of an earlier session saved; None where the run in the directory was no session.

    Raises
    ------
    DataError
        If it cannot be read, or is of another market.
    """
    path = directory / ACCOUNT
    try:
        account: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(
            f"the account of the earlier session cannot be read: {error}", where=str(path)
        ) from error
    if not isinstance(account, dict) or account.get("symbol") != instrument.symbol:
        symbol = account.get("symbol") if isinstance(account, dict) else None
        raise DataError(
            f"the account of the earlier session is of {symbol}, the source is of {instrument.symbol}",
            where=str(path),
            hint="A position in one market is none in another.",
            next="Leave warm_start empty, or trade the market of that session: source.symbol=…",
        )
    return account


def _settled(
    run: Run,
    recovered: Recovered,
    saved: Mapping[str, Any] | None,
    instrument: Instrument,
    host: Host,
) -> dict[str, Any]:
    """The account at a real venue; what was found there goes into the log and the manifest."""
    notes = [*recovered.notes, *filter(None, [differs(recovered, saved)])]
    found = {"position_lots": recovered.position.lots, "cash": recovered.cash, "notes": notes}
    run.manifest.setdefault("results", {})["recovered"] = {**found, "fills": len(recovered.fills)}
    host.log({"what": "recovered", **found, "fills": records_of(recovered.fills)})
    for note in notes:
        run.say(f"{note[:1].upper()}{note[1:]}")
    return account_at(recovered, saved, instrument)


def load_kernels(run: Run, instrument: Instrument, promotion: Promotion | None) -> None:
    """Have the kernels of pipeline, model, venue and label loaded, or compiled, before the market waits for them.

    A real venue has none, and is not to know of it: the simulated one stands in.
    """
    period_ns = run.component("clock").period_ns
    events = np.zeros(7, EVENT)
    events["kind"] = [Kind.CLEAR, Kind.DEPTH, Kind.DEPTH, *4 * [Kind.HEARTBEAT]]
    events["side"][1:3], events["ticks"][1:3], events["lots"][1:3] = (1, -1), (1_000_000, 1_000_001), 1
    events["flags"] = EventFlag.SNAPSHOT
    events["flags"][2:] = EventFlag.SNAPSHOT | EventFlag.END
    events["local_ts"] = NS + np.array([0, 0, 0, *np.arange(1, 5)]) * period_ns
    pipeline = open_pipeline(run, instrument, run.component("policy").wakes)
    real = isinstance(run.component("venue"), RealVenue)
    trader = open_trader(run, pipeline, [promotion] if promotion else [], venue=Sim() if real else None)
    with contextlib.closing(trader):
        trader.consume(events)
    if promotion is not None:  # it is watched by what follows
        rows = np.ones(2, ROW)
        rows["row_ns"] = events["local_ts"][-2:]
        run.component("label").label(rows)


def _said(run: Run, models: Production, chosen: Chosen) -> str:
    """What is to be known of the models of a session that begins."""
    told = [f"it follows {run.config['trained']}, which is {chosen.target}"] if models.follower else []
    if len(chosen.candidates) > 1:
        told.append(f"behind it stands {chosen.candidates[1].model.digest[:12]}")
    return "; ".join([*told, *filter(None, [chosen.note])])


def _first_of(chosen: Chosen) -> Promotion | None:
    """The promotion that a session begins with."""
    if not chosen.candidates:
        return None
    best = chosen.candidates[0]
    return Promotion(0, best.model, best.name, best.fitted_ns)


def _production(run: Run, chosen: Chosen, tell: Callable[..., None]) -> Production:
    """The session's models: those it begins with, who watches them and, behind an alias, who follows it."""
    ladder, every_ns = Ladder(chosen.candidates), duration(run.config, "trade", "follow")
    watch = ModelWatch(run.component("label"), run.component("clock").period_ns, chosen.columns)
    if chosen.note:
        tell("model_refused", model="", why=chosen.note, step="previous")
    if chosen.aliases is None or not every_ns:
        return Production(ladder, watch)
    follower = Follower(
        chosen.aliases, str(run.config["trained"]), chosen.load, ladder.offer, tell,
        every_ns=every_ns, present=chosen.candidates, target=chosen.target,
    )  # fmt: skip
    return Production(ladder, watch, follower)


def _keeping(run: Run) -> Keeping:
    """The log's files are those of a recording; when it is written is the lane's to say."""
    settings = run.config["record"]
    return Keeping(
        sync=settings["sync"], part_bytes=settings["part"], part_ns=duration(run.config, "record", "every")
    )


def _bounds(run: Run) -> Bounds:
    lane = run.config["lane"]
    soonest, latest = (duration(run.config, "lane", name) for name in ("soonest", "latest"))
    return Bounds(soonest, latest, lane["least"], lane["most"])


def _about(run: Run, instrument: Instrument, promotion: Promotion | None) -> dict[str, str]:
    chosen = {slot: str(run.config[slot]["plugin"]) for slot in ("source", "policy", "venue")}
    if isinstance(venue := run.component("venue"), RealVenue):
        told = (getattr(venue, name, "") for name in ("exchange", "endpoint"))
        chosen["venue"] = " ".join([chosen["venue"], *(str(getattr(t, "value", t)) for t in told if t)])
    return {
        "id": run.manifest["id"], "symbol": instrument.symbol, **chosen, "model": promotion.name if promotion else "",
    }  # fmt: skip


def _venue_counts(gateway: Gateway | None) -> dict[str, Mapping[str, int | float]]:
    """What a real venue counts, where it does."""
    counters = getattr(gateway, "counters", None)
    return {} if counters is None else {"venue": counters()}


def _store_counts(spool: Spool) -> dict[str, int]:
    status = spool.status()
    names = ("rows", "bytes", "age_ns", "memory", "apart", "lost", "failures", "restarts")
    return {name: int(getattr(status, name)) for name in names}
