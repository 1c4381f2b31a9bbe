from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.testing import markets
from btcframe.types import ROW
from btcframe_features.pressure import Pressure

from . import hard_rows, naive, naive_pressure
from .hard_rows import compute
from .test_flow import MARKETS, assert_no_drift, quiet

NAMED = {
    "price_pressure_2_5": 0, "price_pressure_2_10": 0, "microprice_gap_change_bps": 1, "imbalance_velocity": 9,
    "replenishment_bid": 10, "replenishment_ask": 10,
}  # fmt: skip


def assert_is_reference(rows):
    values = compute(Pressure(), rows)
    for name, expected in naive_pressure.columns(rows).items():
        naive.assert_close(values[name], expected, name)


def test_columns_are_the_named_ones():
    columns = Pressure().columns()
    assert {c.name: c.warmup for c in columns} == NAMED
    assert all(c.family == "pressure" for c in columns)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_is_the_reference(market, seed):
    rows = market() if seed is None else hard_rows.spoiled(market(), seed)
    hard_rows.assert_is_reference(Pressure(), naive_pressure.columns, rows)


@pytest.mark.parametrize("seed", range(2))
def test_every_bad_row(seed):
    hard_rows.assert_is_reference(Pressure(), naive_pressure.columns, markets.rough_rows(2000, seed=seed))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    price=st.sampled_from([100.0, 60_000.0, 5e6]),
    scale=st.sampled_from([1e-6, 1.0, 1e9]),
)
def test_any_price_and_size(seed, price, scale):
    rows = markets.clean_rows(60, seed=seed, price=price)
    for name in ("bid_sz", "ask_sz"):
        rows[name] *= scale
    assert_is_reference(rows)


def test_by_hand():
    rows = markets.clean_rows(3)
    rows["bid_px"], rows["ask_px"] = 100.0 - 0.1 * np.arange(20), 100.2 + 0.1 * np.arange(20)  # m = 100.1
    rows["bid_sz"], rows["ask_sz"] = 1.0, 2.0
    rows["bid_sz"][1, 0] = 6.0  # imbalance_1 is −1/3, then 1/2
    markets.set_mid(rows)
    rows["add_bid"], rows["rem_bid"] = [np.nan, 3, 0], [np.nan, 1, 0]
    got = compute(Pressure(levels=(2, 3), half_lives=(1,), window=1), rows)
    np.testing.assert_allclose(got["price_pressure_2_2"], -1 / 3)  # the same distances on both sides
    gap = 0.1 / 100.1 * 1e4 * np.array([-1 / 3, 1 / 2, -1 / 3])
    np.testing.assert_allclose(got["microprice_gap_change_bps"], np.r_[np.nan, np.diff(gap)], rtol=1e-9)
    x = np.array([-1 / 3, 0.0, -1 / 3])
    mean = np.array([x[0], (x[1] + x[0] / 2) / 1.5, (x[2] + x[1] / 2 + x[0] / 4) / 1.75])
    np.testing.assert_allclose(got["imbalance_velocity_1"], x - mean, atol=1e-15)
    np.testing.assert_array_equal(got["replenishment_bid_1"], [np.nan, 0.5, 0.0])


def test_nearer_sizes_weigh_more():
    rows = markets.clean_rows(2)
    rows["bid_px"], rows["ask_px"] = 100.0 - 0.1 * np.arange(20), 100.2 + 0.1 * np.arange(20)
    rows["bid_sz"] = rows["ask_sz"] = 0.0
    rows["bid_sz"][:, 1] = rows["ask_sz"][:, 3] = 1.0  # 2 and 4 ticks from m: weights 1/3 and 1/5
    markets.set_mid(rows)
    got = compute(Pressure(), rows)["price_pressure_2_5"]
    assert got == pytest.approx((1 / 3 - 1 / 5) / (1 / 3 + 1 / 5))


def test_the_tick_is_the_instruments():
    rows = markets.clean_rows(200)
    fine = markets.INSTRUMENT._replace(tick=Decimal("0.01"))
    out = np.full((200, len(NAMED)), np.nan)
    Pressure().update(rows, Pressure().state(fine), out)
    expected = naive_pressure.weighted_imbalance(rows, 2, 10, naive_pressure.TICK / 10)
    naive.assert_close(out[:, 1], expected, "price_pressure_2_10")


