"""Markouts, waits, fill ratios and buckets, each against the plainest loop that says the same."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from session_tables import equity, record

from btcframe.report import buckets
from btcframe.report.buckets import by_hour, by_regime
from btcframe.report.execution import held
from btcframe.report.markouts import markout_bps
from btcframe.report.working import queue, queue_s, sent
from btcframe.trading.audit import EQUITY, TABLES, Audit
from btcframe.types import FILL, NS, Instrument, OrderState, TimeInForce

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
INVERSE = Instrument("BTC/USD:BTC", Decimal("0.5"), Decimal(1), "inverse")


def random_session(seed: int, n: int = 400, fills: int = 120) -> dict[str, Any]:
    """Rows a second apart, some of whose mids are old, and fills at any moment; nothing adds up, and need not."""
    rng = np.random.default_rng(seed)
    tables: dict[str, Any] = {name: np.zeros(0, dtype) for name, dtype in TABLES.items()}
    rows = np.zeros(n, EQUITY)
    rows["row_ns"] = (np.arange(n) + 3590) * NS  # over the edge of an hour
    rows["mid"] = 100 + np.cumsum(rng.normal(size=n)) / 10
    rows["fresh"] = rng.random(n) > 0.1
    rows["position_lots"] = rng.integers(-2, 3, n)
    rows["equity"] = 1000 + np.cumsum(rng.normal(size=n))
    rows["regime"] = rng.integers(-1, 3, n)
    tables["equity"] = rows
    filled = np.zeros(fills, FILL)
    filled["venue_ns"] = np.sort(rng.integers(rows["row_ns"][0], rows["row_ns"][-1], fills))
    filled["ns"] = filled["venue_ns"] + 50_000_000
    filled["ticks"] = 1000 + rng.integers(-20, 20, fills)
    filled["lots"] = rng.integers(1, 9, fills)
    filled["fee"] = rng.random(fills)
    filled["side"] = rng.choice([-1, 1], fills)
    filled["maker"] = rng.integers(0, 2, fills)
    tables["fills"] = filled
    return tables


@pytest.mark.parametrize("horizon", [1, 5, 30])
def test_a_markout_is_the_mid_of_the_first_row_that_ends_later(horizon: int) -> None:
    tables = random_session(horizon)
    expected = []
    for fill in tables["fills"]:
        later = [r for r in tables["equity"] if r["row_ns"] >= fill["ns"] + horizon * NS]
        price = fill["ticks"] * 0.1
        known = later and later[0]["fresh"] and later[0]["row_ns"] <= fill["ns"] + 2 * horizon * NS
        expected.append(fill["side"] * (later[0]["mid"] - price) / price * 1e4 if known else math.nan)
    found = markout_bps(tables, INSTRUMENT, horizon * NS)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isnan(found).any() and np.isfinite(found).sum() > 50


def test_a_markout_over_a_hole_in_the_rows_is_not_known() -> None:
    tables = random_session(1)
    tables["equity"] = np.concatenate([equity(0), equity(NS), equity(100 * NS, 200.0)])
    tables["fills"] = record("fills", ns=NS // 2, ticks=1000, lots=1, side=1)
    assert [markout_bps(tables, INSTRUMENT, s * NS)[0] for s in (5, 30)] == pytest.approx(
        [math.nan] * 2, nan_ok=True
    )
    assert markout_bps(tables, INSTRUMENT, NS // 4).tolist() == [
        0.0
    ]  # the row that ends a quarter later, no later
    tables["equity"] = tables["equity"][:0]
    assert np.isnan(markout_bps(tables, INSTRUMENT, NS)).all()


@pytest.mark.parametrize("instrument", [INSTRUMENT, INVERSE], ids=["linear", "inverse"])
def test_buckets_add_up_to_the_session(instrument: Instrument, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btcframe.scratch.PIECE", 37)  # several pieces
    tables = random_session(5)
    rows, fills = tables["equity"], tables["fills"]
    rng = np.random.default_rng(9)
    slippage, markout = (
        np.where(rng.random(len(fills)) > 0.2, rng.normal(size=len(fills)), np.nan) for _ in "ab"
    )
    size = fills["lots"] * float(instrument.lot)
    price = fills["ticks"] * float(instrument.tick)
    notional = size / price if instrument.contract == "inverse" else size * price
    kinds = {
        "regime": (by_regime(tables, instrument, 990.0, 2, slippage, markout), 3),
        "hour": (by_hour(tables, instrument, 990.0, slippage, markout), 24),
    }
    for kind, (found, n) in kinds.items():

        def bucket(row: Any, kind: str = kind) -> int:
            if kind == "hour":
                return int(row["row_ns"]) // 3_600_000_000_000 % 24
            return int(row["regime"]) if row["regime"] in (0, 1) else 2

        net, held_rows, count = np.zeros(n), np.zeros(n), np.zeros(n)
        net[bucket(rows[0])] += rows["equity"][0] - 990
        for k in range(len(rows) - 1):
            net[bucket(rows[k])] += rows["equity"][k + 1] - rows["equity"][k]
            held_rows[bucket(rows[k])] += rows["position_lots"][k] != 0
            count[bucket(rows[k])] += 1
        np.testing.assert_allclose(found.net, net)
        assert found.net.sum() == pytest.approx(rows["equity"][-1] - 990)
        assert (found.held.tolist(), found.rows.tolist()) == (held_rows.tolist(), count.tolist())
        at = [bucket(rows[max(np.flatnonzero(rows["row_ns"] < fill["ns"]))]) for fill in fills]
        for b in range(n):
            mine = np.array(at) == b
            assert found.fills[b] == mine.sum()
            assert found.fees[b] == pytest.approx(fills["fee"][mine].sum())
            assert found.notional[b] == pytest.approx(notional[mine].sum())
            assert found.maker[b] == pytest.approx(notional[mine & (fills["maker"] == 1)].sum())
            for values, mean in ((slippage, found.slippage[b]), (markout, found.markout[b])):
                known = mine & np.isfinite(values)
                wanted = np.average(values[known], weights=notional[known]) if known.any() else math.nan
                assert mean == pytest.approx(wanted, nan_ok=True)
    assert (kinds["hour"][0].rows > 0).sum() == 2


def test_buckets_of_nothing() -> None:
    tables = Audit().tables()
    found = by_hour(tables, INSTRUMENT, 1000.0, np.empty(0), np.empty(0))
    assert found.net.sum() == found.fills.sum() == 0 and np.isnan(found.slippage).all()
    tables["equity"] = equity(0, value=1010.0)
    one = buckets.by_regime(tables, INSTRUMENT, 1000.0, 0, np.empty(0), np.empty(0))
    assert (one.net.tolist(), one.rows.tolist()) == ([10.0], [0])


def states(*told: tuple[Any, ...]) -> Any:
    """(order, state, venue_s, lots, filled, ticks, tif) of each report."""
    names = ("order_id", "state", "venue_ns", "lots", "filled_lots", "ticks", "tif")
    rows = [record("orders", **dict(zip(names, row, strict=True))) for row in told]
    out = np.concatenate(rows)
    out["venue_ns"] *= NS
    return out


O, T = OrderState, TimeInForce  # noqa: E741
ORDERS = states(
    (1, O.SUBMITTED, 0, 10, 0, 100, T.POST_ONLY), (1, O.ACCEPTED, 1, 10, 0, 100, T.POST_ONLY),
    (2, O.SUBMITTED, 0, 10, 0, 100, T.POST_ONLY), (2, O.REJECTED, 1, 10, 0, 100, T.POST_ONLY),
    (1, O.ACCEPTED, 4, 8, 0, 100, T.POST_ONLY),  # smaller: it keeps its place
    (1, O.PARTIALLY_FILLED, 6, 8, 3, 100, T.POST_ONLY),
    (1, O.ACCEPTED, 8, 8, 3, 101, T.POST_ONLY),  # another price
    (1, O.PENDING_CANCEL, 0, 8, 3, 101, T.POST_ONLY),
    (3, O.DENIED, 0, 99, 0, 100, T.GTC),
    (1, O.ACCEPTED, 9, 9, 3, 101, T.POST_ONLY),  # larger
    (1, O.FILLED, 12, 9, 9, 101, T.POST_ONLY),
    (4, O.SUBMITTED, 0, 5, 0, 0, T.IOC), (4, O.CANCELED, 3, 5, 2, 0, T.IOC),
    (5, O.SUBMITTED, 0, 4, 0, 100, T.GTC), (5, O.ACCEPTED, 2, 4, 0, 100, T.GTC), (5, O.CANCELED, 22, 4, 0, 100, T.GTC),
    (6, O.SUBMITTED, 0, 4, 0, 100, T.GTC), (6, O.ACCEPTED, 2, 4, 0, 100, T.GTC),  # it works to the end
)  # fmt: skip


def test_what_became_of_the_orders() -> None:
    resting, taking = sent(ORDERS, resting=True), sent(ORDERS, resting=False)
    assert resting == (4, 1, 0, 3, 1, 9 / (9 + 10 + 4 + 4))
    assert taking == (1, 0, 1, 0, 0, 2 / 5)
    nothing = sent(ORDERS[:0], resting=True)
    assert nothing[:5] == (0, 0, 0, 0, 0) and math.isnan(nothing.ratio)


def test_who_amends_to_another_price_or_more_goes_to_the_end_of_the_queue() -> None:
    tables = Audit().tables()
    tables["orders"] = ORDERS
    told = ((1, 6, 1), (1, 12, 1), (4, 3, 0), (9, 3, 1))  # the last is of an order that nobody reported
    tables["fills"] = np.concatenate(
        [record("fills", order_id=o, venue_ns=s * NS, maker=m) for o, s, m in told]
    )
    assert queue_s(tables) == pytest.approx([5.0, 3.0, math.nan, math.nan], nan_ok=True)
    waits = queue(tables)
    assert waits.filled == pytest.approx(tuple(np.quantile([3, 5], (0.1, 0.5, 0.9))))
    assert waits.unfilled == (20.0, 20.0, 20.0)
    tables["orders"] = ORDERS[:0]
    assert all(map(math.isnan, [*queue(tables).filled, *queue(tables).unfilled]))


def test_what_was_held_and_how_long_under_water(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btcframe.scratch.PIECE", 37)
    rows = random_session(8)["equity"]
    first, last = 20, 380
    span = int(rows["row_ns"][first]), int(rows["row_ns"][last])
    found = held(rows, INSTRUMENT, 1000.0, span)
    part = rows[first : last + 1]
    assert (found.long, found.short) == (
        (part["position_lots"] > 0).mean(),
        (part["position_lots"] < 0).mean(),
    )
    value = np.abs(part["position_lots"]) * 0.001 * part["mid"]
    assert (found.mean, found.most) == pytest.approx((value.mean(), value.max()))
    peak, since, longest = 1000.0, span[0], 0
    for row in part:
        if row["equity"] >= peak:
            peak, since = row["equity"], row["row_ns"]
        longest = max(longest, row["row_ns"] - since)
    assert found.under == longest > 0
    coin = held(rows, INVERSE, 1000.0, span)
    assert coin.mean == pytest.approx((np.abs(part["position_lots"]) / part["mid"]).mean())
    assert math.isnan(held(rows, INSTRUMENT, 1000.0, (0, 0)).long)
