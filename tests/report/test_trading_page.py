"""The trading pages of sessions that are awkward, and of one with everything: in words, and in a browser."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs.small import make_run
from session_tables import equity, intent, record

from btcframe.api import Action
from btcframe.errors import DataError
from btcframe.jobs import backtest as backtest_job
from btcframe.plugins import Catalog
from btcframe.report.findings import Findings, Market, of_session
from btcframe.report.page import PAGE
from btcframe.report.run_page import run_page
from btcframe.report.trading import summarize
from btcframe.report.varied import Variation
from btcframe.run import Quiet, load_manifest
from btcframe.sessions import sensitivity
from btcframe.sessions.reporting import gather, report, said_again, vary_again
from btcframe.trading.audit import Audit
from btcframe.types import NS, PREDICTION, Instrument, OrderState, TimeInForce

from .conftest import CHEAP
from .test_browser import PHONE, fine

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
INVERSE = Instrument("BTC/USD:BTC", Decimal("0.5"), Decimal(1), "inverse")


@pytest.fixture(scope="module")
def found(finished: Path, catalog: Catalog) -> Findings:
    return gather(finished, load_manifest(finished), catalog)


def session(*, rows: int = 120, fresh: bool = True, lots: int = 0, cash: float = 1000.0) -> Audit:
    """Two minutes of a market that stands still, with a model, and nothing that was done in it."""
    audit = Audit()
    for n in range(rows):
        audit.equity.extend(equity(n * NS, 100.0, lots, cash, fresh=fresh))
    predictions: Any = np.zeros(rows, PREDICTION)
    predictions["row_ns"] = NS * np.arange(rows)
    audit.predictions.extend(predictions)
    return audit


def order(
    audit: Audit, order_id: int, *told: tuple[OrderState, int], tif: TimeInForce = TimeInForce.GTC
) -> None:
    """An order of 10 lots that was decided on at second 10, and its states with what was filled."""
    audit.intents.extend(intent(ns=10 * NS, order_id=order_id, tif=tif, bid_ticks=999, ask_ticks=1001))
    for n, (state, filled) in enumerate(told):
        venue = 0 if state == OrderState.SUBMITTED else (10 + n) * NS
        fields = {"ns": (10 + n) * NS, "venue_ns": venue, "order_id": order_id, "tif": tif, "lots": 10}
        audit.orders.extend(record("orders", **fields, filled_lots=filled, state=state))


def fill(audit: Audit, order_id: int, lots: int, ns: int, *, side: int = 1, maker: int = 1) -> None:
    audit.fills.extend(
        record(
            "fills",
            order_id=order_id,
            ns=ns,
            venue_ns=ns,
            lots=lots,
            ticks=1000,
            side=side,
            maker=maker,
            fee=0.01,
        )
    )


def page_of(
    found: Findings, audit: Audit, instrument: Instrument = INSTRUMENT, cash: float = 1000.0
) -> tuple[str, str]:
    told = of_session(audit.tables(), instrument, cash, seed=1, regimes=("calm", "wild"))
    changed = dataclasses.replace(
        found, session=told, market=Market.of(instrument.symbol, "synthetic"), price=None, close=None
    )
    page = run_page(changed)
    body = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return page, unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


S = OrderState


def test_orders_and_no_fill(found: Findings) -> None:
    audit = session()
    order(audit, 1, (S.SUBMITTED, 0), (S.ACCEPTED, 0), (S.CANCELED, 0))
    order(audit, 2, (S.SUBMITTED, 0), (S.REJECTED, 0), tif=TimeInForce.POST_ONLY)
    page, text = page_of(found, audit)
    assert "2 orders sent, and none was filled." in text
    assert re.search(r"May rest \(GTC, post-only\) +2 +0 +0 +2 +1 +0.0", text)
    assert re.search(r"Until it was given up +1.00 s +1.00 s +1.00 s", text)
    assert 'id="markouts"' not in page and "By regime and hour" not in text


def test_nothing_but_parts(found: Findings) -> None:
    """Every order was filled in part and then canceled; no maker's fill is known 30 s later."""
    audit = session(rows=30)
    order(audit, 1, (S.SUBMITTED, 0), (S.ACCEPTED, 0), (S.PARTIALLY_FILLED, 3), (S.CANCELED, 3))
    fill(audit, 1, 3, 12 * NS)
    page, text = page_of(found, audit)
    assert re.search(r"May rest \(GTC, post-only\) +1 +0 +1 +0 +0 +30.0", text)
    assert re.search(r"Until its fill +1.00 s", text) and "Until it was given up" not in text
    assert "known of no fill" in text and 'id="markouts"' in page
    assert "Taker 0" in text  # in the costs


def test_a_session_in_a_gap(found: Findings) -> None:
    """The mid stands for rows in which none was known: no markout is made of it."""
    audit = session(fresh=False)
    order(audit, 1, (S.SUBMITTED, 0), (S.FILLED, 10), tif=TimeInForce.IOC)
    fill(audit, 1, 10, 11 * NS, maker=0)
    page, text = page_of(found, audit)
    assert text.count("known of no fill") == 3 and 'id="markouts"' not in page
    assert "No order stood in a queue" in text


