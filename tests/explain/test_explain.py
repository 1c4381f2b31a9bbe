"""One order from end to end, from a small session whose every event is known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_trader import CHASE, INSTRUMENT, SCHEDULE, START, Script, chase, model, play, trader

from btcframe.api import Action, Intent, Market, Position, Veto
from btcframe.config import digest
from btcframe.errors import DataError
from btcframe.explain import describe, describe_orders, explain, orders, plain, plain_orders
from btcframe.session_log import SessionWriter
from btcframe.sessions.session import SESSION, TABLES, header
from btcframe.trading.audit import Audit, load_tables
from btcframe.trading.trader import Promotion
from btcframe.types import NS, OrderState, TimeInForce

MANIFEST = {
    "id": "20261122T163325Z-backtest-9f86d081884c",
    "verb": "backtest",
    "status": "complete",
    "config_hash": "c" * 64,
    "code": {"btcframe": "1", "btcframe_execution": "2"},
    "git": {"commit": "a" * 40, "dirty": True},
}


@dataclass(frozen=True)
class Least:
    """A rule that leaves 4 lots of any order, and none of a sell that is decided on late."""

    def check(self, intent: Intent, account: Any, market: Market) -> Intent | Veto:
        if intent.side < 0 and market.now_ns > START + 30 * NS:
            return Veto("too_late", "it is")
        return intent._replace(lots=min(intent.lots, 4))


def session(folder: Path, policy: Script = CHASE, **settings: Any) -> Path:
    folder.mkdir()
    with SessionWriter(folder / SESSION, header(INSTRUMENT)):
        pass
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    schedule = [
        Promotion(p.row_ns, p.model and model(10.0 * (1 - 2.5 * k), k)) if p.model is None else
        Promotion(p.row_ns, _told(p.model, k), p.name)
        for k, p in enumerate(SCHEDULE)
    ]  # fmt: skip
    subject = trader(policy, {"least": Least()}, schedule=schedule, audit=Audit(folder / TABLES), **settings)
    play(subject)
    subject.close()
    return folder


def _told(fitted: Any, k: int) -> Any:
    from dataclasses import replace

    return replace(fitted, digest=f"{k}" * 64, build="0123456789ab")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return session(tmp_path_factory.mktemp("explained") / "run")


def test_every_record_leads_to_every_id(left: Path) -> None:
    """Config, code, model, build, row and prediction of every order, against the tables read one by one."""
    tables = load_tables(left / TABLES)
    ids = sorted(set(tables["orders"]["order_id"].tolist()))
    assert len(ids) > 30 and set(tables["fills"]["order_id"].tolist()) <= set(ids)
    models = set()
    for order_id in ids[::9]:
        told = explain(left, order_id)
        first = next(
            r for r in tables["intents"] if r["order_id"] == order_id and r["action"] == Action.SUBMIT
        )
        assert told.ids.run == MANIFEST["id"] and told.ids.config == MANIFEST["config_hash"]
        assert told.ids.code == digest(MANIFEST["code"]) and told.ids.commit == "a" * 40 + "-dirty"
        assert told.ids.row_ns == first["row_ns"]
        index = int(first["model"])
        models.add(index)
        if index < 0:
            assert (told.ids.model, told.ids.build, told.ids.prediction, told.predicted) == ("", "", None, ())
            continue
        assert (told.ids.model, told.ids.name) == (f"{index}" * 64, f"models/fold-{index}")
        assert told.ids.build == "0123456789ab" and told.ids.prediction is not None
        at = told.ids.prediction
        said = tables["predictions"][at : at + 2]
        assert (said["row_ns"] == first["row_ns"]).all() and (said["model"] == index).all()
        assert [p.mean for p in told.predicted] == said["mean"].tolist()
    assert models == {0, 1}


def test_the_chain_is_what_the_tables_say(left: Path) -> None:
    tables = load_tables(left / TABLES)
    filled = 0
    for order_id in sorted(set(tables["fills"]["order_id"].tolist()))[:20]:
        told = explain(left, order_id)
        intents = [r for r in tables["intents"] if r["order_id"] == order_id]
        assert [d.ns for d in told.decided] == [r["ns"] for r in intents]
        assert [d.veto.encode() for d in told.decided] == [r["veto"] for r in intents]
        states = [r for r in tables["orders"] if r["order_id"] == order_id]
        assert [(a.ns, a.state) for a in told.answered] == [(r["ns"], r["state"]) for r in states]
        fills = [r for r in tables["fills"] if r["order_id"] == order_id]
        assert [(f.venue_ns, f.fee) for f in told.fills] == [(r["venue_ns"], r["fee"]) for r in fills]
        for fill, row in zip(told.fills, fills, strict=True):
            by = [
                r
                for r in intents
                if r["sent_lots"] and r["action"] != Action.CANCEL and r["ns"] <= row["venue_ns"]
            ]
            mid = (int(by[-1]["bid_ticks"]) + int(by[-1]["ask_ticks"])) / 2
            assert fill.slippage_bps == pytest.approx(row["side"] * (row["ticks"] - mid) / mid * 1e4)
            assert math.isnan(fill.queue_s) == (not fill.maker)
            filled += 1
        row = next(r for r in tables["equity"] if r["row_ns"] == told.ids.row_ns)
        assert (told.seen.equity, told.seen.ns) == (row["equity"], intents[0]["ns"])
        assert told.seen.position == pytest.approx(int(row["position_lots"]) * float(INSTRUMENT.lot))
    assert filled >= 20


def test_an_intent_keeps_the_book_it_was_decided_on_and_who_cut_it() -> None:
    """Against what the policy itself was shown."""
    shown: list[tuple[int, int, int]] = []

    def look(market: Market, position: Position) -> Sequence[Intent]:
        wanted = chase(market, position)
        shown.extend([(market.now_ns, int(market.bid_ticks[0]), int(market.ask_ticks[0]))] * len(wanted))
        return wanted

    intents = play(trader(Script(look, CHASE.wakes), {"least": Least()}), finish=False).audit.tables()[
        "intents"
    ]
    told = intents[["ns", "bid_ticks", "ask_ticks"]].tolist()
    assert told == shown and len(told) > 500
    for row in intents[intents["action"] == Action.SUBMIT]:
        cut = row["sent_lots"] != 0 and row["sent_lots"] != row["lots"]
        assert row["cut"] == (b"least" if cut else b"")


def test_every_order_fits_80_columns_and_is_json(left: Path) -> None:
    listed = orders(left)
    kinds = set()
    for line in listed[::11] + listed[-5:]:
        told = explain(left, line.order_id)
        text = describe(told)
        assert max(map(len, text.splitlines())) <= 80, text
        assert f"Order {line.order_id}: " in text and told.ids.config in text
        json.loads(json.dumps(plain(told), allow_nan=False))
        kinds |= {line.state}
        if line.veto:
            assert f"vetoed: {line.veto}" in text and "Denied, never sent." in text
        if told.decided[0].cut:
            assert "cut to " in text and "by least" in text
    assert {OrderState.FILLED, OrderState.CANCELED, OrderState.DENIED} <= kinds
    assert any(explain(left, line.order_id).decided[0].cut for line in listed[:9])
    lines = describe_orders(left).splitlines()
    assert max(map(len, lines[:-1])) <= 80 and "The last 40 of" in lines[-2]
    assert len(plain_orders(listed)) == len(listed) == max(line.order_id for line in listed)


def once(*intents: Intent) -> Script:
    def decide(market: Market, position: Position) -> Sequence[Intent]:
        return () if market.now_ns > START + NS // 5 else intents

    return Script(decide)


def test_an_order_without_a_model_at_the_market(tmp_path: Path) -> None:
    left = session(tmp_path / "run", once(Intent(Action.SUBMIT, 1, 2, 0, TimeInForce.IOC)))
    told = explain(left, 1)
    text = describe(told)
    assert "nothing: there was no model" in text and "at the market, IOC" in text
    assert "Model      none" in text and "prediction none" in text
    assert plain(told)["ids"]["prediction"] is None
    assert plain(told)["decided"][0]["price"] is None and plain(told)["decided"][0]["action"] == "SUBMIT"
    assert "latency: +30.0 ms to the venue, +20.0 ms back" in text


def test_a_session_that_was_killed_tells_what_it_has(left: Path, tmp_path: Path) -> None:
    """The rows behind an order are not in their file yet, and the manifest says that it runs."""
    killed = session(tmp_path / "run")
    table = np.load(killed / TABLES / "equity.npy")
    np.save(killed / TABLES / "equity.npy", table[:3])
    (killed / "manifest.json").write_text(json.dumps(MANIFEST | {"status": "running"}))
    text = describe(explain(killed, 9))
    assert "the account at that row is not in the files yet" in text
    assert "The session runs: its last moments are not in its files yet." in text
    assert "9f86d081884c, running" in text


def spoil_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def spoil_table(folder: Path) -> None:
    (folder / TABLES / "fills.npy").write_bytes(b"no")


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def no_session(folder: Path) -> None:
    (folder / TABLES).rename(folder / "gone")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_manifest, "cannot be read"),
        (remove_manifest, "is not a run: it has no manifest.json"),
        (spoil_table, "the tables of the session cannot be read"),
        (no_session, "it is a backtest without a session"),
    ],
)
def test_what_cannot_be_explained_says_why(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    folder = session(tmp_path / "run", once())
    spoil(folder)
    with pytest.raises(DataError, match=message):
        explain(folder, 1)


def test_no_such_order(left: Path, tmp_path: Path) -> None:
    most = len(orders(left))
    with pytest.raises(
        DataError, match=f"(?s)there is no order 9999 .*They count from 1 to {most}.*session explain"
    ):
        explain(left, 9999)
    empty = session(tmp_path / "run", once())
    with pytest.raises(DataError, match=r"(?s)there is no order 1 .*It has none"):
        explain(empty, 1)
    assert describe_orders(empty) == f"No order was asked for in {empty}."
    assert orders(empty) == []
