import numpy as np
import pytest

from btcframe.testing import markets
from btcframe.types import ROW
from btcframe_features.trades import Trades

from . import hard_rows, naive_trades
from .hard_rows import assert_is_reference, compute

NAMED = {
    "trade_imbalance_1": 1, "trade_imbalance_10": 10, "trade_imbalance_60": 60, "trade_intensity_10": 10,
    "trade_intensity_60": 60, "mean_trade_size_60": 60, "large_trade_share_60": 60, "trade_vwap_gap_60_bps": 60,
    "signed_volume_z_60": 60, "trade_run_length": 1,
}  # fmt: skip


def traded(buys, sells, mid=100.0):
    rows = np.zeros(len(buys), ROW)
    rows["mid"] = mid
    rows["buy_volume"], rows["sell_volume"] = buys, sells
    rows["buy_count"], rows["sell_count"] = np.sign(buys), np.sign(sells)
    rows["max_trade"] = np.maximum(buys, sells)
    rows["buy_notional"], rows["sell_notional"] = rows["buy_volume"] * mid, rows["sell_volume"] * mid
    return rows


def test_columns_are_the_named_ones():
    columns = Trades().columns()
    assert {c.name: c.warmup for c in columns} == NAMED
    assert all(c.family == "trades" and c.unit and c.formula and c.source and c.inputs for c in columns)


@pytest.mark.parametrize("market", hard_rows.EASY)
def test_reference(market):
    assert_is_reference(Trades(), naive_trades.all_of, hard_rows.market(market))


@pytest.mark.shared
@pytest.mark.parametrize("market", hard_rows.RECORDED)
def test_reference_on_a_recorded_session(market):
    assert_is_reference(Trades(), naive_trades.all_of, hard_rows.market(market))


def test_by_hand():
    rows = traded([9.0, 3.0, 0.0, 0.0], [9.0, 1.0, 2.0, 0.0])
    rows["buy_notional"] = rows["buy_volume"] * 99.0
    rows["sell_notional"] = rows["sell_volume"] * 99.0
    component = Trades((1, 3), (3,), (3,), (3,), (3,), (3,))
    got = {name: values[3] for name, values in compute(component, rows).items()}
    net = np.array([2.0, -2.0, 0.0])
    assert got == pytest.approx(
        {
            "trade_imbalance_1": 0.0, "trade_imbalance_3": 0.0, "trade_intensity_3": 1.0, "mean_trade_size_3": 2.0,
            "large_trade_share_3": 0.5, "trade_vwap_gap_3_bps": 100.0, "signed_volume_z_3": 0.0 / net.std(ddof=1),
            "trade_run_length": -1.0,
        }
    )  # fmt: skip


def test_runs():
    buys = np.array([0.0, 0, 2, 3, 0, 1, 1, 0, 0, np.nan, 0, 0])
    sells = np.array([0.0, 0, 1, 0, 0, 1, 0, 4, 1, np.nan, 0, 1])
    got = compute(Trades(), traded(buys, sells))["trade_run_length"]
    np.testing.assert_array_equal(got, [np.nan, 0, 1, 2, 2, 2, 3, -1, -2, np.nan, 0, -1])


def test_nothing_traded_for_an_hour():
    rows = np.concatenate([traded(np.ones(80), 0.5 * np.ones(80)), traded(np.zeros(3600), np.zeros(3600))])
    got = compute(Trades(), rows)
    for name, values in got.items():
        assert values[-1] == (80 if name == "trade_run_length" else 0), name


def test_the_same_volume_every_row_has_no_z():
    got = compute(Trades(), traded(np.full(200, 0.3), np.full(200, 0.1)))["signed_volume_z_60"]
    assert (got[60:] == 0).all()


