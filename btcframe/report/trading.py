"""What a trading session came to, from its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from btcframe.api import Action
from btcframe.report.words import counted, span_text
from btcframe.scratch import pieces
from btcframe.types import NS, Floats, Instrument, Ints, StateArray

TRIP = np.dtype(
    [
        ("open_ns", "i8"),  # first fill, at the venue
        ("close_ns", "i8"),  # last fill
        ("lots", "i8"),  # bought and sold again, or the other way round
        ("net", "f8"),  # what it earned after fees, quote
        ("side", "i1"),  # +1 long, -1 short
    ],
    align=True,
)
"""A round trip: from flat to flat, or through flat to the other side."""


class TradingMetrics(NamedTuple):
    """A session in numbers; money in quote currency."""

    net: float  # equity at the end less cash at the start; an open position is valued at the last mid
    gross: float  # net plus fees
    fees: float
    slippage: float  # what the fills cost against the mids they were decided on
    orders: int  # sent
    denied: int  # orders refused by filters and rules, never sent
    fills: int
    maker_share: float  # of the traded notional, NaN without fills
    trades: int  # round trips
    hit_rate: float  # share of round trips that earned more than their fees, NaN without any
    holding_s: float  # mean time from opening to closing, NaN without round trips
    turnover: float  # traded notional over cash at the start
    max_drawdown: float  # deepest fall of equity below its peak so far, positive
    exposure: float  # share of the traded rows at which a position was held, NaN without any
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
    sizes = fills["lots"] * float(instrument.lot)
    traded = float(notional.sum())
    fees = float(fills["fee"].sum())
    net = float(equity["equity"][-1]) - cash if len(equity) else 0.0
    trips = round_trips(fills, unit)
    return TradingMetrics(
        net=net,
        gross=net + fees,
        fees=fees,
        slippage=float(np.nansum(fills["side"] * (notional - decision_mids(tables) * sizes))),
        orders=len(asked) - denied,
        denied=denied,
        fills=len(fills),
        maker_share=float(notional[fills["maker"] == 1].sum()) / traded if traded else float("nan"),
        trades=len(trips),
        hit_rate=float(np.mean(trips["net"] > 0)) if len(trips) else float("nan"),
        holding_s=float(np.mean(trips["close_ns"] - trips["open_ns"])) / NS if len(trips) else float("nan"),
        turnover=traded / cash,
        max_drawdown=drawdown(equity, cash),
        exposure=exposure(equity, traded_span(tables)),
        open_lots=int(equity["position_lots"][-1]) if len(equity) else 0,
    )


def traded_span(tables: Mapping[str, StateArray]) -> tuple[int, int]:
    """First and last row on which there was a model to predict, (0, 0) where there was none."""
    row_ns = tables["predictions"]["row_ns"]
    return (int(row_ns[0]), int(row_ns[-1])) if len(row_ns) else (0, 0)


def exposure(equity: StateArray, span: tuple[int, int]) -> float:
    """Share of the rows of a span at which a position was held; NaN without rows."""
    start = int(np.searchsorted(equity["row_ns"], span[0]))
    stop = int(np.searchsorted(equity["row_ns"], span[1], "right"))
    lots = equity["position_lots"][start:stop]
    held = 0
    for part in pieces(stop - start, equity):
        held += int(np.count_nonzero(lots[part]))
    return held / (stop - start) if span[1] else float("nan")


def drawdown(equity: StateArray, cash: float) -> float:
    """Deepest fall of equity below its peak so far, from `cash` on; quote, positive. In one pass."""
    peak, deepest = cash, 0.0
    for part in pieces(len(equity), equity):
        values = equity["equity"][part]
        peaks = np.maximum(np.maximum.accumulate(values), peak)
        deepest = max(deepest, float((peaks - values).max()))
        peak = float(peaks[-1])
    return deepest


def round_trips(fills: StateArray, unit: float) -> StateArray:
    """The round trips of a session; the open one at the end is not counted.

    A fill that goes through flat ends one round trip and begins the next; its fee is shared by size.

    Parameters
    ----------
    fills : FILL[n]
    unit : float      quote per tick·lot

    Returns
    -------
    TRIP[m]
    """
    trips: list[tuple[int, int, int, float, int]] = []
    held = flow = bought = opened = 0
    fees = 0.0
    for side, ticks, lots, fee, ns in fills[["side", "ticks", "lots", "fee", "venue_ns"]].tolist():
        closing = min(lots, abs(held)) if held * side < 0 else 0
        for part, ends in ((closing, True), (lots - closing, False)):
            if not part:
                continue
            if held == 0:
                opened = ns
            held += side * part
            flow -= side * part * ticks
            fees += fee * part / lots
            bought += part if ends else 0
            if ends and held == 0:
                trips.append((opened, ns, bought, flow * unit - fees, -side))
                flow, fees, bought = 0, 0.0, 0
    return np.array(trips, TRIP)


def decision_mids(tables: Mapping[str, StateArray]) -> Floats:
    """The mid that each fill's order was decided on, float64[fills], quote.

    It is the mid of the last row that had closed when the order was submitted or last amended: what was known then.
    NaN where there was none.
    """
    intents, fills, equity = tables["intents"], tables["fills"], tables["equity"]
    sent = intents[(intents["sent_lots"] > 0) & (intents["action"] != Action.CANCEL)]
    if not (len(sent) and len(fills) and len(equity)):
        return np.full(len(fills), np.nan)
    # one sorted key of order and moment; a fill belongs to the last decision on its order that came before it
    moments = np.unique(sent["ns"])
    key = _key(sent["order_id"], np.searchsorted(moments, sent["ns"], "right"), len(moments))
    order = np.argsort(key, kind="stable")
    sought = _key(fills["order_id"], np.searchsorted(moments, fills["venue_ns"], "right"), len(moments))
    at = np.maximum(np.searchsorted(key[order], sought, "right") - 1, 0)
    decision = sent[order[at]]
    row = np.searchsorted(equity["row_ns"], decision["row_ns"], "right") - 1
    mids: Floats = np.where(decision["order_id"] == fills["order_id"], equity["mid"][row], np.nan)
    return mids


def _key(order_id: Ints, rank: Ints, ranks: int) -> Ints:
    key: Ints = order_id * (ranks + 1) + rank
    return key


def slippage_bps(tables: Mapping[str, StateArray], instrument: Instrument) -> Floats:
    """What each fill cost against the mid it was decided on, float64[fills], bps of that mid.

    side · (price − mid)/mid · 10⁴: half the spread, the depth taken, and how the market moved on the way. Negative is a
    gain, as a maker has who is not run over.
    """
    fills = tables["fills"]
    mids = decision_mids(tables)
    bps: Floats = fills["side"] * (fills["ticks"] * float(instrument.tick) - mids) / mids * 1e4
    return bps


def describe_trading(metrics: TradingMetrics, instrument: Instrument, cash: float) -> str:
    """The session in a few lines, for the terminal."""
    m = metrics
    if not m.orders:
        return nothing_sent(m)
    hit = f", {m.hit_rate:.0%} of them paid" if m.trades else ""
    held = f"; held for {span_text(int(m.holding_s * NS))} on average" if m.trades else ""
    lines = [
        f"Net {m.net:+,.2f} ({m.net / cash:+.3%}) = gross {m.gross:+,.2f} less fees {m.fees:,.2f} (quote currency).",
        f"{counted(m.orders, 'order')}, {m.denied:,} denied, {counted(m.fills, 'fill')}; "
        f"{counted(m.trades, 'round trip')}{hit}{held}.",
        f"Turnover {m.turnover:.2f}× the cash, position held {m.exposure:.0%} of the time, "
        f"deepest drawdown {m.max_drawdown:,.2f}.",
    ]
    if m.fills:
        lines[1] = f"{lines[1][:-1]}, {m.maker_share:.0%} of the volume as maker."
    if m.open_lots:
        size = instrument.size(m.open_lots)
        lines.append(f"{size:+g} are still held, valued at the last mid: closing would cost spread and fee.")
    return "\n".join(lines)


def nothing_sent(metrics: TradingMetrics) -> str:
    """Why there was no order."""
    why = f"all {metrics.denied:,} were denied" if metrics.denied else "the policy asked for none"
    return f"No order was sent: {why}."
