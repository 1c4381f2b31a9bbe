"""One order from end to end: what was seen, predicted, decided, vetoed, sent, answered and filled, and by what code.

Everything comes from the files of the session's directory, so it can be asked while the session runs, after a crash and
years later. No record carries ids that others carry already: an intent has the row it was decided on and the number of
the model, and with these two `promotions` tells the model's artefact and the build it was fitted on, `predictions` what
it said, and the manifest the config and the code.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Action
from btcframe.config import digest
from btcframe.errors import DataError, ModelError
from btcframe.explain.values import Answered, Decided, Explained, Filled, Ids, Line, Predicted, Seen
from btcframe.explain.venue import heard
from btcframe.models.artefacts import read_manifest
from btcframe.report.markouts import HORIZONS_NS, markout_bps
from btcframe.report.trading import per_order, slippage_bps
from btcframe.report.working import queue_s
from btcframe.run import MANIFEST
from btcframe.session_log import SessionLog
from btcframe.sessions.session import SESSION, TABLES, instrument_of
from btcframe.trading.audit import load_tables
from btcframe.types import Instrument, StateArray

Tables = Mapping[str, StateArray]


class Left(NamedTuple):
    """What a session left in its directory."""

    directory: Path
    manifest: Mapping[str, Any]
    instrument: Instrument
    tables: Tables


def left_by(directory: Path) -> Left:
    """The files of a session, whether it has ended or not.

    Raises
    ------
    DataError
        If the directory holds no session, or what it holds is damaged.
    """
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{directory} is not a run: it has no {MANIFEST}",
            hint="Runs stand in runs/ below the directory they were started in.",
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not (directory / TABLES).is_dir():
        raise DataError(
            f"nothing was traded in {directory}: it is a {manifest.get('verb', 'run')} without a session",
            hint="Orders are those of run, backtest and trade.",
        )
    instrument = instrument_of(SessionLog(directory / SESSION).header)
    return Left(directory, manifest, instrument, load_tables(directory / TABLES))


def newest(root: Path) -> Path:
    """The directory of the newest run or session below `root`/runs that traded, whether it has ended or not.

    Raises
    ------
    DataError
        If there is none.
    """
    begun = [
        path for below in ("runs/*", "runs/*/*") for path in root.glob(f"{below}/{TABLES}") if path.is_dir()
    ]
    if not begun:
        raise DataError(
            "nothing was traded here",
            where=str((root / "runs").absolute()),
            hint="Orders are those of run, backtest and trade, in runs/ below the directory they were started in.",
            next="Name a run's directory: btcframe session explain ORDER DIR",
        )
    # the tables are made when a session begins
    return max(begun, key=lambda path: path.stat().st_mtime_ns).parent


def orders(directory: Path) -> list[Line]:
    """Every order of a session, denied ones too, in order.

    Raises
    ------
    DataError
        See `left_by`.
    """
    left = left_by(directory)
    intents, states = left.tables["intents"], left.tables["orders"]
    asked = intents[intents["action"] == Action.SUBMIT]
    ends = states[per_order(states)[1]]
    ends = ends[np.searchsorted(ends["order_id"], asked["order_id"])]
    size = left.instrument.size
    return [
        Line(
            order_id=int(row["order_id"]),
            ns=int(row["ns"]),
            side=int(row["side"]),
            price=_price(row["ticks"], left.instrument),
            size=size(int(end["lots"])),
            filled=size(int(end["filled_lots"])),
            state=int(end["state"]),
            reason=_text(row["reason"]),
            veto=_text(row["veto"]),
        )
        for row, end in zip(asked, ends, strict=True)
    ]


def explain(directory: Path, order_id: int) -> Explained:
    """The story of one order.

    Raises
    ------
    DataError
        If there is no such order, or what the session left is damaged; see `left_by`.
    """
    left = left_by(directory)
    tables, instrument = left.tables, left.instrument
    intents = _of(tables["intents"], order_id)
    if not (intents["action"] == Action.SUBMIT).any():
        ids = tables["orders"]["order_id"]
        known = f"They count from {ids.min()} to {ids.max()}." if len(ids) else "It has none."
        raise DataError(
            f"there is no order {order_id} in {directory}",
            hint=known,
            next=f"All of them: btcframe session explain {shlex.quote(str(directory))}",
        )
    about = {
        "intents": intents,
        "fills": _of(tables["fills"], order_id),
        "orders": _of(tables["orders"], order_id),
    }
    mine = dict(tables) | about
    first = intents[0]
    promotion = _promotion(tables["promotions"], int(first["row_ns"]), int(first["model"]))
    predictions, at = _predictions(tables["predictions"], int(first["row_ns"]), int(first["model"]))
    return Explained(
        order_id,
        instrument.symbol,
        instrument.contract,
        str(left.manifest.get("status")),
        _ids(left.manifest, promotion, int(first["row_ns"]), at),
        _seen(left, first, promotion),
        tuple(Predicted(*(p[n].item() for n in Predicted._fields)) for p in predictions),
        tuple(_decided(row, instrument) for row in intents),
        tuple(_answered(row, instrument) for row in mine["orders"]),
        _fills(mine, instrument),
        heard=() if _in_paper(left) else heard(directory, order_id),
    )


def _in_paper(left: Left) -> bool:
    """Whether its venue has nothing to say: then the log need not be read."""
    venue = left.manifest.get("config", {}).get("venue") or {}
    return bool(venue.get("plugin", "sim") == "sim")


def _of(table: StateArray, order_id: int) -> StateArray:
    mine: StateArray = table[table["order_id"] == order_id]
    return mine


def _promotion(promotions: StateArray, row_ns: int, model: int) -> Any:
    """The promotion that put a model in its place, None where none did."""
    found = promotions[(promotions["row_ns"] <= row_ns) & (promotions["model"] == model)]
    return found[-1] if model >= 0 and len(found) else None


def _predictions(table: StateArray, row_ns: int, model: int) -> tuple[StateArray, int | None]:
    """What was said of a row, and where it stands; the table is in order of rows."""
    start, stop = (int(np.searchsorted(table["row_ns"], row_ns, side)) for side in ("left", "right"))
    return (table[start:stop], start) if model >= 0 and stop > start else (table[:0], None)


def _ids(manifest: Mapping[str, Any], promotion: Any, row_ns: int, prediction: int | None) -> Ids:
    git = manifest.get("git")
    model, name, build = ("", "", "")
    if promotion is not None:
        model, name, build = (_text(promotion[field]) for field in ("digest", "name", "build"))
    return Ids(
        run=str(manifest["id"]),
        config=str(manifest["config_hash"]),
        code=digest(manifest["code"]),
        commit=git["commit"] + "-dirty" * git["dirty"] if git else None,
        model=model,
        name=name,
        build=build,
        row_ns=row_ns,
        prediction=prediction,
    )


def _seen(left: Left, intent: Any, promotion: Any) -> Seen:
    bid, ask = _best(intent, left.instrument)
    mid = (bid + ask) / 2
    equity = left.tables["equity"]
    at = int(np.searchsorted(equity["row_ns"], intent["row_ns"]))
    row = equity[at] if at < len(equity) and equity["row_ns"][at] == intent["row_ns"] else None
    nan = float("nan")
    if row is None:  # of a session that runs, or was killed: the row is not in its file yet
        return Seen(int(intent["ns"]), bid, ask, mid, (ask - bid) / mid * 1e4, nan, None, "", nan, nan, None)
    return Seen(
        ns=int(intent["ns"]),
        bid=bid,
        ask=ask,
        mid=mid,
        spread_bps=(ask - bid) / mid * 1e4,
        quality=float(row["quality"]),
        age_ns=int(row["age_ns"]),
        regime=_regime(left.directory, promotion, int(row["regime"])),
        position=left.instrument.size(int(row["position_lots"])),
        equity=float(row["equity"]),
        state=int(row["state"]),
    )


def _regime(directory: Path, promotion: Any, index: int) -> str:
    """Name of a regime, from the model's artefact; its number where that is gone."""
    if index < 0:
        return ""
    try:
        names = (
            read_manifest(directory / _text(promotion["name"]))["regimes"] if promotion is not None else ()
        )
    except ModelError:
        names = ()
    return str(names[index]) if index < len(names) else f"{index}"


