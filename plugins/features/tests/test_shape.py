from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.testing import markets
from btcframe.types import ROW
from btcframe_features.shape import Shape

from . import hard_rows, naive, naive_shape
from .hard_rows import compute
from .test_flow import MARKETS

NAMED = (
    "slope_bid", "slope_ask", "slope_asymmetry", "convexity_bid", "convexity_ask", "gap_bid", "gap_ask", "book_entropy",
)  # fmt: skip


def assert_is_reference(rows):
    values = compute(Shape(), rows)
    for name, expected in naive_shape.columns(rows).items():
        naive.assert_close(values[name], expected, name)


def even_book(spread=0.2):
    """A level a tick, one base coin each; m lies half a spread from level 1."""
    rows = markets.clean_rows(1)
    rows["bid_px"] = 1000.0 - 0.1 * np.arange(20)
    rows["ask_px"] = 1000.0 + spread + 0.1 * np.arange(20)
    rows["bid_sz"] = rows["ask_sz"] = 1.0
    markets.set_mid(rows)
    return rows


def values_of(rows, **fields):
    return {name: float(v[0]) for name, v in compute(Shape(**fields), rows).items()}


def test_columns_are_the_named_ones():
    columns = Shape().columns()
    assert tuple(c.name for c in columns) == NAMED
    assert all(c.family == "shape" and c.warmup == 0 for c in columns)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_is_the_reference(market, seed):
    rows = market() if seed is None else hard_rows.spoiled(market(), seed)
    hard_rows.assert_is_reference(Shape(), naive_shape.columns, rows)


@pytest.mark.parametrize("seed", range(2))
def test_every_bad_row(seed):
    hard_rows.assert_is_reference(Shape(), naive_shape.columns, markets.rough_rows(2000, seed=seed))


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
    rows = even_book()
    rows["ask_sz"] = 3.0
    got = values_of(rows)
    assert got["slope_bid"] == pytest.approx(1) and got["slope_ask"] == pytest.approx(3)
    assert got["slope_asymmetry"] == pytest.approx(-1 / 2)
    # distances 1…10 ticks, size proportional to distance: the middle holds half
    assert got["convexity_bid"] == pytest.approx(0, abs=1e-12)
    assert (got["gap_bid"], got["gap_ask"]) == (1, 1)
    share = np.r_[np.full(20, 1 / 80), np.full(20, 3 / 80)]
    assert got["book_entropy"] == pytest.approx(-(share * np.log(share)).sum() / np.log(40))


def test_convexity_between_two_levels():
    """Levels at 2, 3, 7 and 10 ticks: half of the distance lies between the second and the third."""
    rows = even_book()
    rows["bid_px"][:, :4] = 1000.1 - 0.1 * np.array([2, 3, 7, 10])
    rows["ask_px"][:, :4] = 1000.1 + 0.1 * np.array([2, 3, 7, 10])
    rows["bid_sz"][:, :4] = [4, 1, 2, 1]
    markets.set_mid(rows)
    got = values_of(rows, convexity_levels=(4,))
    assert got["convexity_bid_4"] == pytest.approx(2 * (4 + 1 + 2 * 2 / 4) / 8 - 1, rel=1e-9)
    assert (got["gap_bid"], got["gap_ask"]) == (1, 1)


def test_the_tick_is_the_instruments():
    rows = markets.clean_rows(200)
    fine = markets.INSTRUMENT._replace(tick=Decimal("0.01"))
    out = np.full((200, len(NAMED)), np.nan)
    Shape().update(rows, Shape().state(fine), out)
    got = compute(Shape(), rows)
    for j, name in enumerate(NAMED):
        factor = 0.1 if name in ("slope_bid", "slope_ask") else 10 if name.startswith("gap") else 1
        np.testing.assert_allclose(out[:, j], factor * got[name], rtol=1e-12)


def test_front_and_back():
    rows = even_book()
    rows["bid_sz"], rows["ask_sz"] = 0.0, 0.0
    rows["bid_sz"][:, 0] = rows["ask_sz"][:, 9] = 5.0
    got = values_of(rows)
    assert got["convexity_bid"] == 1 and got["convexity_ask"] == -1
    assert got["slope_bid"] == 0 and got["slope_ask"] > 0
    assert got["book_entropy"] == pytest.approx(np.log(2) / np.log(40))


