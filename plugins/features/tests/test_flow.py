import numpy as np
import pytest

from btcframe.testing import markets
from btcframe.types import ACCUMULATORS, ROW, RowFlag
from btcframe_features.flow import Flow

from . import hard_rows, naive, naive_flow
from .hard_rows import compute

NAMED = {
    "ofi_1": 1, "ofi_5": 1, "ofi_norm_10": 59, "net_flow_10": 5, "ofi_z_60": 60, "ofi_ewm_5": 5, "ofi_ewm_30": 30,
    "ofi_persistence_60": 61, "depletion_asymmetry": 1,
}  # fmt: skip

MARKETS = [
    hard_rows.synthetic,
    hard_rows.random_walk,
    pytest.param(hard_rows.recorded, marks=pytest.mark.shared),
]


def quiet(n, mid=60_000.05):
    """Rows in which nothing happens."""
    rows = np.repeat(markets.clean_rows(2)[1:], n)
    for name in ACCUMULATORS:
        rows[name] = 0.0
    rows["mid"] = mid
    return rows


def assert_no_drift(component, times=100):
    """Half a million rows, then a few thousand: their values are those of a component that saw only these."""
    rows = hard_rows.spoiled(markets.clean_rows(5000, seed=8), 1)
    state, out = component.state(markets.INSTRUMENT), np.empty((len(rows), len(component.columns())))
    for _ in range(times):
        component.update(rows, state, out)
    for j, (name, values) in enumerate(compute(component, rows).items()):
        naive.assert_close(out[3000:, j], values[3000:], name)


def test_columns_are_the_named_ones():
    columns = Flow().columns()
    assert {c.name: c.warmup for c in columns} == NAMED
    assert all(c.family == "flow" for c in columns)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_is_the_reference(market, seed):
    rows = market() if seed is None else hard_rows.spoiled(market(), seed)
    hard_rows.assert_is_reference(Flow(), naive_flow.columns, rows)


@pytest.mark.parametrize("seed", range(2))
def test_every_bad_row(seed):
    rows = markets.rough_rows(2000, seed=seed)
    flags = np.bitwise_or.reduce(rows["flags"])
    assert all(flags & f for f in (RowFlag.GAP, RowFlag.CROSSED, RowFlag.ONE_SIDED, RowFlag.THIN))
    hard_rows.assert_is_reference(Flow(), naive_flow.columns, rows)


def test_by_hand():
    rows = markets.clean_rows(4)
    rows["ofi"] = 0.0
    rows["ofi"][:, 0] = [np.nan, 2.0, -1.0, 3.0]
    rows["ofi"][:, 1] = [np.nan, 1.0, 1.0, 0.0]
    for name, values in {
        "add_bid": [np.nan, 3, 0, 1], "rem_bid": [np.nan, 1, 0, 0], "add_ask": [np.nan, 0, 0, 0],
        "rem_ask": [np.nan, 0, 0, 1], "rem1_bid": [np.nan, 1, 0, 0], "rem1_ask": [np.nan, 0, 0, 1],
    }.items():  # fmt: skip
        rows[name] = values
    rows["bid_sz"][:, :2], rows["ask_sz"][:, :2] = 3.0, 1.0
    got = compute(Flow(levels=(1, 2), norm_levels=(2,), window=2, net_half_lives=(1,), half_lives=(1,)), rows)
    np.testing.assert_array_equal(got["ofi_1"], [np.nan, 2, -1, 3])
    np.testing.assert_array_equal(got["ofi_2"], [np.nan, 1.5, 0, 1.5])
    np.testing.assert_array_equal(got["ofi_norm_2_2"], [np.nan, 0.75, 0, 0.75])
    # moved: 4, 2, 3; net: 2, 1, 2.5
    np.testing.assert_allclose(got["net_flow_10_1"], [np.nan, 2 / 4, 1 / 2, 2.5 / 3])
    np.testing.assert_allclose(got["ofi_z_2"], [np.nan, np.nan, -(0.5**0.5), 0.5**0.5])
    np.testing.assert_allclose(got["ofi_ewm_1"], [np.nan, 2, 0, (3 - 1 / 2 + 2 / 4) / 1.75], atol=1e-15)
    assert np.isnan(got["ofi_persistence_2"][:3]).all() and got["ofi_persistence_2"][3] == pytest.approx(-1)
    np.testing.assert_allclose(got["depletion_asymmetry"], [np.nan, -1 / 4, 0, 1 / 2])


def test_sides_mirror():
    rows = markets.clean_rows(400, seed=3)
    mirror = rows.copy()
    mirror["ofi"] *= -1
    for one, other in (("bid", "ask"), ("ask", "bid")):
        for name in ("add", "rem", "rem1"):
            mirror[f"{name}_{one}"] = rows[f"{name}_{other}"]
        mirror[f"{one}_sz"] = rows[f"{other}_sz"]
    straight, turned = compute(Flow(), rows), compute(Flow(), mirror)
    for name in NAMED:
        sign = 1 if name == "ofi_persistence_60" else -1
        np.testing.assert_allclose(turned[name], sign * straight[name], rtol=1e-9, atol=1e-13)


def test_warm_up_counts_from_the_first_mid():
    rows = markets.clean_rows(200)
    late = np.concatenate([markets.clean_rows(50, seed=9), rows])
    late["mid"][:50] = np.nan  # flow is known there, but nothing has started
    early, shifted = compute(Flow(), rows), compute(Flow(), late)
    for name in NAMED:
        assert np.isnan(shifted[name][:50]).all()
        np.testing.assert_array_equal(shifted[name][50:], early[name])