def _decided(row: Any, instrument: Instrument) -> Decided:
    bid, ask = _best(row, instrument)
    return Decided(
        ns=int(row["ns"]),
        action=int(row["action"]),
        tif=int(row["tif"]),
        side=int(row["side"]),
        price=_price(row["ticks"], instrument),
        asked=instrument.size(int(row["lots"])),
        sent=instrument.size(int(row["sent_lots"])),
        reduce_only=bool(row["reduce_only"]),
        reason=_text(row["reason"]),
        veto=_text(row["veto"]),
        cut=_text(row["cut"]),
        bid=bid,
        ask=ask,
    )


def _answered(row: Any, instrument: Instrument) -> Answered:
    return Answered(
        ns=int(row["ns"]),
        venue_ns=int(row["venue_ns"]) or None,
        state=int(row["state"]),
        why=int(row["why"]),
        price=_price(row["ticks"], instrument),
        size=instrument.size(int(row["lots"])),
        filled=instrument.size(int(row["filled_lots"])),
    )


def _fills(tables: Tables, instrument: Instrument) -> tuple[Filled, ...]:
    slippage, waited = slippage_bps(tables, instrument), queue_s(tables)
    later = [markout_bps(tables, instrument, horizon) for horizon in HORIZONS_NS]
    return tuple(
        Filled(
            ns=int(row["ns"]),
            venue_ns=int(row["venue_ns"]),
            price=instrument.price(int(row["ticks"])),
            size=instrument.size(int(row["lots"])),
            fee=float(row["fee"]),
            maker=bool(row["maker"]),
            slippage_bps=float(slippage[n]),
            queue_s=float(waited[n]),
            markouts=tuple((h, float(bps[n])) for h, bps in zip(HORIZONS_NS, later, strict=True)),
        )
        for n, row in enumerate(tables["fills"])
    )


def _best(row: Any, instrument: Instrument) -> tuple[float, float]:
    """Best bid and ask that an intent was decided on, quote; NaN where the book was not usable."""
    bid, ask = int(row["bid_ticks"]), int(row["ask_ticks"])
    return (instrument.price(bid), instrument.price(ask)) if bid else (float("nan"), float("nan"))


def _price(ticks: Any, instrument: Instrument) -> float | None:
    return instrument.price(int(ticks)) if ticks else None


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