def test_a_crossed_row_costs_the_gap_only():
    rows = markets.clean_rows(200)
    markets.spoil(rows, "crossed", 150)
    got = compute(Trades(), rows)
    lost = {name for name, values in got.items() if np.isnan(values[60:]).any()}
    assert lost == {"trade_vwap_gap_60_bps"}
    assert np.isnan(got["trade_vwap_gap_60_bps"][60:]).sum() == 1


def test_a_gap_costs_its_rows_and_four_fifths_are_enough():
    rows = markets.clean_rows(400)
    markets.spoil(rows, "gap", 100, 11)  # and the PARTIAL row: 12 of 60 are missing
    markets.spoil(rows, "gap", 300, 12)  # 13 are one too many
    bad = np.isnan(compute(Trades(), rows)["mean_trade_size_60"][60:])
    assert np.flatnonzero(bad[:200]).tolist() == list(range(40, 52))
    # until the first bad row has left the window
    assert np.flatnonzero(bad[200:]).tolist() == list(range(40, 100))


def test_after_a_volume_of_1e12_nothing_is_left_of_it():
    rows, huge = markets.clean_rows(400), markets.clean_rows(400)
    markets.spoil(huge, "huge", 200, 5)
    for name, values in compute(Trades(), rows).items():
        if name != "trade_run_length":  # it became longer
            np.testing.assert_allclose(
                compute(Trades(), huge)[name][265:], values[265:], rtol=1e-13, atol=1e-13
            )


def test_warm_up_counts_from_the_first_mid():
    rows = markets.clean_rows(300)
    late = np.concatenate([np.zeros(50, ROW), rows])
    late["mid"][:50] = np.nan
    early, shifted = compute(Trades(), rows), compute(Trades(), late)
    for name, values in early.items():
        assert np.isnan(shifted[name][:50]).all()
        np.testing.assert_array_equal(shifted[name][50:], values)


def test_other_parameters_other_names():
    other = Trades((2, 300), (7,), (5,), (3, 120), (20,), (12, 90), run_length=False)

    def expected(rows):
        return {
            "trade_imbalance_2": naive_trades.trade_imbalance(rows, 2),
            "trade_imbalance_300": naive_trades.trade_imbalance(rows, 300),
            "trade_intensity_7": naive_trades.trade_intensity(rows, 7),
            "mean_trade_size_5": naive_trades.mean_trade_size(rows, 5),
            "large_trade_share_3": naive_trades.large_trade_share(rows, 3),
            "large_trade_share_120": naive_trades.large_trade_share(rows, 120),
            "trade_vwap_gap_20_bps": naive_trades.trade_vwap_gap_bps(rows, 20),
            "signed_volume_z_12": naive_trades.signed_volume_z(rows, 12),
            "signed_volume_z_90": naive_trades.signed_volume_z(rows, 90),
        }

    assert_is_reference(other, expected, markets.rough_rows(900))


@pytest.mark.parametrize("name", ["imbalance", "intensity", "size", "share", "vwap", "z"])
def test_each_list_alone(name):
    """What an empty list leaves out costs the others nothing."""
    none = {f"{other}_windows": () for other in ("imbalance", "intensity", "size", "share", "vwap", "z")}
    rows = markets.clean_rows(200)
    got = compute(Trades(**none | {f"{name}_windows": (60,)}, run_length=False), rows)
    whole = compute(Trades(), rows)
    assert len(got) == 1
    for column, values in got.items():
        np.testing.assert_array_equal(values, whole[column])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"imbalance_windows": (0,)}, "imbalance_windows"),
        ({"intensity_windows": (60, 10)}, "intensity_windows"),
        ({"size_windows": (60, 60)}, "size_windows"),
        ({"share_windows": (10**20,)}, "share_windows"),
        ({"vwap_windows": (-1,)}, "vwap_windows"),
        ({"z_windows": (1,)}, "z_windows"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Trades(**values)


def test_nothing_chosen():
    with pytest.raises(ValueError, match="no columns"):
        Trades((), (), (), (), (), (), run_length=False)