def test_no_book_at_the_decision(found: Findings) -> None:
    """What a fill cost against the mid decided on is then not known, and its money is in no sum."""
    audit = session()
    audit.intents.extend(intent(order_id=1))
    audit.orders.extend(record("orders", order_id=1, lots=10, filled_lots=10, state=S.FILLED))
    fill(audit, 1, 10, 11 * NS, maker=0)
    assert summarize(audit.tables(), INSTRUMENT, 1000.0).slippage == 0.0
    _, text = page_of(found, audit)
    assert re.search(r"Slippage, taker unknown", text)


def test_a_position_that_is_open_at_the_end_and_funding(found: Findings) -> None:
    audit = session(lots=10)
    order(audit, 1, (S.SUBMITTED, 0), (S.FILLED, 10), tif=TimeInForce.IOC)
    fill(audit, 1, 10, 11 * NS, maker=0)
    _, text = page_of(found, audit)
    assert "At the end +0.01 BTC were still held" in text and "Funding none was due" in text
    audit.funding.extend(record("funding", ns=60 * NS, rate=1e-4, position_lots=10, amount=0.25))
    _, text = page_of(found, audit)
    assert re.search(r"Funding \N{MINUS SIGN}0.25", text) and "and funding +0.25 USDT" in text
    assert "Before fees and funding +0.26 USDT" in text  # nothing was earned but fee and funding


def test_an_inverse_contract_is_told_in_coin(found: Findings) -> None:
    audit = session(cash=1.0)
    order(audit, 1, (S.SUBMITTED, 0), (S.FILLED, 10), tif=TimeInForce.IOC)
    fill(audit, 1, 10, 11 * NS, maker=0)
    _, text = page_of(found, audit, INVERSE, cash=1.0)
    assert "0.01000000 BTC" in text and "of 1.000000 BTC" in text


def test_a_denied_intent_is_no_order(found: Findings) -> None:
    audit = session()
    audit.intents.extend(intent(order_id=1, veto=b"max_position", action=Action.SUBMIT))
    audit.orders.extend(record("orders", order_id=1, lots=10, state=S.DENIED))
    page, text = page_of(found, audit)
    assert "No order was sent: all 1 were denied." in text
    assert re.search(r"max_position 1 0", text) and "of 1 intent:" in text and 'id="markouts"' not in page
    audit.stops.extend(record("stops", ns=65 * NS, state=2, code=b"daily_loss", why=b"100 lost of 50"))
    audit.stops.extend(np.repeat(record("stops", ns=66 * NS, state=1, code=b"max_drawdown"), 25))
    _, text = page_of(found, audit)
    assert "1970-01-01 00:01:05 halted daily_loss 100 lost of 50" in text
    assert "the first 20 of 26" in text and text.count("reducing max_drawdown") == 19


@pytest.fixture(scope="module")
def passive(finished: Path, home: Path, catalog: Catalog) -> Path:
    """The same models on the same market with another policy, at a venue with fees."""
    policy = {"plugin": "passive", "fee_bps": 0.0, "size": 0.1}
    changes = CHEAP | {
        "verb": "backtest",
        "trained": str(finished),
        "policy": policy,
        "venue": {"plugin": "sim"},
    }
    run = make_run(home, catalog, "passive", **changes)
    with run.recorded():
        backtest_job.main(run)
    return run.dir


@pytest.fixture(scope="module")
def whole(finished: Path, passive: Path, catalog: Catalog, home: Path) -> Path:
    """A run with another laid over it, and played at two other venues."""
    directory = home / "whole"
    shutil.copytree(finished, directory)
    with pytest.MonkeyPatch.context() as patched:
        chosen = [Variation("latency", n, {"latency": n}) for n in ("0s", "300ms")]
        patched.setattr(sensitivity, "variations", lambda venue: chosen)
        vary_again(directory, catalog, Quiet())
    said_again(directory, catalog, other=passive)
    return directory


def test_a_page_with_everything(whole: Path, finished: Path, passive: Path) -> None:
    page = (whole / PAGE).read_text()
    assert len(page) < 6_000_000
    text = unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)))
    text = re.sub(r"\s+", " ", text)
    ours, theirs = (load_manifest(path)["results"]["backtest"] for path in (finished, passive))
    assert re.search(rf"Orders sent +{ours['orders']:,} +{theirs['orders']:,} ", text)
    assert "This run (run) and passive (backtest, venue sim) over the" in text
    assert "intents[0] differs" in text and "IOC here, POST_ONLY there" in text
    assert "at 3 venues that differ in one setting each" in text and "venue.latency=300ms" in text
    assert {"overlaid", "varied", "markouts"} <= set(re.findall(r'<figure id="([^"]+)"', page))


@pytest.mark.parametrize(
    "window", [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"]
)
def test_a_page_with_everything_in_a_browser(
    whole: Path, opened: Callable[..., Any], window: dict[str, Any]
) -> None:
    fine(opened(whole / PAGE, **window), whole / PAGE)


def test_what_cannot_be_laid_over(finished: Path, training: Path, catalog: Catalog, tmp_path: Path) -> None:
    manifest = load_manifest(finished)
    with pytest.raises(DataError, match="is not a run"):
        report(finished, manifest, catalog, other=tmp_path)
    with pytest.raises(DataError, match="nothing was traded in it"):
        report(finished, manifest, catalog, other=training)
    with pytest.raises(DataError, match="no run can be laid over it"):
        said_again(training, catalog, other=finished)
