from decimal import Decimal

import numpy as np
import pytest

from btcframe.testing import markets
from btcframe.types import ROW
from btcframe_features.toxicity import Toxicity

from . import hard_rows, naive_toxicity
from .hard_rows import assert_is_reference, compute

NAMED = {
    "vpin_50": 1,
    "cancel_rate_bid": 60,
    "cancel_rate_ask": 60,
    "order_to_trade_60": 60,
    "quote_flicker_60": 60,
}


def traded(buys, sells):
    rows = np.zeros(len(buys), ROW)
    rows["mid"] = 100.0
    rows["buy_volume"], rows["sell_volume"] = buys, sells
    return rows


def test_columns_are_the_named_ones():
    columns = Toxicity().columns()
    assert {c.name: c.warmup for c in columns} == NAMED
    assert all(c.family == "toxicity" and c.unit and c.formula and c.source and c.inputs for c in columns)


@pytest.mark.parametrize("market", hard_rows.EASY)
def test_reference(market):
    assert_is_reference(Toxicity(), naive_toxicity.all_of, hard_rows.market(market))


@pytest.mark.shared
@pytest.mark.parametrize("market", hard_rows.RECORDED)
def test_reference_on_a_recorded_session(market):
    rows = hard_rows.market(market)
    assert_is_reference(Toxicity(), naive_toxicity.all_of, rows)
    small = Toxicity((50,), 0.5, (), (), ())
    assert_is_reference(small, lambda rows: {"vpin_50_0p5": naive_toxicity.vpin(rows, 50, 0.5)}, rows)
    assert np.isfinite(compute(small, rows)["vpin_50_0p5"]).mean() > 0.5


def test_buckets_by_hand():
    """Buckets of 10: a row of 8 and one of 6 make one full bucket and 4 of the next."""
    rows = traded([0.0, 6, 6, 1, 0, 15], [0.0, 2, 0, 0, 0, 25])
    got = compute(Toxicity((1, 2), 10.0, (), (), ()), rows)
    # +4 and a third of +6; then 2/3 of +6, +1 and 5/40 of −10; the rest of the last row three whole buckets
    first, second, third = 6 / 10, 3.75 / 10, 10 / 40
    np.testing.assert_allclose(got["vpin_1"], [np.nan, np.nan, first, first, first, third])
    assert second != third
    np.testing.assert_allclose(got["vpin_2"], [np.nan] * 5 + [third])


def test_two_buckets_in_one_row():
    rows = traded([0.0, 5, 8], [0.0, 0, 7])
    got = compute(Toxicity((2,), 10.0, (), (), ()), rows)["vpin_2"]
    np.testing.assert_allclose(got[2], ((5 + 5 / 15) / 10 + (1 / 15)) / 2)


def test_edges_of_buckets_do_not_drift():
    """0.1 and 0.2 are no floats: 100,000 rows later a bucket still ends where it should."""
    n = 100_000
    rows = traded(np.tile([0.1, 0.0], n // 2), np.tile([0.0, 0.2], n // 2))
    got = compute(Toxicity((1,), 0.3, (), (), ()), rows)["vpin_1_0p3"]
    np.testing.assert_allclose(got[1:], 1 / 3, rtol=1e-12)


def test_a_volume_that_fills_a_billion_buckets():
    rows = traded(np.full(80, 30.0), np.full(80, 10.0))
    rows["buy_volume"][40:42] = 3e12
    got = compute(Toxicity((50,), 10.0, (), (), ()), rows)["vpin_50"]
    assert got[39] == pytest.approx(0.5) and got[40] == pytest.approx(1.0)
    assert got[-1] == pytest.approx(0.5)  # 38 rows of 4 buckets later


def test_sides_mirror():
    rows = markets.rough_rows(900)
    mirror = rows.copy()
    for one, other in (("buy_volume", "sell_volume"), ("rem_bid", "rem_ask")):
        mirror[one], mirror[other] = rows[other], rows[one]
    straight, turned = compute(Toxicity(), rows), compute(Toxicity(), mirror)
    np.testing.assert_array_equal(turned["cancel_rate_bid"], straight["cancel_rate_ask"])
    np.testing.assert_allclose(turned["vpin_50"], straight["vpin_50"], rtol=1e-12)


def test_ratios_by_hand():
    rows = np.zeros(3, ROW)
    rows["mid"] = 100.0
    rows["rem_bid"], rows["rem_ask"] = (0, 3, 5), (0, 1, 1)
    rows["sell_volume"], rows["buy_volume"] = (0, 1, 1), (0, 4, 0)
    rows["changes"], rows["buy_count"], rows["sell_count"] = (0, 30, 10), (0, 3, 0), (0, 1, 1)
    rows["mid_moves"], rows["mid_reversals"] = (0, 4, 4), (0, 1, 1)
    got = {name: v[2] for name, v in compute(Toxicity((), 10.0, (2,), (2,), (2,)), rows).items()}
    assert got == pytest.approx(
        {"cancel_rate_bid_2": 0.75, "cancel_rate_ask_2": 0, "order_to_trade_2": 8, "quote_flicker_2": 0.25}
    )


def test_nothing_happens():
    rows = traded(np.zeros(200), np.zeros(200))
    got = compute(Toxicity(), rows)
    assert np.isnan(got.pop("vpin_50")).all()
    for name, values in got.items():
        assert (values[60:] == 0).all(), name


def test_uncounted_flow_leaves_the_others():
    rows = markets.clean_rows(200)
    for name in ("rem_bid", "rem_ask", "changes"):  # FLOW_CUT
        rows[name][100:103] = np.nan
    got = compute(Toxicity((5,)), rows)
    for name, values in got.items():
        lost = np.flatnonzero(np.isnan(values[60:])) + 60
        assert lost.tolist() == ([] if name in ("quote_flicker_60", "vpin_5") else [100, 101, 102]), name


def test_a_bucket_smaller_than_a_lot():
    with pytest.raises(ValueError, match=r"^bucket: 0\.001 is 0 lots of 1"):
        Toxicity(bucket=0.001).state(markets.INSTRUMENT._replace(lot=Decimal(1)))


def test_other_parameters_other_names():
    other = Toxicity((3, 20), 2.5, (10,), (5, 100), (7,))

    def expected(rows):
        return {
            "vpin_3_2p5": naive_toxicity.vpin(rows, 3, 2.5),
            "vpin_20_2p5": naive_toxicity.vpin(rows, 20, 2.5),
            "cancel_rate_bid_10": naive_toxicity.cancel_rate(rows, "bid", 10),
            "cancel_rate_ask_10": naive_toxicity.cancel_rate(rows, "ask", 10),
            "order_to_trade_5": naive_toxicity.order_to_trade(rows, 5),
            "order_to_trade_100": naive_toxicity.order_to_trade(rows, 100),
            "quote_flicker_7": naive_toxicity.quote_flicker(rows, 7),
        }

    assert_is_reference(other, expected, markets.rough_rows(900))
    assert [c.name for c in Toxicity((50,), 100, (), (), ()).columns()] == ["vpin_50_100"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"vpin_buckets": (0,)}, "vpin_buckets"),
        ({"bucket": 0.0}, "bucket"),
        ({"bucket": float("nan")}, "bucket"),
        ({"bucket": float("inf")}, "bucket"),
        ({"cancel_windows": (60, 60)}, "cancel_windows"),
        ({"order_windows": (-5,)}, "order_windows"),
        ({"flicker_windows": (10**20,)}, "flicker_windows"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Toxicity(**values)


def test_nothing_chosen():
    with pytest.raises(ValueError, match="no columns"):
        Toxicity((), 10.0, (), (), ())
