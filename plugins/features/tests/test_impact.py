import numpy as np
import pytest

from btcframe.testing import markets
from btcframe.types import ROW
from btcframe_features.impact import Impact

from . import hard_rows, naive_impact
from .hard_rows import assert_is_reference, compute

NAMED = {
    "kyle_lambda_60": 60, "amihud_60": 60, "effective_spread_bps": 1, "realized_spread_10_bps": 70,
    "cost_to_buy_bps": 0, "cost_to_sell_bps": 0,
}  # fmt: skip


def test_columns_are_the_named_ones():
    columns = Impact().columns()
    assert {c.name: c.warmup for c in columns} == NAMED
    assert all(c.family == "impact" and c.unit and c.formula and c.source and c.inputs for c in columns)


@pytest.mark.parametrize("market", hard_rows.EASY)
def test_reference(market):
    assert_is_reference(Impact(), naive_impact.all_of, hard_rows.market(market))


@pytest.mark.shared
@pytest.mark.parametrize("market", hard_rows.RECORDED)
def test_reference_on_a_recorded_session(market):
    assert_is_reference(Impact(), naive_impact.all_of, hard_rows.market(market))


def test_lambda_is_the_slope_that_made_the_prices():
    rng = np.random.default_rng(0)
    rows = markets.clean_rows(300)
    net = rng.normal(size=300)
    rows["buy_volume"], rows["sell_volume"] = np.maximum(net, 0) + 1, np.maximum(-net, 0) + 1
    rows["mid"] = 60_000 * np.exp(np.cumsum(1e-4 * (0.7 * net + 0.2)))
    np.testing.assert_allclose(compute(Impact(), rows)["kyle_lambda_60"][60:], 0.7, rtol=1e-9)


def test_amihud_by_hand():
    rows = np.zeros(3, ROW)
    rows["mid"] = 100.0, 110.0, 99.0
    rows["buy_notional"] = np.nan, 2e6, 0.0
    rows["sell_notional"] = np.nan, 0.0, 6e6
    got = compute(Impact(amihud_windows=(2,)), rows)["amihud_2"]
    assert got[2] == pytest.approx(1e9 * (np.log(1.1) - np.log(0.9)) / 8e6)


def test_spreads_of_a_market_that_does_not_move():
    """Everyone pays the half-spread, and keeps having paid it: both spreads are the quoted one."""
    rows = np.zeros(200, ROW)
    rows["mid"] = 100.0
    rows["buy_volume"], rows["sell_volume"] = 3.0, 1.0
    rows["buy_notional"], rows["sell_notional"] = 3 * 100.05, 1 * 99.95
    rows["signed_cost"] = 4 * 0.05
    got = compute(Impact(), rows)
    np.testing.assert_allclose(got["effective_spread_bps"][1:], 10.0)
    np.testing.assert_allclose(got["realized_spread_10_bps"][70:], 10.0)


def test_the_effective_spread_is_carried():
    rows = markets.clean_rows(30)
    for name in ("buy_volume", "sell_volume", "signed_cost"):
        rows[name][10:15] = 0.0
    markets.spoil(rows, "gap", 20, 2)
    got = compute(Impact(), rows)["effective_spread_bps"]
    assert (got[10:15] == got[9]).all() and got[9] != 0
    assert np.isnan(got[20:23]).all() and np.isfinite(got[23:]).all()
    rows["buy_volume"][23] = rows["sell_volume"][23] = rows["signed_cost"][23] = 0.0
    assert compute(Impact(), rows)["effective_spread_bps"][23] == got[19]


def book(bids, asks):
    rows = markets.clean_rows(1)
    for side, levels in (("bid", bids), ("ask", asks)):
        rows[f"{side}_px"], rows[f"{side}_sz"] = np.array(levels).T
    markets.set_mid(rows)
    return rows


def test_costs_by_hand():
    bids = [(100.0 - i, 2.0) for i in range(20)]
    asks = [(102.0 + i, 1.0) for i in range(20)]
    component = Impact((), (), False, (), notionals=(50, 200, 256, 100_000))
    got = {name: values[0] for name, values in compute(component, book(bids, asks)).items()}
    coins = 2 + (256 - 102 - 103) / 104  # levels 1 and 2 are not enough
    assert got["cost_to_buy_50_bps"] == pytest.approx(1e4 / 101)
    assert got["cost_to_buy_256_bps"] == pytest.approx(1e4 * (256 / coins / 101 - 1))
    assert got["cost_to_sell_200_bps"] == pytest.approx(1e4 / 101)  # exactly what level 1 holds
    held = sum(p * q for p, q in bids)
    coins = 40 + (100_000 - held) / 81  # the rest at level 20
    assert got["cost_to_sell_100000_bps"] == pytest.approx(1e4 * (1 - 100_000 / coins / 101))