def test_entropy_at_its_ends():
    assert values_of(even_book())["book_entropy"] == pytest.approx(1, abs=1e-10)
    rows = even_book()
    rows["bid_sz"], rows["ask_sz"] = 0.0, 0.0
    rows["bid_sz"][:, 3] = 0.37
    assert values_of(rows)["book_entropy"] == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("power", [-20, -3, 0, 8, 30])
def test_entropy_does_not_depend_on_the_unit(power):
    rows = markets.clean_rows(500, seed=6)
    expected = compute(Shape(), rows)["book_entropy"]
    for name in ("bid_sz", "ask_sz"):
        rows[name] *= 10.0**power
    np.testing.assert_allclose(compute(Shape(), rows)["book_entropy"], expected, atol=1e-10)


def test_an_empty_book_is_0():
    rows = markets.clean_rows(3)
    markets.spoil(rows, "empty_levels", 1)
    got = compute(Shape(), rows)
    for name in NAMED:
        assert name.startswith("gap") or got[name][1] == 0, name


def test_sides_mirror():
    rows = markets.clean_rows(300, seed=3)
    mirror = rows.copy()
    for one, other in (("bid", "ask"), ("ask", "bid")):
        mirror[f"{one}_px"] = 2 * rows["mid"][:, None] - rows[f"{other}_px"]
        mirror[f"{one}_sz"] = rows[f"{other}_sz"]
    straight, turned = compute(Shape(), rows), compute(Shape(), mirror)
    np.testing.assert_allclose(turned["slope_bid"], straight["slope_ask"], rtol=1e-7)
    np.testing.assert_allclose(turned["convexity_ask"], straight["convexity_bid"], atol=1e-7)
    np.testing.assert_array_equal(turned["gap_bid"], straight["gap_ask"])
    np.testing.assert_allclose(turned["book_entropy"], straight["book_entropy"], rtol=1e-12)


def test_a_missing_side_costs_only_what_reads_it():
    rows = markets.clean_rows(3)
    markets.spoil(rows, "one_sided", 1)
    got = compute(Shape(), rows)
    assert {name for name in NAMED if not np.isnan(got[name][1])} == {"gap_bid"}
    rows = markets.clean_rows(3)
    markets.spoil(rows, "thin", 1)  # 7 bids
    got = compute(Shape(), rows)
    assert {name for name in NAMED if np.isnan(got[name][1])} == {
        "slope_bid", "slope_asymmetry", "convexity_bid", "book_entropy",
    }  # fmt: skip
    assert all(not np.isnan(got[name][2]) for name in NAMED)


def test_other_parameters_other_names():
    other = Shape(slope_levels=(2, 20), convexity_levels=(1, 5), gaps=False, entropy_levels=(1, 10))
    assert [c.name for c in other.columns()] == [
        "slope_bid_2", "slope_ask_2", "slope_asymmetry_2", "slope_bid_20", "slope_ask_20", "slope_asymmetry_20",
        "convexity_bid_1", "convexity_ask_1", "convexity_bid_5", "convexity_ask_5", "book_entropy_1", "book_entropy_10",
    ]  # fmt: skip
    rows = markets.rough_rows(600)
    got = compute(other, rows)
    for name, expected in {
        "slope_ask_2": naive_shape.slope(rows, "ask", 2),
        "slope_bid_20": naive_shape.slope(rows, "bid", 20),
        "slope_asymmetry_20": naive_shape.slope_asymmetry(rows, 20),
        "convexity_bid_5": naive_shape.convexity(rows, "bid", 5),
        "book_entropy_1": naive_shape.entropy(rows, 1),
        "book_entropy_10": naive_shape.entropy(rows, 10),
    }.items():
        naive.assert_close(got[name], expected, name)
    only = Shape((), (), True, ())
    assert [c.name for c in only.columns()] == ["gap_bid", "gap_ask"]
    np.testing.assert_array_equal(compute(only, rows)["gap_ask"], compute(Shape(), rows)["gap_ask"])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"slope_levels": (1,)}, "slope_levels"),
        ({"slope_levels": (21,)}, "slope_levels"),
        ({"convexity_levels": (0,)}, "convexity_levels"),
        ({"convexity_levels": (9, 9)}, "convexity_levels"),
        ({"entropy_levels": (30,)}, "entropy_levels"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Shape(**values)


def test_nothing_chosen():
    with pytest.raises(ValueError, match="no columns"):
        Shape((), (), False, ())


def test_no_rows():
    assert all(len(v) == 0 for v in compute(Shape(), np.zeros(0, ROW)).values())