def test_a_constant_flow_has_no_z_and_no_persistence():
    for value in (0.0, 0.1, -1e12 / 3):
        rows = quiet(500)
        rows["ofi"] = value
        got = compute(Flow(), rows)
        assert (got["ofi_z_60"][60:] == 0).all() and (got["ofi_persistence_60"][61:] == 0).all()


def test_hours_in_which_nothing_happens():
    """The net flow keeps the share it had; nothing becomes too small to be divided by; then all is as if anew."""
    rows = markets.clean_rows(300)
    got = compute(Flow(), np.concatenate([rows, quiet(50_000), rows[1:]]))
    still = slice(400, 50_300)
    assert (got["net_flow_10"][still] == got["net_flow_10"][300]).all()
    for name in ("ofi_1", "ofi_norm_10", "ofi_z_60", "ofi_persistence_60", "depletion_asymmetry"):
        assert (got[name][still] == 0).all(), name
    assert got["ofi_ewm_30"][50_299] == 0
    alone = compute(Flow(), rows)
    for name in ("net_flow_10", "ofi_z_60", "ofi_persistence_60"):
        np.testing.assert_allclose(got[name][-150:], alone[name][-150:], rtol=1e-6, atol=1e-9)


def test_no_drift():
    assert_no_drift(Flow())


def test_before_anything_moved_the_net_flow_is_0():
    assert (compute(Flow(), quiet(100))["net_flow_10"][5:] == 0).all()


def test_one_bad_row_costs_what_reads_it():
    rows = markets.clean_rows(400)
    for at, kind, lost in (
        (200, "crossed", {"ofi_norm_10": [200], "depletion_asymmetry": [200]}),
        (300, "thin", {"ofi_norm_10": [300]}),
    ):
        markets.spoil(rows, kind, at)
        got = compute(Flow(), rows)
        for name in NAMED:
            seen = np.flatnonzero(np.isnan(got[name][100:])) + 100
            assert [t for t in seen if t >= at] == lost.get(name, []), (kind, name)
    rows = markets.clean_rows(400)
    rows["ofi"][200] = np.nan
    got = compute(Flow(), rows)
    for name, lost in {"ofi_z_60": [200], "ofi_ewm_5": [200], "ofi_persistence_60": [200, 201]}.items():
        assert list(np.flatnonzero(np.isnan(got[name][100:])) + 100) == lost


def test_a_gap_longer_than_a_window():
    rows = markets.clean_rows(600)
    markets.spoil(rows, "gap", 200, 90)  # and a PARTIAL row
    got = compute(Flow(), rows)
    assert np.flatnonzero(~np.isnan(got["ofi_z_60"][200:]))[0] + 200 == 291 + 47  # 48 of 60 are enough
    assert (
        np.flatnonzero(~np.isnan(got["ofi_norm_10"][200:]))[0] + 200 == 291 + 46
    )  # PARTIAL: the book is good
    hard_rows.assert_is_reference(Flow(), naive_flow.columns, rows)


def test_nothing_is_left_of_1e12():
    rows = markets.clean_rows(900)
    rows["ofi"][300] = rows["add_bid"][300] = rows["bid_sz"][300, 4] = 1e12
    got, reference = compute(Flow(), rows), naive_flow.columns(rows)
    for name in NAMED:
        late = np.where(np.arange(900) < 600, np.nan, np.asarray(reference[name], float))
        naive.assert_close(np.where(np.isnan(late), np.nan, got[name]), late, name, reach=1e-6)


def test_other_parameters_other_names():
    other = Flow(
        levels=(3,), norm_levels=(2, 5), window=20, net_half_lives=(3, 9), half_lives=(7,), depletion=False
    )
    assert [c.name for c in other.columns()] == [
        "ofi_3", "ofi_norm_2_20", "ofi_norm_5_20", "net_flow_10_3", "net_flow_10_9", "ofi_z_20", "ofi_ewm_7",
        "ofi_persistence_20",
    ]  # fmt: skip
    assert not {c.name for c in other.columns()} & set(NAMED)
    rows = markets.rough_rows(600)
    got = compute(other, rows)
    for name, expected in {
        "ofi_3": naive_flow.ofi(rows, 3),
        "ofi_norm_2_20": naive_flow.ofi_norm(rows, 2, 20),
        "ofi_norm_5_20": naive_flow.ofi_norm(rows, 5, 20),
        "net_flow_10_9": naive_flow.net_flow(rows, 9),
        "ofi_z_20": naive_flow.ofi_z(rows, 20),
        "ofi_ewm_7": naive_flow.ofi_ewm(rows, 7),
        "ofi_persistence_20": naive_flow.ofi_persistence(rows, 20),
    }.items():
        naive.assert_close(got[name], expected, name)
    names = [c.name for c in other.columns()]
    only = Flow((), (), 60, (), False, (), False, True)
    assert [c.name for c in only.columns()] == ["depletion_asymmetry"]
    np.testing.assert_array_equal(
        compute(only, rows)["depletion_asymmetry"], compute(Flow(), rows)["depletion_asymmetry"]
    )
    assert len(names) == 8


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"levels": (0,)}, "levels"),
        ({"levels": (5, 1)}, "levels"),
        ({"levels": (11,)}, "levels"),
        ({"norm_levels": (20,)}, "norm_levels"),
        ({"window": 1}, "window"),
        ({"window": 10**20}, "window"),
        ({"half_lives": (0,)}, "half_lives"),
        ({"half_lives": (5, 5)}, "half_lives"),
        ({"net_half_lives": (10**20,)}, "net_half_lives"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Flow(**values)


def test_nothing_chosen():
    with pytest.raises(ValueError, match="no columns"):
        Flow((), (), 60, (), False, (), False, False)


def test_no_rows():
    assert all(len(v) == 0 for v in compute(Flow(), np.zeros(0, ROW)).values())
