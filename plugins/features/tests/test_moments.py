import numpy as np
import pytest

from btcframe.testing import markets
from btcframe.types import ROW
from btcframe_features.moments import Moments

from . import hard_rows
from . import naive_moments as plain
from .hard_rows import compute
from .naive import assert_close

NAMED = ("zscore_60", "zscore_300", "skew_300", "kurt_300", "autocorr_60")


def reference(rows):
    return {
        "zscore_60": plain.zscore(rows, 60),
        "zscore_300": plain.zscore(rows, 300),
        "skew_300": plain.skew(rows, 300),
        "kurt_300": plain.kurt(rows, 300),
        "autocorr_60": plain.autocorr(rows, 60),
    }


def assert_is_reference(rows, values=None):
    values = values or compute(Moments(), rows)
    for name, expected in reference(rows).items():
        assert_close(values[name], expected, name)


def mids(values):
    rows = np.zeros(len(values), ROW)
    rows["mid"] = values
    return rows


def test_columns_are_the_named_ones():
    columns = Moments().columns()
    assert tuple(c.name for c in columns) == NAMED
    assert [c.warmup for c in columns] == [59, 299, 300, 300, 61]
    assert {c.family for c in columns} == {"moments"}


def test_clean_market():
    assert_is_reference(markets.clean_rows(1500, seed=1))


@pytest.mark.parametrize("seed", range(3))
def test_every_bad_row(seed):
    assert_is_reference(markets.rough_rows(1500, seed=seed))


@pytest.mark.parametrize("share", [0.004, 0.04, 0.25])
def test_a_market_that_mostly_stands_still(share):
    """Windows with one move or none, and missing rows: what is exactly constant is 0, the rest is not."""
    rng = np.random.default_rng(1)
    steps = rng.choice([-1, 1, 2], 2500) * (rng.random(2500) < share)
    rows = mids(60_000.05 + 0.1 * np.cumsum(steps))
    for at in rng.integers(0, 2400, 20):
        rows["mid"][at : at + rng.integers(1, 9)] = np.nan
    assert_is_reference(rows)


@pytest.mark.parametrize("market", ["synthetic", "random_walk"])
def test_markets_and_all_that_can_spoil_them(market):
    rows = getattr(hard_rows, market)()
    assert_is_reference(rows)
    assert_is_reference(hard_rows.spoiled(rows, seed=1))


@pytest.mark.shared
def test_recorded_session():
    rows = hard_rows.recorded()
    assert_is_reference(rows)
    assert_is_reference(hard_rows.spoiled(rows, seed=2))


def test_jumps_of_a_fifth_there_and_back():
    rows = markets.clean_rows(1500, seed=4)
    rows["mid"][500:520] *= 1.2
    rows["mid"][901:] *= 0.8
    assert_is_reference(rows)


@pytest.mark.parametrize("factor", [0.01, 0.9, 100.0])
def test_far_from_where_it_began(factor):
    """A hundred times the first price, or a hundredth: ln m must not lose the digits that move."""
    rows = markets.clean_rows(1500, seed=6)
    rows["mid"][:300] /= factor
    values = compute(Moments(), rows)
    expected = reference(rows[600:])
    for name in NAMED:
        assert_close(values[name][901:], expected[name][301:], name)


def test_by_hand():
    x = np.array([0, 0.01, 0.01, 0.03, 0.0, 0.01])
    rows = mids(100.0 * np.exp(x))
    got = compute(Moments(zscore_windows=(3,), shape_windows=(4,), autocorr_windows=(4,)), rows)
    assert got["zscore_3"][5] == pytest.approx((0.01 - 0.04 / 3) / np.std([0.03, 0, 0.01], ddof=1))
    r = np.diff(x)[-4:]
    d = r - r.mean()
    assert got["skew_4"][5] == pytest.approx((d**3).mean() / (d**2).mean() ** 1.5)
    assert got["kurt_4"][5] == pytest.approx((d**4).mean() / (d**2).mean() ** 2 - 3)
    assert got["autocorr_4"][5] == pytest.approx(np.corrcoef(np.diff(x)[1:], np.diff(x)[:-1])[0, 1])


