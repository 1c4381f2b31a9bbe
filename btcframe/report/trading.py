"""What a trading session came to, from its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Action, TraderState
from btcframe.report.words import counted, number, percent, share, span_text
from btcframe.scratch import pieces
from btcframe.types import NS, Floats, Instrument, Ints, OrderState, StateArray

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

STOPS = 3
"""Stops that are told one by one on the terminal."""


class TradingMetrics(NamedTuple):
    """A session in numbers; money in quote currency."""

    net: float  # equity at the end less cash at the start; an open position is valued at the last mid
    gross: float  # net plus fees and funding
    fees: float
    funding: float  # paid, negative where more was received
    slippage: float  # what the fills cost against the mids they were decided on
    orders: int  # sent
    denied: int  # orders refused by filters and rules, never sent
    fills: int
    fill_ratio: float  # share of what was sent that was filled, by size; NaN without orders
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
    asked = intents[intents["action"] == Action.SUBMIT]
    denied = int((asked["veto"] != b"").sum())
    notional = notionals(fills, instrument)
    traded = float(notional.sum())
    fees, funding = float(fills["fee"].sum()), float(tables["funding"]["amount"].sum())
    net = float(equity["equity"][-1]) - cash if len(equity) else 0.0
    trips = round_trips(fills, instrument, held_first(equity))
    return TradingMetrics(
        net=net,
        gross=net + fees + funding,
        fees=fees,
        funding=funding,
        slippage=float(np.nansum(_slippage(tables, instrument))),
        orders=len(asked) - denied,
        denied=denied,
        fills=len(fills),
        fill_ratio=fill_ratio(tables["orders"]),
        maker_share=float(notional[fills["maker"] == 1].sum()) / traded if traded else float("nan"),
        trades=len(trips),
        hit_rate=float(np.mean(trips["net"] > 0)) if len(trips) else float("nan"),
        holding_s=float(np.mean(trips["close_ns"] - trips["open_ns"])) / NS if len(trips) else float("nan"),
        turnover=traded / cash,
        max_drawdown=drawdown(equity, cash),
        exposure=exposure(equity, traded_span(tables)),
        open_lots=int(equity["position_lots"][-1]) if len(equity) else 0,
    )


def _slippage(tables: Mapping[str, StateArray], instrument: Instrument) -> Floats:
    """What each fill cost against the mid it was decided on, float64[fills], money; NaN where that is not known."""
    fills = tables["fills"]
    price, mid = fills["ticks"] * float(instrument.tick), arrival_mids(tables, instrument)
    size = fills["side"] * fills["lots"] * float(instrument.lot)
    cost: Floats = size * (worth(price, instrument) - worth(mid, instrument))
    return cost


def traded_span(tables: Mapping[str, StateArray]) -> tuple[int, int]:
    """First and last row on which there was a model to predict; of a session without one, of all, (0, 0) without rows."""
    row_ns = tables["predictions" if len(tables["predictions"]) else "equity"]["row_ns"]
    return (int(row_ns[0]), int(row_ns[-1])) if len(row_ns) else (0, 0)


def held_first(equity: StateArray) -> int:
    """Signed lots held at the first row: what a session went on with."""
    return int(equity["position_lots"][0]) if len(equity) else 0


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


def round_trips(fills: StateArray, instrument: Instrument, held: int = 0) -> StateArray:
    """The round trips of a session; neither one that is open at the end, nor one that began before it, is counted.

    A fill that goes through flat ends one round trip and begins the next; its fee is shared by size. Funding is nobody's
    in particular, and not in them.

    Parameters
    ----------
    fills : FILL[n]
    instrument : Instrument
    held : int      signed lots held when the session began

    Returns
    -------
    TRIP[m]
    """
    inverse = instrument.contract == "inverse"
    # whole numbers of tick·lots where they will do: nothing is lost to rounding
    unit = float(instrument.lot / instrument.tick if inverse else instrument.lot * instrument.tick)
    trips: list[tuple[int, int, int, float, int]] = []
    flow: float = 0
    bought = opened = 0
    fees, ours = 0.0, held == 0
    for side, ticks, lots, fee, ns in fills[["side", "ticks", "lots", "fee", "venue_ns"]].tolist():
        value = worth(ticks, instrument)
        closing = min(lots, abs(held)) if held * side < 0 else 0
        for part, ends in ((closing, True), (lots - closing, False)):
            if not part:
                continue
            if held == 0:
                opened = ns
            held += side * part
            flow -= side * part * value
            fees += fee * part / lots
            bought += part if ends else 0
            if ends and held == 0:
                if ours:
                    trips.append((opened, ns, bought, flow * unit - fees, -side))
                flow, fees, bought, ours = 0, 0.0, 0, True
    return np.array(trips, TRIP)


def arrival_mids(tables: Mapping[str, StateArray], instrument: Instrument) -> Floats:
    """The mid of the book that each fill's order was decided on, float64[fills], quote.

    That of the last decision on the order, to submit or to amend it, that came before the fill; of the first where all
    came later, by a venue's clock that is behind ours. NaN where the book was not usable then, and for an order that
    nobody decided on.
    """
    intents, fills = tables["intents"], tables["fills"]
    sent = intents[(intents["sent_lots"] > 0) & (intents["action"] != Action.CANCEL)]
    if not len(sent):
        return np.full(len(fills), np.nan)
    ids, first = np.unique(sent["order_id"], return_index=True)
    known = np.minimum(np.searchsorted(ids, fills["order_id"]), len(ids) - 1)
    moment = np.maximum(fills["venue_ns"], sent["ns"][first[known]])
    at = last_before(sent["order_id"], sent["ns"], fills["order_id"], moment)
    bid, ask = sent["bid_ticks"][at], sent["ask_ticks"][at]
    mids: Floats = np.where((at >= 0) & (bid > 0), (bid + ask) * float(instrument.tick) / 2, np.nan)
    return mids


def last_before(ids: Ints, ns: Ints, of_ids: Ints, of_ns: Ints) -> Ints:
    """Index of the last record with the same id that is not later, int64[m]; −1 where there is none.

    Parameters
    ----------
    ids, ns : int64[n]          records; of equal stamps the later record counts
    of_ids, of_ns : int64[m]    what is sought
    """
    if not len(ids):
        return np.full(len(of_ids), -1)
    # one sorted key of id and moment
    moments = np.unique(ns)
    key = _key(ids, np.searchsorted(moments, ns, "right"), len(moments))
    order = np.argsort(key, kind="stable")
    sought = _key(of_ids, np.searchsorted(moments, of_ns, "right"), len(moments))
    at = np.searchsorted(key[order], sought, "right") - 1
    found = order[np.maximum(at, 0)]
    index: Ints = np.where((at >= 0) & (ids[found] == of_ids), found, -1)
    return index


def _key(order_id: Ints, rank: Ints, ranks: int) -> Ints:
    key: Ints = order_id * (ranks + 1) + rank
    return key


def slippage_bps(tables: Mapping[str, StateArray], instrument: Instrument) -> Floats:
    """What each fill cost against the mid it was decided on, float64[fills], bps of that mid.

    side · (price − mid)/mid · 10⁴: half the spread, the depth taken, and how the market moved on the way. Negative is a
    gain, as a maker has who is not run over.
    """
    fills = tables["fills"]
    mids = arrival_mids(tables, instrument)
    bps: Floats = fills["side"] * (fills["ticks"] * float(instrument.tick) - mids) / mids * 1e4
    return bps


def worth(prices: Any, instrument: Instrument) -> Any:
    """What one unit of size is worth at a price, in the currency of the account: p, or −1/p for an inverse contract.

    With it both kinds are accounted alike: a fill moves −side·size·worth(price) of money, and a position is worth
    size·worth(mid). A contract of an inverse market is a claim on quote currency that is owed in base coin: who is long
    one owes 1/p of the coin.
    """
    return -1.0 / prices if instrument.contract == "inverse" else prices


def notionals(fills: StateArray, instrument: Instrument) -> Floats:
    """What each fill was worth, float64[fills], in the currency of the account, positive."""
    price, size = fills["ticks"] * float(instrument.tick), fills["lots"] * float(instrument.lot)
    value: Floats = np.abs(worth(price, instrument)) * size
    return value


def fill_ratio(orders: StateArray) -> float:
    """Share of what was sent that was filled, by size: Σ filled/Σ asked for, of orders that left us; NaN without any.

    An amended order counts with the size it had last.
    """
    first, last = per_order(orders)
    sent = orders["state"][first] != OrderState.DENIED
    asked = int(orders["lots"][last][sent].sum())
    return int(orders["filled_lots"][last][sent].sum()) / asked if asked else float("nan")


def per_order(orders: StateArray) -> tuple[Ints, Ints]:
    """Where the first and the last state of each order stand, (int64[m], int64[m]), by order id."""
    ids = orders["order_id"]
    order = np.argsort(ids, kind="stable")
    edge = np.flatnonzero(np.diff(ids[order])) + 1
    if not len(ids):
        return edge, edge
    starts = np.concatenate(([0], edge))
    stops = np.concatenate((edge, [len(ids)])) - 1
    return order[starts], order[stops]


def said(intents: StateArray) -> dict[str, tuple[int, int]]:
    """What rules and filters said, by their codes: intents denied, and made smaller or reduce-only; the busiest first."""
    counts: dict[str, list[int]] = {}
    for at, field in enumerate(("veto", "cut")):
        codes, n = np.unique(intents[field][intents[field] != b""], return_counts=True)
        for code, many in zip(codes.tolist(), n.tolist(), strict=True):
            counts.setdefault(code.decode(errors="replace"), [0, 0])[at] = many
    return {code: (n[0], n[1]) for code, n in sorted(counts.items(), key=lambda item: -sum(item[1]))}


def describe_trading(
    metrics: TradingMetrics, tables: Mapping[str, StateArray], instrument: Instrument, cash: float
) -> str:
    """The session in a few lines, for the terminal."""
    lines = [nothing_sent(metrics)] if not metrics.orders else _results(metrics, instrument, cash)
    spoken = said(tables["intents"])
    for what, at in (("Denied", 0), ("Made smaller or reduce-only", 1)):
        if told := [f"{code} {n[at]:,}" for code, n in spoken.items() if n[at]]:
            lines.append(f"{what} by {', '.join(told)}.")
    stops = tables["stops"]
    for stop in stops[:STOPS]:
        since = str(stop["ns"].astype("datetime64[ns]").astype("datetime64[s]")).replace("T", " ")
        code, why = (stop[field].decode(errors="replace") for field in ("code", "why"))
        lines.append(f"{TraderState(int(stop['state'])).name} from {since} UTC: {code}{why and ', '}{why}.")
    if len(stops) > STOPS:
        lines.append(f"{counted(len(stops) - STOPS, 'more stop')}: btcframe report tells them.")
    return "\n".join(lines)


def _results(m: TradingMetrics, instrument: Instrument, cash: float) -> list[str]:
    currency, digits = ("base coin", 6) if instrument.contract == "inverse" else ("quote currency", 2)
    hit = f", {percent(m.hit_rate)} of them paid" if m.trades else ""
    funding = f" and funding {number(m.funding, digits)}" if m.funding else ""
    held = f"; held for {span_text(int(m.holding_s * NS))} on average" if m.trades else ""
    exposed = f", position held {percent(m.exposure)} of the time" if m.exposure == m.exposure else ""
    maker = f", {percent(m.maker_share)} of the volume as maker" if m.fills else ""
    lines = [
        f"Net {number(m.net, digits, sign=True)} ({share(m.net / cash)}) = gross {number(m.gross, digits, sign=True)} "
        f"less fees {number(m.fees, digits)}{funding} ({currency}).",
        f"{counted(m.orders, 'order')}, {m.denied:,} denied, {counted(m.fills, 'fill')}; "
        f"{counted(m.trades, 'round trip')}{hit}{held}{maker}.",
        f"Turnover {m.turnover:.2f}× the cash{exposed}, deepest drawdown {number(m.max_drawdown, digits)}.",
    ]
    if m.open_lots:
        size = instrument.size(m.open_lots)
        lines.append(f"{size:+g} are still held, valued at the last mid: closing would cost spread and fee.")
    return lines


def nothing_sent(metrics: TradingMetrics) -> str:
    """Why there was no order."""
    why = f"all {metrics.denied:,} were denied" if metrics.denied else "the policy asked for none"
    return f"No order was sent: {why}."
