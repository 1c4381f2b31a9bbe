import numpy as np
import pytest

from btcframe.testing import markets
from btcframe.types import ROW
from btcframe_features.urgency import Urgency

from . import hard_rows, naive, naive_urgency
from .hard_rows import compute
from .test_flow import MARKETS, assert_no_drift, quiet

NAMED = {
    "fill_probability_bid": 30, "fill_probability_ask": 30, "adverse_selection_10_bps": 70, "mid_age": 1,
    "execution_urgency": 70,
}  # fmt: skip


def test_columns_are_the_named_ones():
    columns = Urgency().columns()
    assert {c.name: c.warmup for c in columns} == NAMED
    assert all(c.family == "urgency" for c in columns)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_is_the_reference(market, seed):
    rows = market() if seed is None else hard_rows.spoiled(market(), seed)
    hard_rows.assert_is_reference(Urgency(), naive_urgency.columns, rows)


@pytest.mark.parametrize("seed", range(2))
def test_every_bad_row(seed):
    hard_rows.assert_is_reference(Urgency(), naive_urgency.columns, markets.rough_rows(2000, seed=seed))


def test_fill_probability_by_hand():
    rows = markets.clean_rows(4)
    rows["sell_volume"], rows["buy_volume"] = [np.nan, 0.0, 1.0, 3.0], [np.nan, 0.0, 0.0, 0.0]
    rows["bid_sz"][:, 0] = 20.0
    got = compute(Urgency(horizon=5, fill_half_life=1), rows)
    mean = np.array([np.nan, 0, 1 / 1.5, (3 + 1 / 2) / 1.75])
    np.testing.assert_allclose(got["fill_probability_bid_5_1"], 1 - np.exp(-5 * mean / 20))
    np.testing.assert_array_equal(got["fill_probability_ask_5_1"], [np.nan, 0, 0, 0])


def test_adverse_selection_by_hand():
    rows = markets.clean_rows(6)
    rows["mid"] = [100.0, 101.0, 102.0, 101.0, 103.0, 103.0]
    rows["buy_volume"], rows["sell_volume"] = [np.nan, 1, 0, 2, 2, 0], [np.nan, 0, 3, 2, 1, 0]
    got = compute(Urgency(horizon=1, adverse_half_life=1), rows)["adverse_selection_1_1_bps"]
    # row 2: bought, and up; row 3: sold, and down; row 4: level trades before it, the value is carried; row 5: bought
    up, down = 1e4 / 102, 1e4 / 101
    at_3 = (down + up / 2) / 1.5
    np.testing.assert_allclose(
        got, [np.nan, np.nan, up, at_3, at_3, (0 + down / 4 + up / 8) / (1 + 1 / 4 + 1 / 8)]
    )


def test_mid_age_by_hand():
    rows = markets.clean_rows(9)
    rows["mid"] = [100.0, 100.0, 100.0, 101.0, 101.0, np.nan, 101.0, np.nan, 102.0]
    got = compute(Urgency(), rows)["mid_age"]
    np.testing.assert_array_equal(got, np.log([np.nan, 2, 3, 1, 2, np.nan, 4, np.nan, 1]))


def test_execution_urgency_by_hand():
    """Level books and no trades after the first: what is left is the spread once paid."""
    rows = np.concatenate([markets.clean_rows(1), quiet(100)])
    rows["bid_px"], rows["ask_px"] = 100.0 - 0.1 * np.arange(20), 100.2 + 0.1 * np.arange(20)
    rows["bid_sz"] = rows["ask_sz"] = 1.0
    markets.set_mid(rows)
    rows["buy_volume"][5], rows["signed_cost"][5] = 2.0, 2.0 * 0.1
    got = compute(Urgency(), rows)["execution_urgency"]
    spread = 2e4 * 0.1 / 100.1
    np.testing.assert_allclose(got[70:], 1 / (1 + np.exp(spread / 2)))


def test_urgency_waits_for_a_trade():
    rows = quiet(200)
    rows["buy_volume"][150], rows["signed_cost"][150] = 1.0, 0.05
    got = compute(Urgency(), rows)
    assert (
        np.isnan(got["execution_urgency"][:150]).all() and not np.isnan(got["execution_urgency"][150:]).any()
    )
    assert (got["adverse_selection_10_bps"][70:160] == 0).all()  # nothing was bought or sold


def test_warm_up_counts_from_the_first_mid():
    rows = markets.clean_rows(200)
    late = np.concatenate([markets.clean_rows(50, seed=9), rows])
    late["mid"][:50] = np.nan
    early, shifted = compute(Urgency(), rows), compute(Urgency(), late)
    for name in NAMED:
        assert np.isnan(shifted[name][:50]).all()
        np.testing.assert_array_equal(shifted[name][50:], early[name])


def test_nothing_ahead_in_the_queue():
    """The first trade fills the order, so it is as good as sure; without any trade ever, it is not."""
    rows = quiet(200)
    rows["sell_volume"][100:], rows["bid_sz"][150, 0], rows["ask_sz"][150, 0] = 0.1, 0.0, 0.0
    hard_rows.assert_is_reference(Urgency(), naive_urgency.columns, rows)
    got = compute(Urgency(), rows)
    assert got["fill_probability_bid"][150] == 1.0 and got["fill_probability_ask"][150] == 0.0
    assert 0 < got["fill_probability_bid"][149] < 1