def test_a_still_market():
    got = compute(Moments(), mids(np.full(800, 60_000.05)))
    for column in Moments().columns():
        values = got[column.name]
        assert np.isnan(values[: column.warmup]).all()
        assert (values[column.warmup :] == 0).all(), column.name


def test_still_again_after_a_crash():
    """Exactly constant is recognised whatever happened before, in the first row in which it is."""
    rows = mids(np.where(np.arange(1200) < 500, 60_000.05, 48_000.15))
    got = compute(Moments(), rows)
    for name, first, last in (("zscore_60", 500, 558), ("zscore_300", 500, 798), ("skew_300", 500, 799)):
        assert (got[name][300:first] == 0).all() and (got[name][last + 1 :] == 0).all()
        assert (got[name][first : last + 1] != 0).all()


def test_one_bad_row():
    rows = markets.clean_rows(900)
    markets.spoil(rows, "crossed", 700)
    got = compute(Moments(), rows)
    for name, bad in (
        ("zscore_60", [700]), ("zscore_300", [700]), ("skew_300", [700, 701]), ("kurt_300", [700, 701]),
        ("autocorr_60", [700, 701, 702]),
    ):  # fmt: skip
        assert list(np.flatnonzero(np.isnan(got[name][300:])) + 300) == bad


def test_warm_up_counts_from_the_first_mid():
    rows = markets.clean_rows(700)
    late = np.concatenate([np.zeros(50, ROW), rows])
    late["mid"][:50] = np.nan
    early, shifted = compute(Moments(), rows), compute(Moments(), late)
    for name in NAMED:
        assert np.isnan(shifted[name][:50]).all()
        np.testing.assert_array_equal(shifted[name][50:], early[name])


def test_no_drift():
    """Three hundred thousand rows, and a crash on the way: the last windows are what they are alone."""
    rng = np.random.default_rng(5)
    r = rng.normal(0, 1e-5, 300_000) * (rng.random(300_000) < 0.2)
    r[150_000] = -0.9
    rows = mids(np.round(60_000 * np.exp(np.cumsum(r)), 2))
    got = compute(Moments(), rows)
    alone = reference(rows[-700:])
    for name in NAMED:
        assert_close(got[name][-300:], alone[name][-300:], name)


def test_other_parameters_other_names():
    other = Moments(zscore_windows=(7, 17), shape_windows=(6, 40), autocorr_windows=(8, 33))
    names = [c.name for c in other.columns()]
    assert names == ["zscore_7", "zscore_17", "skew_6", "kurt_6", "skew_40", "kurt_40", "autocorr_8", "autocorr_33"]  # fmt: skip
    assert not set(names) & set(NAMED)
    rows = markets.rough_rows(800)
    got = compute(other, rows)
    kinds = {"zscore": plain.zscore, "skew": plain.skew, "kurt": plain.kurt, "autocorr": plain.autocorr}
    for name in names:
        kind, n = name.split("_")
        assert_close(got[name], kinds[kind](rows, int(n)), name)


@pytest.mark.parametrize("chosen", ["zscore_windows", "shape_windows", "autocorr_windows"])
def test_one_list_alone(chosen):
    nothing = {"zscore_windows": (), "shape_windows": (), "autocorr_windows": ()}
    alone = Moments(**{**nothing, chosen: (30,)})
    rows = markets.clean_rows(600)
    assert all(np.isfinite(values[31:]).all() for values in compute(alone, rows).values())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"zscore_windows": (1,)}, "zscore_windows"),
        ({"zscore_windows": (60, 60)}, "zscore_windows"),
        ({"shape_windows": (10**20,)}, "shape_windows"),
        ({"autocorr_windows": (60, 10)}, "autocorr_windows"),
        ({"zscore_windows": (), "shape_windows": (), "autocorr_windows": ()}, "zscore_windows"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Moments(**values)


def test_no_rows():
    assert all(len(v) == 0 for v in compute(Moments(), np.zeros(0, ROW)).values())
