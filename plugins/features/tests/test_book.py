import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.testing import markets
from btcframe.types import ROW, RowFlag
from btcframe_features import Book

from . import naive

NAMED = (
    "spread_bps", "microprice_5_gap_bps", "imbalance_1", "imbalance_2_3", "imbalance_4_5", "imbalance_6_10",
    "imbalance_11_20", "depth_bid_5", "depth_ask_5", "depth_bid_20", "depth_ask_20", "depth_ratio_5_20",
    "vwap_gap_bid_10_bps", "vwap_gap_ask_10_bps", "wall_imbalance",
)  # fmt: skip


def compute(component, rows):
    out = np.full((len(rows), len(component.columns())), np.nan)
    component.update(rows, component.state(markets.INSTRUMENT), out)
    return {column.name: out[:, j] for j, column in enumerate(component.columns())}


def reference(rows):
    return {
        "spread_bps": naive.spread_bps(rows),
        "microprice_5_gap_bps": naive.microprice_gap_bps(rows, 5),
        "imbalance_1": naive.imbalance(rows, 1, 1),
        "imbalance_2_3": naive.imbalance(rows, 2, 3),
        "imbalance_4_5": naive.imbalance(rows, 4, 5),
        "imbalance_6_10": naive.imbalance(rows, 6, 10),
        "imbalance_11_20": naive.imbalance(rows, 11, 20),
        "depth_bid_5": naive.depth(rows, "bid", 5),
        "depth_ask_5": naive.depth(rows, "ask", 5),
        "depth_bid_20": naive.depth(rows, "bid", 20),
        "depth_ask_20": naive.depth(rows, "ask", 20),
        "depth_ratio_5_20": naive.depth_ratio(rows, 5, 20),
        "vwap_gap_bid_10_bps": naive.vwap_gap_bps(rows, "bid", 10),
        "vwap_gap_ask_10_bps": naive.vwap_gap_bps(rows, "ask", 10),
        "wall_imbalance": naive.wall_imbalance(rows, 20),
    }


def assert_is_reference(rows, values=None):
    values = values or compute(Book(), rows)
    for name, expected in reference(rows).items():
        naive.assert_close(values[name], expected, name)


def test_columns_are_the_named_ones():
    assert tuple(c.name for c in Book().columns()) == NAMED
    assert all(c.warmup == 0 and c.family == "book" for c in Book().columns())


def test_clean_market():
    assert_is_reference(markets.clean_rows(2000, seed=1))


@pytest.mark.parametrize("seed", range(4))
def test_every_bad_row(seed):
    rows = markets.rough_rows(2000, seed=seed)
    flags = np.bitwise_or.reduce(rows["flags"])
    assert all(flags & f for f in (RowFlag.GAP, RowFlag.CROSSED, RowFlag.ONE_SIDED, RowFlag.THIN))
    assert_is_reference(rows)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    price=st.sampled_from([0.5, 100.0, 60_000.0, 5e6]),
    scale=st.sampled_from([1e-6, 1.0, 1e9]),
)
def test_any_price_and_size(seed, price, scale):
    rows = markets.clean_rows(50, seed=seed, price=price)
    keep = rows["bid_px"][:, -1] > 0
    rows = rows[keep]
    for name in ("bid_sz", "ask_sz"):
        rows[name] *= scale
    if len(rows):
        assert_is_reference(rows)


def test_by_hand():
    rows = markets.clean_rows(1)
    rows["bid_px"], rows["ask_px"] = 100.0 - np.arange(20), 102.0 + np.arange(20)
    rows["bid_sz"], rows["ask_sz"] = 1.0, 3.0
    rows["bid_sz"][0, 0] = 5.0
    markets.set_mid(rows)  # mid 101
    got = {name: float(v[0]) for name, v in compute(Book(), rows).items()}
    assert got["spread_bps"] == pytest.approx(2 / 101 * 1e4)
    assert got["imbalance_1"] == pytest.approx(2 / 8)
    assert got["imbalance_2_3"] == got["imbalance_11_20"] == pytest.approx(-0.5)
    assert got["depth_bid_5"] == pytest.approx(np.log(1 + 500 + 99 + 98 + 97 + 96))
    assert got["wall_imbalance"] == pytest.approx(5 / 24 - 1 / 20)
    # bids: 9 base coin at a VWAP of 890/9; asks: 15 at 104
    assert got["microprice_5_gap_bps"] == pytest.approx(((104 * 9 + 890 / 9 * 15) / 24 - 101) / 101 * 1e4)
    assert got["vwap_gap_ask_10_bps"] == pytest.approx((106.5 - 101) / 101 * 1e4)


