"""Every cause of a missing value, on a market made for it, with our own features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from btcframe.api import Column
from btcframe.checkup.collect import Collector
from btcframe.checkup.judge import why
from btcframe.checkup.numbers import Checked, Checkup
from btcframe.plugins import Catalog, discover
from btcframe.testing.markets import INSTRUMENT, clean_rows, rough_rows, spoil
from btcframe.types import ACCUMULATORS, RowFlag

N = 1000


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def checkup(catalog: Catalog, rows: np.ndarray, *names: str) -> Checkup:
    columns: list[Column] = []
    parts = []
    for name in names:
        feature: Any = catalog.build("features", {"plugin": name})
        out = np.full((len(rows), len(feature.columns())), np.nan)
        feature.update(rows, feature.state(INSTRUMENT), out)
        columns += feature.columns()
        parts.append(out)
    collector = Collector(columns)
    collector.add(rows, *parts)
    return collector.finish()


def of(found: Checkup, name: str) -> Checked:
    return next(c for c in found.columns if c.name == name)


def test_all_that_is_missing_has_a_cause(catalog: Catalog) -> None:
    found = checkup(
        catalog, rough_rows(3000), "book", "returns", "volatility", "trades", "flow", "shape", "toxicity"
    )
    for c in found.columns:
        assert sum(c.causes.values()) == found.rows - c.known, c.name
        assert (why(c, found) == "") == (c.known == found.rows)


def test_warmup(catalog: Catalog) -> None:
    found = checkup(catalog, clean_rows(N), "returns", "book")
    slow = of(found, "ema_gap_slow")
    assert (slow.causes, slow.first, slow.known) == ({"warmup": 599}, 599, N - 599)
    assert why(slow, found) == "its warm-up takes 599 of the 1,000 rows"
    assert of(found, "spread_bps").causes == {} and of(found, "spread_bps").first == 0


def test_gaps_and_the_time_after_them(catalog: Catalog) -> None:
    rows = clean_rows(N)
    for at in range(400, 900, 30):
        spoil(rows, "gap", at, 9)
    found = checkup(catalog, rows, "book", "volatility", "trades")
    gaps = 9 * len(range(400, 900, 30))
    assert of(found, "spread_bps").causes == {"gap": gaps}
    assert why(of(found, "spread_bps"), found) == f"{gaps} rows have no book (GAP)"
    windowed = of(found, "rv_60")  # 20 or 21 of 30 are known: never 80 %
    assert set(windowed.causes) == {"warmup", "gap", "refill"}  # the mid of a PARTIAL row is known
    assert windowed.causes["gap"] == gaps and windowed.causes["refill"] > gaps
    assert "rows follow within its 60 rows on one without book or flow" in why(windowed, found)
    one = of(found, "trade_imbalance_1")  # its own row is enough
    assert one.causes == {"warmup": 1, "gap": gaps, "partial": len(range(400, 900, 30))}


def test_crossed_and_one_sided(catalog: Catalog) -> None:
    rows = clean_rows(N)
    spoil(rows, "crossed", 200, 300)
    spoil(rows, "one_sided", 600, 200)
    found = checkup(catalog, rows, "book", "trades")
    assert of(found, "spread_bps").causes == {"crossed": 300, "one_sided": 200}
    assert why(of(found, "spread_bps"), found) == (
        "the book is crossed in 300 rows (CROSSED); a side of the book is empty in 200 rows (ONE_SIDED)"
    )
    assert of(found, "depth_bid_20").causes == {"crossed": 300}  # the bids are there
    assert of(found, "trade_imbalance_1").causes == {"warmup": 1}  # trades need no book


def test_flow_cut(catalog: Catalog) -> None:
    rows = clean_rows(N)
    rows["flags"][500:700] |= np.uint32(RowFlag.FLOW_CUT)
    for name in ACCUMULATORS:
        if name.startswith(("add", "rem")) or name == "changes":
            rows[name][500:700] = np.nan
    found = checkup(catalog, rows, "flow")
    assert of(found, "depletion_asymmetry").causes == {"warmup": 1, "flow_cut": 200}
    assert "a message changed too many prices (FLOW_CUT)" in why(of(found, "depletion_asymmetry"), found)
    assert "flow_cut" not in of(found, "ofi_1").causes


def test_fewer_levels_in_some_rows(catalog: Catalog) -> None:
    rows = clean_rows(N)
    spoil(rows, "thin", 300, 400)  # seven bids
    found = checkup(catalog, rows, "book")
    assert of(found, "depth_bid_20").causes == {"levels": 400}
    assert why(of(found, "depth_bid_20"), found) == "400 rows have fewer than 20 levels on a side it reads"
    assert of(found, "imbalance_6_10").causes == {"levels": 400}
    assert of(found, "depth_bid_5").causes == {} and of(found, "depth_ask_20").causes == {}


def test_never_enough_levels(catalog: Catalog) -> None:
    rows = clean_rows(N)
    spoil(rows, "thin", 0, N)
    for name in ("ask_px", "ask_sz"):
        rows[name][:, 12:] = np.nan
    found = checkup(catalog, rows, "book", "shape")
    assert found.deepest == (7, 12)
    assert why(of(found, "depth_bid_20"), found) == "no row has more than 7 levels on a side it reads"
    assert why(of(found, "depth_ask_20"), found) == "no row has more than 12 levels on a side it reads"
    assert of(found, "slope_bid").known == 0 and "levels" in of(found, "slope_bid").causes
    assert of(found, "slope_ask").causes == {}


def test_a_cost_that_a_shallow_book_does_not_cover_is_not_called_a_lack_of_levels() -> None:
    """Rows with few levels lack a value more often, but so do rows with all of them: the levels do not decide it."""
    rows = clean_rows(N)
    spoil(rows, "thin", 500, 500)
    x = np.ones((N, 2))
    x[::3, 0] = np.nan
    x[500:, 0] = np.nan
    x[:, 1] = np.nan
    collector = Collector(
        [Column("cost", inputs=("bid_px", "bid_sz", "mid")), Column("never", inputs=("mid",))]
    )
    collector.add(rows, x)
    found = collector.finish()
    assert found.columns[0].causes == {"formula": N - found.columns[0].known}
    assert found.columns[1].causes == {"formula": N}
    assert (
        why(found.columns[1], found) == "in 1,000 rows its formula has no value though all it reads is known"
    )


@pytest.mark.parametrize("trades", [True, False])
def test_waiting(catalog: Catalog, trades: bool) -> None:
    rows = clean_rows(N)
    for name in (
        "buy_volume",
        "sell_volume",
        "buy_count",
        "sell_count",
        "buy_notional",
        "sell_notional",
        "max_trade",
    ):
        rows[name][1 : N if not trades else 700] = 0.0
    rows["signed_cost"][1 : N if not trades else 700] = 0.0
    found = checkup(catalog, rows, "impact", "toxicity")
    spread = of(found, "effective_spread_bps")
    assert spread.causes == {"warmup": 1, "awaits": 699 if trades else N - 1}
    said = why(spread, found)
    if trades:
        assert (
            said.startswith("in 699 rows it still waits for a trade (") and "base coin traded in all" in said
        )
    else:
        assert said == "in 999 rows it still waits for a trade (there is no trade in the rows)"
        assert why(of(found, "vpin_50"), found) == (
            "in 999 rows it still waits for 50 full buckets (there is no trade in the rows)"
        )
        assert found.traded == 0


def test_an_unknown_input_without_a_flag_is_said_so() -> None:
    rows = clean_rows(200)
    rows["changes"][50:150] = np.nan
    x = np.ones((200, 1))
    x[50:150] = np.nan
    collector = Collector([Column("theirs", inputs=("changes", "nothing_of_a_row"))])
    collector.add(rows, x)
    found = collector.finish()
    assert found.columns[0].causes == {"absent": 100}
    assert why(found.columns[0], found) == "100 rows lack what it reads"


def test_rows_before_the_first_book_are_no_warmup() -> None:
    rows = clean_rows(300)
    spoil(rows, "crossed", 0, 40)
    x = np.where(np.arange(300) < 50, np.nan, 1.0)[:, None]
    collector = Collector([Column("late", inputs=("mid",), warmup=10)])
    collector.add(rows, x)
    found = collector.finish().columns[0]
    assert found.causes == {"partial": 1, "crossed": 39, "warmup": 10} and found.usable == 250