def test_costs_of_a_missing_side_and_of_a_thin_one():
    rows = markets.clean_rows(4)
    markets.spoil(rows, "thin", 1)  # 7 bids
    markets.spoil(rows, "one_sided", 2)
    markets.spoil(rows, "empty_levels", 3)
    got = compute(Impact(), rows)
    assert np.isnan(got["cost_to_sell_bps"]).tolist() == [False, True, True, False]
    assert np.isnan(got["cost_to_buy_bps"]).tolist() == [False, False, True, False]
    last = (rows["ask_px"][3, 19] - rows["mid"][3]) / rows["mid"][3] * 1e4
    assert got["cost_to_buy_bps"][3] == pytest.approx(last)  # levels that hold nothing: all at level 20


def test_a_still_market_has_no_impact():
    rows = markets.clean_rows(200)
    rows["mid"] = rows["mid"][0]
    still = compute(Impact(), rows)
    assert (still["kyle_lambda_60"][60:] == 0).all() and (still["amihud_60"][60:] == 0).all()
    rows = markets.clean_rows(200)
    rows["buy_volume"] = rows["sell_volume"] = rows["buy_notional"] = rows["sell_notional"] = 0.0
    quiet = compute(Impact(), rows)
    for name in ("kyle_lambda_60", "amihud_60", "realized_spread_10_bps"):
        assert (quiet[name][70:] == 0).all(), name
    assert np.isnan(quiet["effective_spread_bps"]).all()  # nothing to carry


def test_after_a_volume_of_1e12_nothing_is_left_of_it():
    rows, huge = markets.clean_rows(400), markets.clean_rows(400)
    markets.spoil(huge, "huge", 200, 5)
    clean, after = compute(Impact(), rows), compute(Impact(), huge)
    for name, values in clean.items():
        np.testing.assert_allclose(after[name][275:], values[275:], rtol=1e-11, err_msg=name)


def test_other_parameters_other_names():
    other = Impact((12, 30), (5, 100), False, (1, 7), 20, (1000, 50_000_000))

    def expected(rows):
        return {
            "kyle_lambda_12": naive_impact.kyle_lambda(rows, 12),
            "kyle_lambda_30": naive_impact.kyle_lambda(rows, 30),
            "amihud_5": naive_impact.amihud(rows, 5),
            "amihud_100": naive_impact.amihud(rows, 100),
            "realized_spread_1_20_bps": naive_impact.realized_spread_bps(rows, 1, 20),
            "realized_spread_7_20_bps": naive_impact.realized_spread_bps(rows, 7, 20),
            "cost_to_buy_1000_bps": naive_impact.cost_bps(rows, "buy", 1000),
            "cost_to_sell_1000_bps": naive_impact.cost_bps(rows, "sell", 1000),
            "cost_to_buy_50000000_bps": naive_impact.cost_bps(rows, "buy", 50_000_000),
            "cost_to_sell_50000000_bps": naive_impact.cost_bps(rows, "sell", 50_000_000),
        }

    rows = markets.rough_rows(900)
    assert_is_reference(other, expected, rows)
    alone = compute(Impact((), (), True, (), notionals=()), rows)
    assert list(alone) == ["effective_spread_bps"]
    np.testing.assert_array_equal(
        alone["effective_spread_bps"], compute(Impact(), rows)["effective_spread_bps"]
    )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kyle_windows": (1,)}, "kyle_windows"),
        ({"amihud_windows": (60, 30)}, "amihud_windows"),
        ({"realized_horizons": (0,)}, "realized_horizons"),
        ({"realized_window": 0}, "realized_window"),
        ({"realized_window": 10**20}, "realized_window"),
        ({"notionals": (0,)}, "notionals"),
        ({"notionals": (10**16,)}, "notionals"),
        ({"notionals": (5, 5)}, "notionals"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Impact(**values)


def test_nothing_chosen():
    with pytest.raises(ValueError, match="no columns"):
        Impact((), (), False, (), notionals=())