def test_hours_without_a_trade():
    rows = markets.clean_rows(300)
    got = compute(Urgency(), np.concatenate([rows, quiet(50_000, rows["mid"][-1]), rows[1:]]))
    last = 50_299
    assert got["fill_probability_bid"][last] == 0
    assert got["adverse_selection_10_bps"][last] == got["adverse_selection_10_bps"][400]
    assert got["mid_age"][last] == pytest.approx(np.log(50_000), rel=1e-3)
    assert 0 < got["execution_urgency"][last] < 1
    alone = compute(Urgency(), rows)
    for name in ("mid_age", "fill_probability_ask"):
        np.testing.assert_allclose(got[name][-50:], alone[name][-50:], rtol=5e-3)


def test_no_drift():
    assert_no_drift(Urgency())


def test_one_bad_row_costs_what_reads_it():
    rows = markets.clean_rows(300)
    markets.spoil(rows, "crossed", 200)
    got = compute(Urgency(), rows)
    lost = {name: list(np.flatnonzero(np.isnan(got[name][100:])) + 100) for name in NAMED}
    assert lost == {
        "fill_probability_bid": [200], "fill_probability_ask": [200], "adverse_selection_10_bps": [200, 210],
        "mid_age": [200], "execution_urgency": [200, 201, 210],
    }  # fmt: skip


def test_sizes_of_1e12_and_back():
    rows = markets.clean_rows(4000)
    rows["buy_volume"][300] = 1e12
    rows["ask_sz"][301, 0] = 1e12
    got, clean = compute(Urgency(), rows), compute(Urgency(), markets.clean_rows(4000))
    assert all(np.isfinite(v[70:]).all() for v in got.values())
    np.testing.assert_allclose(got["fill_probability_ask"][2500:], clean["fill_probability_ask"][2500:])


def test_weights_move_it():
    rows = markets.clean_rows(300)
    base = compute(Urgency(weights=(0.0, 0.0, 0.0)), rows)
    assert (base["execution_urgency_10_60_30_5_0_0_0"][70:] == 0.5).all()
    spread = compute(Urgency(weights=(0.0, 0.0, 1.5)), rows)["execution_urgency_10_60_30_5_0_0_1p5"]
    expected = 1 / (1 + np.exp(1.5 * naive_urgency.effective_spread_bps(rows)[70:].astype(float) / 2))
    np.testing.assert_allclose(spread[70:], expected, rtol=1e-9)
    extreme = compute(Urgency(weights=(1e12, -1e12, 1e-300)), rows)
    values = extreme["execution_urgency_10_60_30_5_1e12_m1e12_1em300"][70:]
    assert ((values >= 0) & (values <= 1)).all()


def test_other_parameters_other_names():
    other = Urgency(age=False, horizon=20, fill_half_life=15, adverse_half_life=25, window=12, levels=3)
    assert [c.name for c in other.columns()] == [
        "fill_probability_bid_20_15", "fill_probability_ask_20_15", "adverse_selection_20_25_bps",
        "execution_urgency_20_25_12_3",
    ]  # fmt: skip
    rows = markets.rough_rows(600)
    got = compute(other, rows)
    for name, expected in {
        "fill_probability_bid_20_15": naive_urgency.fill_probability(rows, "bid", 20, 15),
        "adverse_selection_20_25_bps": naive_urgency.adverse_selection_bps(rows, 20, 25),
        "execution_urgency_20_25_12_3": naive_urgency.execution_urgency(rows, 20, 25, 12, 3),
    }.items():
        naive.assert_close(got[name], expected, name)
    for field, names in (
        ("fills", ["fill_probability_bid", "fill_probability_ask"]),
        ("adverse", ["adverse_selection_10_bps"]),
        ("age", ["mid_age"]),
        ("urgency", ["execution_urgency"]),
    ):
        only = Urgency(**{"fills": False, "adverse": False, "age": False, "urgency": False, field: True})
        assert [c.name for c in only.columns()] == names
        for name in names:
            np.testing.assert_array_equal(compute(only, rows)[name], compute(Urgency(), rows)[name])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"horizon": 0}, "horizon"),
        ({"fill_half_life": 0}, "fill_half_life"),
        ({"adverse_half_life": 10**20}, "adverse_half_life"),
        ({"window": -1}, "window"),
        ({"levels": 0}, "levels"),
        ({"levels": 21}, "levels"),
        ({"weights": (1.0, 1.0)}, "weights"),
        ({"weights": (1.0, 1.0, float("nan"))}, "weights"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Urgency(**values)


def test_nothing_chosen():
    with pytest.raises(ValueError, match="no columns"):
        Urgency(False, False, False, False)


def test_no_rows():
    assert all(len(v) == 0 for v in compute(Urgency(), np.zeros(0, ROW)).values())