def test_microprice_of_level_1_is_half_the_spread_times_the_imbalance():
    values = compute(Book(microprice_levels=(1,)), markets.clean_rows(500, seed=2))
    expected = values["spread_bps"] / 2 * values["imbalance_1"]
    naive.assert_close(values["microprice_1_gap_bps"], expected, "microprice_1_gap_bps")


def test_sides_mirror():
    """A book seen in the mirror swaps the sides' columns and turns the signs of the signed ones."""
    rows = markets.clean_rows(300, seed=3)
    mirror = rows.copy()
    for one, other in (("bid", "ask"), ("ask", "bid")):
        mirror[f"{one}_px"] = 2 * rows["mid"][:, None] - rows[f"{other}_px"]
        mirror[f"{one}_sz"] = rows[f"{other}_sz"]
    straight, turned = compute(Book(), rows), compute(Book(), mirror)
    for name in NAMED:
        if name.startswith("imbalance") or name == "wall_imbalance":
            np.testing.assert_array_equal(turned[name], -straight[name])
    np.testing.assert_allclose(turned["vwap_gap_bid_10_bps"], straight["vwap_gap_ask_10_bps"], rtol=1e-9)


def test_a_missing_side_costs_only_what_reads_it():
    rows = markets.clean_rows(3)
    markets.spoil(rows, "one_sided", 1)
    values = compute(Book(), rows)
    assert {name for name, v in values.items() if not np.isnan(v[1])} == {"depth_bid_5", "depth_bid_20"}
    assert all(not np.isnan(v[2]) for v in values.values())


def test_thin_side():
    rows = markets.clean_rows(3)
    markets.spoil(rows, "thin", 1)  # 7 bids
    values = compute(Book(), rows)
    missing = {name for name, v in values.items() if np.isnan(v[1])}
    assert missing == {
        "imbalance_6_10", "imbalance_11_20", "depth_bid_20", "depth_ratio_5_20", "vwap_gap_bid_10_bps", "wall_imbalance",
    }  # fmt: skip


def test_other_parameters_other_names():
    other = Book(
        spread=False,
        microprice_levels=(3,),
        bands=("1-20",),
        depths=(10, 15),
        vwap_levels=(5,),
        wall_levels=(10,),
    )
    names = [c.name for c in other.columns()]
    assert names == [
        "microprice_3_gap_bps", "imbalance_1_20", "depth_bid_10", "depth_ask_10", "depth_bid_15", "depth_ask_15",
        "depth_ratio_10_15", "vwap_gap_bid_5_bps", "vwap_gap_ask_5_bps", "wall_imbalance_10",
    ]  # fmt: skip
    assert not set(names) & set(NAMED)
    rows = markets.rough_rows(400)
    values = compute(other, rows)
    naive.assert_close(values["microprice_3_gap_bps"], naive.microprice_gap_bps(rows, 3), "microprice")
    naive.assert_close(values["imbalance_1_20"], naive.imbalance(rows, 1, 20), "imbalance")
    naive.assert_close(values["depth_ratio_10_15"], naive.depth_ratio(rows, 10, 15), "ratio")
    naive.assert_close(values["vwap_gap_ask_5_bps"], naive.vwap_gap_bps(rows, "ask", 5), "vwap")
    naive.assert_close(values["wall_imbalance_10"], naive.wall_imbalance(rows, 10), "wall")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"depths": (0, 5)}, "depths"),
        ({"depths": (20, 5)}, "depths"),
        ({"vwap_levels": (21,)}, "vwap_levels"),
        ({"bands": ("3-2",)}, "bands"),
        ({"bands": ("1-",)}, "bands"),
        ({"bands": ("1-21",)}, "bands"),
        ({"bands": ("1", "1")}, "bands"),
        ({"bands": ("1", "1-1")}, "bands"),
        ({"microprice_levels": (5, 5)}, "microprice_levels"),
        ({"vwap_levels": (3, 4, 3)}, "vwap_levels"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Book(**values)


def test_nothing_chosen():
    with pytest.raises(ValueError, match="no columns"):
        Book(spread=False, microprice_levels=(), bands=(), depths=(), vwap_levels=(), wall_levels=())


def test_no_rows():
    assert all(len(v) == 0 for v in compute(Book(), np.zeros(0, ROW)).values())
