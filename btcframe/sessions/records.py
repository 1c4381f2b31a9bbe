"""What a store is told of a run when it ends: the run itself, its models, and what its session traded.

A replay tells nothing: its intents, orders and fills are, bit for bit, those of the session that it repeats, which
stand in the store already; told twice, they would count twice in every sum over runs. Neither do `facts` and
`regimes`, which use no store.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe.api import Action, Store, TraderState
from btcframe.errors import BtcframeError, StoreError
from btcframe.learning.folds import Fold, saved_folds
from btcframe.models.artefacts import read_manifest
from btcframe.run import Run, stamp
from btcframe.session_log import SessionLog
from btcframe.sessions.predictors import traded_folds
from btcframe.sessions.session import SESSION, TABLES, instrument_of
from btcframe.trading.audit import load_tables
from btcframe.types import NS, Floats, Instrument, Ints, OrderReason, OrderState, StateArray, TimeInForce

if TYPE_CHECKING:
    import pyarrow as pa

VERBS = ("run", "build", "train", "backtest", "trade")
"""What is told: the verbs that work with the store."""

PIECE = 1 << 18
"""Rows that are handed to a store at a time: memory does not grow with the session."""

_SIDES = {1: "buy", -1: "sell"}


@contextlib.contextmanager
def told(run: Run) -> Iterator[None]:
    """Tell the store of the work inside, once it is done or has failed.

    A run does not fail because its store cannot be told: what it should know waits in the spool, which the terminal
    and the manifest say. Of a run that failed the store is told, if it can be, that it did, and why.

    Raises
    ------
    DataError, ModelError
        If what the run left is not there or damaged.
    """
    if run.config["verb"] not in VERBS:
        yield
        return
    try:
        yield
    except BaseException as error:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with contextlib.suppress(BtcframeError, OSError):  # the error itself matters more
            row = _run(run, status, str(error) or type(error).__name__)
            run.component("store").record(run.manifest["id"], "runs", row)
        raise
    run.manifest["records"] = _tell(run)


def _tell(run: Run) -> dict[str, Any]:
    """Tell the store of a run that ended well, or the spool; what became of it, for the manifest."""
    store: Store = run.component("store")
    outcome: dict[str, Any] = {"store": run.config["store"]["plugin"]}
    rows: dict[str, int] = {}
    try:
        for table, part in records_of(run):
            store.record(run.manifest["id"], table, part)
            rows[table] = rows.get(table, 0) + len(part)
    except StoreError as error:
        return outcome | {"error": str(error)} | _keep(run, store, error)
    return outcome | {"rows": rows}


def _keep(run: Run, store: Store, refusal: StoreError) -> dict[str, str]:
    """Put into the spool what the store did not take; what it did take, it will not take twice."""
    from btcframe.spool import RECORD, Entry, keep

    entries = (Entry(RECORD, run.manifest["id"], table, part) for table, part in records_of(run))
    try:
        place = str(keep(run.config["spool"], store, entries))
    except StoreError as error:
        run.say(
            f"The store was not told of this run: {refusal}\nThe spool does not take it either: {error}\n"
            "The run's own directory has all of it."
        )
        return {"spool_error": str(error)}
    run.say(
        f"The store was not told of this run: {refusal}\n"
        f"What it should know waits in {place}. Bring it in: btcframe db drain"
    )
    return {"spool": place}


def records_of(run: Run) -> Iterator[tuple[str, pa.Table]]:
    """All records of a run that ended well: (table, rows) in pieces, as `Store.record` takes them; `runs` comes last.

    Raises
    ------
    DataError, ModelError
        If what the run left is not there or damaged.
    """
    results = run.manifest.get("results", {})
    folds = results.get("train", {}).get("folds")  # a combinatorial training keeps none
    if folds or "backtest" in results:
        yield "models", _models(saved_folds(run.dir) if "train" in results else traded_folds(run))
    if "backtest" in results:
        yield from session_records(run.dir)
    yield "runs", _run(run, "complete", None)


def _run(run: Run, status: str, error: str | None) -> pa.Table:
    """The row of a run in `runs`."""
    now = stamp()
    manifest = run.manifest | {"status": status, "finished": now} | ({"error": error} if error else {})
    results = manifest.get("results", {})
    build, traded = results.get("build", {}), results.get("backtest") or results.get("trade", {})
    git = manifest["git"]
    return _table(
        "runs",
        {
            "symbol": [build.get("symbol") or traded.get("symbol")],
            "verb": [manifest["verb"]],
            "status": [status],
            "started_ns": [_ns(manifest["started"])],
            "finished_ns": [_ns(now)],
            "seed": [manifest["seed"]],
            "build": [build.get("id") or traded.get("build")],
            "config_hash": [manifest["config_hash"]],
            "version": [manifest["btcframe"]],
            "commit": [git and git["commit"] + "-dirty" * git["dirty"]],
            "host": [platform.node()],
            "directory": [_text(str(run.dir.resolve()))],
            "verdict": [results.get("report", {}).get("verdict", {}).get("answer")],
            "error": [error and _text(error)],
            "manifest": [_json(manifest)],
        },
    )


def _models(folds: Sequence[Fold]) -> pa.Table:
    """The models that a run trained, or traded."""
    manifests = [read_manifest(fold.artefact) for fold in folds]
    return _table(
        "models",
        {
            "symbol": [m["symbol"] for m in manifests],
            "plugin": [m["model"]["plugin"] for m in manifests],
            "digest": [m["digest"] for m in manifests],
            "directory": [_text(str(fold.artefact.resolve())) for fold in folds],
            "train_from_ns": [fold.train_start_ns for fold in folds],
            "train_until_ns": [fold.train_end_ns for fold in folds],
            "test_from_ns": [fold.test_start_ns for fold in folds],
            "test_until_ns": [fold.test_end_ns for fold in folds],
            "rows": [fold.train_rows for fold in folds],
            "manifest": [_json(m) for m in manifests],
        },
    )


def session_records(directory: Path) -> Iterator[tuple[str, pa.Table]]:
    """What the session of the run in `directory` decided, ordered, got and was worth, in pieces.

    Prices and sizes are quote and base coin, of inverse contracts contracts: ticks·tick and lots·lot, each one
    correctly rounded division (`Instrument`).

    Raises
    ------
    DataError
        If the session's log or tables are not there or damaged.
    """
    instrument = instrument_of(SessionLog(directory / SESSION).header)
    tables = load_tables(directory / TABLES)
    for name in _COLUMNS:
        for first in range(0, len(tables[name]), PIECE):
            yield name, table_of(name, tables[name][first : first + PIECE], instrument, first)


def table_of(name: str, part: StateArray, instrument: Instrument, first: int) -> pa.Table:
    """Records of a table of a session as a store keeps them.

    Parameters
    ----------
    name : str              of `btcframe.trading.audit.TABLES`
    part : structured[n]    of its dtype
    instrument : Instrument
    first : int             number of the first of them within the run
    """
    values = {"symbol": _repeated(instrument.symbol, len(part))} | _COLUMNS[name](part, instrument)
    return _table(name, values, first)


# --------------------------------------------------------------------------------------------------- columns


def _intents(part: StateArray, instrument: Instrument) -> dict[str, Any]:
    return _decided(part, instrument) | {
        "ns": part["ns"],
        "action": _named(part["action"], lambda code: Action(code).name.lower()),
        "sent_lots": part["sent_lots"],
        "sent": _sizes(part["sent_lots"], instrument),
        "reason": _named(part["reason"], lambda text: _text(text.decode(errors="replace"))),
        "veto": _named(part["veto"], _known_text),
        "cut": _named(part["cut"], _known_text),
        "bid": _prices(part["bid_ticks"], instrument),
        "ask": _prices(part["ask_ticks"], instrument),
    }


def _orders(part: StateArray, instrument: Instrument) -> dict[str, Any]:
    return _decided(part, instrument) | {
        "ns": part["ns"],
        "venue_ns": _known(part["venue_ns"], 0),
        "state": _named(part["state"], lambda code: OrderState(code).name.lower()),
        "filled_lots": part["filled_lots"],
        "filled": _sizes(part["filled_lots"], instrument),
        "why": _named(part["why"], lambda code: OrderReason(code).name.lower() if code else None),
    }


def _decided(part: StateArray, instrument: Instrument) -> dict[str, Any]:
    """What intents and orders have in common."""
    return {
        "row_ns": part["row_ns"],
        "order_id": part["order_id"],
        "side": _named(part["side"], _SIDES.get),
        "tif": _named(part["tif"], lambda code: TimeInForce(code).name.lower()),
        "reduce_only": part["reduce_only"].astype(bool),
        "model": _known(part["model"].astype(np.int64), -1),
        "ticks": part["ticks"],
        "lots": part["lots"],
        "price": _prices(part["ticks"], instrument),
        "size": _sizes(part["lots"], instrument),
    }


def _fills(part: StateArray, instrument: Instrument) -> dict[str, Any]:
    return {
        "ns": part["ns"],
        "venue_ns": part["venue_ns"],
        "order_id": part["order_id"],
        "side": _named(part["side"], _SIDES.get),
        "maker": part["maker"].astype(bool),
        "ticks": part["ticks"],
        "lots": part["lots"],
        "price": _prices(part["ticks"], instrument),
        "size": _sizes(part["lots"], instrument),
        "fee": part["fee"],
    }


def _equity(part: StateArray, instrument: Instrument) -> dict[str, Any]:
    names = ("row_ns", "mid", "position_lots", "cash", "equity", "fees", "funding", "quality")
    return {name: part[name] for name in names} | {
        "position": _sizes(part["position_lots"], instrument),
        "regime": _known(part["regime"].astype(np.int64), -1),
        "trader_state": _named(part["state"], lambda code: TraderState(code).name.lower()),
    }


def _predictions(part: StateArray, instrument: Instrument) -> dict[str, Any]:
    numbers = {name: part[name] for name in ("row_ns", "horizon_ns", "mean", "p_up", "low", "high")}
    return numbers | {"model": _known(part["model"].astype(np.int64), -1)}


def _promotions(part: StateArray, instrument: Instrument) -> dict[str, Any]:
    return {
        "row_ns": part["row_ns"],
        "ns": part["ns"],
        "model": _known(part["model"].astype(np.int64), -1),
        **{name: _named(part[name], _known_text) for name in ("digest", "build", "name")},
    }


def _funding(part: StateArray, instrument: Instrument) -> dict[str, Any]:
    numbers = {name: part[name] for name in ("ns", "venue_ns", "rate", "position_lots", "amount")}
    return numbers | {"position": _sizes(part["position_lots"], instrument)}


def _stops(part: StateArray, instrument: Instrument) -> dict[str, Any]:
    return {
        "ns": part["ns"],
        "row_ns": part["row_ns"],
        "state": _named(part["state"], lambda code: TraderState(code).name.lower()),
        "code": _named(part["code"], _known_text),
        "why": _named(part["why"], _known_text),
    }


_COLUMNS = {
    "intents": _intents,
    "orders": _orders,
    "fills": _fills,
    "equity": _equity,
    "predictions": _predictions,
    "promotions": _promotions,
    "funding": _funding,
    "stops": _stops,
}


def _table(name: str, columns: Mapping[str, Any], first: int = 0) -> pa.Table:
    """Rows of one of the tables of `btcframe.stores.records`, without `run`; n counts from `first`."""
    import pyarrow as pa

    from btcframe.stores import records

    _, *fields = records.TABLES[name]
    rows = len(columns["symbol"])
    return pa.table(dict(columns) | {"n": np.arange(first, first + rows)}, schema=pa.schema(fields))


def _prices(ticks: Ints, instrument: Instrument) -> pa.Array:
    """Prices, quote; a market order has none."""
    import pyarrow as pa

    numerator, denominator = instrument.tick_ratio
    return pa.array(ticks * numerator / denominator, mask=ticks == 0)


def _sizes(lots: Ints, instrument: Instrument) -> Floats:
    numerator, denominator = instrument.lot_ratio
    sizes: Floats = lots * numerator / denominator
    return sizes


def _known(values: Ints, none: int) -> pa.Array:
    """Whole numbers, null where there is none."""
    import pyarrow as pa

    return pa.array(values, mask=values == none)


def _known_text(text: bytes) -> str | None:
    """Text of a record, null where there is none."""
    return _text(text.decode(errors="replace")) or None


def _named(values: StateArray, name: Callable[[Any], str | None]) -> pa.Array:
    """A name for each code: there are few different ones."""
    import pyarrow as pa

    codes, which = np.unique(values, return_inverse=True)
    return pa.array([name(code) for code in codes.tolist()], pa.string()).take(pa.array(which))


def _repeated(text: str, n: int) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(text, n)


def _json(value: Any) -> str:
    """JSON that every reader takes: NaN is no number there."""
    return json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None))


def _text(text: str) -> str:
    """Text that every store takes: no zeros, and no bytes of a file name that are no text."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def _ns(text: str) -> int:
    """Nanoseconds of an ISO stamp."""
    return int(datetime.datetime.fromisoformat(text).timestamp()) * NS
