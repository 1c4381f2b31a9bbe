"""What a trading session came to, from its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from btcframe.api import Action
from btcframe.types import Instrument, StateArray


class TradingMetrics(NamedTuple):
    """A session in numbers; money in quote currency."""

    net: float  # equity at the end less cash at the start; an open position is valued at the last mid
    gross: float  # net plus fees
    fees: float
    orders: int  # sent
    denied: int  # orders refused by filters and rules, never sent
    fills: int
    maker_share: float  # of the traded notional, NaN without fills
    trades: int  # round trips: from flat to flat, or through flat to the other side
    hit_rate: float  # share of round trips that earned more than their fees, NaN without any
    turnover: float  # traded notional over cash at the start
    max_drawdown: float  # deepest fall of equity below its peak so far, positive
    exposure: float  # share of rows at which a position was held, NaN without rows
    open_lots: int  # still held at the end


def summarize(tables: Mapping[str, StateArray], instrument: Instrument, cash: float) -> TradingMetrics:
    """Metrics of a session.

    Parameters
    ----------
    tables : mapping       as `audit.Audit.tables` gives them
    instrument : Instrument
    cash : float           at the start, quote
    """
    intents, fills, equity = tables["intents"], tables["fills"], tables["equity"]
    unit = float(instrument.tick * instrument.lot)
    asked = intents[intents["action"] == Action.SUBMIT]
    denied = int((asked["veto"] != b"").sum())
    notional = fills["ticks"] * fills["lots"] * unit
    value = np.concatenate([[cash], equity["equity"]])
    fees = float(fills["fee"].sum())
    net = float(value[-1]) - cash
    results = round_trips(fills, unit)
    rows = equity["position_lots"][:-1]  # the last record is the end of the session, not a row
    traded = float(notional.sum())
    return TradingMetrics(
        net=net,
        gross=net + fees,
        fees=fees,
        orders=len(asked) - denied,
        denied=denied,
        fills=len(fills),
        maker_share=float(notional[fills["maker"] == 1].sum()) / traded if traded else float("nan"),
        trades=len(results),
        hit_rate=float(np.mean(np.array(results) > 0)) if results else float("nan"),
        turnover=traded / cash,
        max_drawdown=float((np.maximum.accumulate(value) - value).max()),
        exposure=float(np.mean(rows != 0)) if len(rows) else float("nan"),
        open_lots=int(equity["position_lots"][-1]) if len(equity) else 0,
    )


def round_trips(fills: StateArray, unit: float) -> list[float]:
    """What each round trip earned after fees, quote; the open one at the end is not counted.

    A fill that goes through flat ends one round trip and begins the next; its fee is shared by size.

    Parameters
    ----------
    fills : FILL[n]
    unit : float      quote per tick·lot
    """
    results: list[float] = []
    held, flow, fees = 0, 0, 0.0
    for side, ticks, lots, fee in fills[["side", "ticks", "lots", "fee"]].tolist():
        closing = min(lots, abs(held)) if held * side < 0 else 0
        for part, ends in ((closing, True), (lots - closing, False)):
            if not part:
                continue
            held += side * part
            flow -= side * part * ticks
            fees += fee * part / lots
            if ends and held == 0:
                results.append(flow * unit - fees)
                flow, fees = 0, 0.0
    return results


def counted(n: int, what: str) -> str:
    """A number of things in words: 1 fill, 2 fills."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def describe_trading(metrics: TradingMetrics, instrument: Instrument, cash: float) -> str:
    """The session in a few lines, for the terminal."""
    m = metrics
    if not m.orders:
        why = f"all {m.denied} were denied" if m.denied else "the policy asked for none"
        return f"No order was sent: {why}."
    hit = f", {m.hit_rate:.0%} of them paid" if m.trades else ""
    lines = [
        f"Net {m.net:+,.2f} ({m.net / cash:+.3%}) = gross {m.gross:+,.2f} less fees {m.fees:,.2f} (quote currency).",
        f"{counted(m.orders, 'order')}, {m.denied:,} denied, {counted(m.fills, 'fill')}; "
        f"{counted(m.trades, 'round trip')}{hit}.",
        f"Turnover {m.turnover:.2f}× the cash, position held {m.exposure:.0%} of the time, "
        f"deepest drawdown {m.max_drawdown:,.2f}.",
    ]
    if m.fills:
        lines[1] = f"{lines[1][:-1]}, {m.maker_share:.0%} of the volume as maker."
    if m.open_lots:
        size = instrument.size(m.open_lots)
        lines.append(f"{size:+g} are still held, valued at the last mid: closing would cost spread and fee.")
    return "\n".join(lines)
