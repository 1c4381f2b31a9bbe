"""What a session begins with at a real venue: the exchange says what is held, the session before it everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btcframe.api import Recovered
from btcframe.trading.account import Ledger
from btcframe.types import Instrument


def account_at(
    recovered: Recovered, saved: Mapping[str, Any] | None, instrument: Instrument
) -> dict[str, Any]:
    """What a trader restores before its first event.

    Position, average price and cash are the exchange's. Fees, funding and what closed trades earned go on from what was
    saved, as do the highest equity and the day's, the number of orders, and why the trader was stopped. Without an
    earlier session the account begins with what the exchange says, at the average price.

    Parameters
    ----------
    recovered : Recovered
    saved : mapping, optional       what the trader of an earlier session saved
    instrument : Instrument
    """
    ledger = Ledger(instrument, recovered.cash)
    if saved is not None:
        ledger.restore(saved["ledger"])
    lots, average = recovered.position.lots, recovered.position.average_price / float(instrument.tick)
    realised = ledger.realised / ledger.unit
    ledger.position_lots, ledger.average_ticks = lots, average
    if lots:
        ledger.flow = realised + (lots / average if ledger.inverse else -lots * average)
    else:
        ledger.flow = realised
    ledger.start_cash += recovered.cash - ledger.cash
    if saved is None:
        ledger.peak_equity = ledger.equity(recovered.position.average_price)
        return {
            "symbol": instrument.symbol, "saved_ns": 0, "ledger": ledger.save(), "orders": 0,
            "stops": {"causes": [], "contained": {}}, "flattening": False,
        }  # fmt: skip
    return {**saved, "ledger": ledger.save()}


def differs(recovered: Recovered, saved: Mapping[str, Any] | None) -> str:
    """What the exchange holds against what was saved, in words; "" where they agree, or nothing was."""
    lots = recovered.position.lots
    if saved is None or saved["ledger"]["position_lots"] == lots:
        return ""
    return (
        f"the exchange holds {lots:+,} lots, the session before had saved "
        f"{saved['ledger']['position_lots']:+,}: the exchange's count"
    )