def test_the_gap_is_the_microprice_less_the_mid():
    rows = markets.clean_rows(500, seed=4)
    gap = (rows["microprice"] - rows["mid"]) / rows["mid"] * 1e4
    got = compute(Pressure(), rows)["microprice_gap_change_bps"]
    np.testing.assert_allclose(got[1:], np.diff(gap), atol=1e-9)


def test_sides_mirror():
    rows = markets.clean_rows(300, seed=3)
    mirror = rows.copy()
    for one, other in (("bid", "ask"), ("ask", "bid")):
        mirror[f"{one}_px"] = 2 * rows["mid"][:, None] - rows[f"{other}_px"]
        for name in ("{}_sz", "add_{}", "rem_{}"):
            mirror[name.format(one)] = rows[name.format(other)]
    straight, turned = compute(Pressure(), rows), compute(Pressure(), mirror)
    for name in ("price_pressure_2_5", "price_pressure_2_10", "imbalance_velocity"):
        np.testing.assert_allclose(turned[name], -straight[name], rtol=1e-7, atol=1e-13)
    np.testing.assert_array_equal(turned["replenishment_bid"], straight["replenishment_ask"])


def test_warm_up_counts_from_the_first_mid():
    rows = markets.clean_rows(200)
    late = np.concatenate([markets.clean_rows(50, seed=9), rows])
    late["mid"][:50] = np.nan
    early, shifted = compute(Pressure(), rows), compute(Pressure(), late)
    for name in NAMED:
        assert np.isnan(shifted[name][:50]).all()
        np.testing.assert_array_equal(shifted[name][50:], early[name])


def test_a_still_book_has_no_velocity():
    got = compute(Pressure(), quiet(5000))
    for name in ("microprice_gap_change_bps", "imbalance_velocity", "replenishment_bid", "replenishment_ask"):
        values = got[name][10:]
        assert (values == 0).all(), name


def test_no_drift():
    assert_no_drift(Pressure())


def test_one_bad_row_costs_what_reads_it():
    rows = markets.clean_rows(200)
    markets.spoil(rows, "crossed", 100)
    got = compute(Pressure(), rows)
    lost = {name: list(np.flatnonzero(np.isnan(got[name][20:])) + 20) for name in NAMED}
    assert lost == {
        "price_pressure_2_5": [100], "price_pressure_2_10": [100], "microprice_gap_change_bps": [100, 101],
        "imbalance_velocity": [100], "replenishment_bid": [], "replenishment_ask": [],
    }  # fmt: skip
    rows["add_bid"][150] = np.nan
    got = compute(Pressure(), rows)
    assert np.isnan(got["replenishment_bid"][150]) and not np.isnan(got["replenishment_bid"][151])
    assert not np.isnan(got["replenishment_ask"][150])


def test_other_parameters_other_names():
    other = Pressure(levels=(3, 20), microprice_change=False, half_lives=(4, 40), window=25)
    assert [c.name for c in other.columns()] == [
        "price_pressure_2_3", "price_pressure_2_20", "imbalance_velocity_4", "imbalance_velocity_40",
        "replenishment_bid_25", "replenishment_ask_25",
    ]  # fmt: skip
    rows = markets.rough_rows(600)
    got = compute(other, rows)
    for name, expected in {
        "price_pressure_2_3": naive_pressure.weighted_imbalance(rows, 2, 3),
        "price_pressure_2_20": naive_pressure.weighted_imbalance(rows, 2, 20),
        "imbalance_velocity_40": naive_pressure.imbalance_velocity(rows, 40),
        "replenishment_ask_25": naive_pressure.replenishment(rows, "ask", 25),
    }.items():
        naive.assert_close(got[name], expected, name)
    only = Pressure((), True, (), False)
    assert [c.name for c in only.columns()] == ["microprice_gap_change_bps"]
    np.testing.assert_array_equal(
        compute(only, rows)["microprice_gap_change_bps"],
        compute(Pressure(), rows)["microprice_gap_change_bps"],
    )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"levels": (1,)}, "levels"),
        ({"levels": (21,)}, "levels"),
        ({"levels": (10, 5)}, "levels"),
        ({"half_lives": (0,)}, "half_lives"),
        ({"half_lives": (9, 3)}, "half_lives"),
        ({"window": 0}, "window"),
        ({"window": 10**20}, "window"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Pressure(**values)


def test_nothing_chosen():
    with pytest.raises(ValueError, match="no columns"):
        Pressure((), False, (), False)


def test_no_rows():
    assert all(len(v) == 0 for v in compute(Pressure(), np.zeros(0, ROW)).values())
