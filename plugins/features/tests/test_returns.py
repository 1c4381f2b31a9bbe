import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.testing import markets
from btcframe.types import ROW
from btcframe_features import Returns

from . import naive

NAMED = (
    "log_return_1", "log_return_5", "log_return_10", "log_return_30", "log_return_60", "log_return_300",
    "ema_gap_fast", "ema_gap_slow",
)  # fmt: skip


def compute(component, rows, state=None):
    out = np.full((len(rows), len(component.columns())), np.nan)
    component.update(rows, component.state(markets.INSTRUMENT) if state is None else state, out)
    return {column.name: out[:, j] for j, column in enumerate(component.columns())}


def assert_is_reference(rows, values=None):
    values = values or compute(Returns(), rows)
    for n in (1, 5, 10, 30, 60, 300):
        naive.assert_close(values[f"log_return_{n}"], naive.log_return(rows, n), f"log_return_{n}")
    naive.assert_close(values["ema_gap_fast"], naive.ema_gap(rows, 10, 60), "ema_gap_fast")
    naive.assert_close(values["ema_gap_slow"], naive.ema_gap(rows, 60, 600), "ema_gap_slow")


def mids(values):
    rows = np.zeros(len(values), ROW)
    rows["mid"] = values
    return rows


def test_columns_are_the_named_ones():
    columns = Returns().columns()
    assert tuple(c.name for c in columns) == NAMED
    assert [c.warmup for c in columns] == [1, 5, 10, 30, 60, 300, 59, 599]


def test_clean_market():
    assert_is_reference(markets.clean_rows(1500, seed=1))


@pytest.mark.parametrize("seed", range(4))
def test_every_bad_row(seed):
    assert_is_reference(markets.rough_rows(1500, seed=seed))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(
        st.one_of(
            st.just(float("nan")), st.floats(1.0, 1e7), st.sampled_from([60_000.0, 60_000.05, 60_000.1])
        ),
        max_size=200,
    )
)
def test_any_mids(values):
    rows = mids(np.array(values))
    got = compute(Returns(windows=(1, 3), half_lives=(2, 5, 20)), rows)
    for n in (1, 3):
        naive.assert_close(got[f"log_return_{n}"], naive.log_return(rows, n), f"log_return_{n}", reach=1e-3)
    naive.assert_close(got["ema_gap_2_5"], naive.ema_gap(rows, 2, 5), "ema_gap_2_5", reach=1e-3)
    naive.assert_close(got["ema_gap_5_20"], naive.ema_gap(rows, 5, 20), "ema_gap_5_20", reach=1e-3)


def test_by_hand():
    got = compute(Returns(windows=(1, 2), half_lives=(1, 2)), mids([100.0, 110.0, 99.0]))
    np.testing.assert_allclose(got["log_return_1"], [np.nan, np.log(1.1), np.log(0.9)])
    np.testing.assert_allclose(got["log_return_2"], [np.nan, np.nan, np.log(0.99)])
    w = 0.5**0.5
    fast = (99 + 110 / 2 + 100 / 4) / (1 + 1 / 2 + 1 / 4)
    slow = (99 + 110 * w + 100 * w**2) / (1 + w + w**2)
    assert got["ema_gap_1_2"][2] == pytest.approx(np.log(fast / slow), rel=1e-12)


def test_a_still_market_has_no_returns():
    got = compute(Returns(), mids(np.full(1000, 60_000.05)))
    for name, values in got.items():
        valid = values[~np.isnan(values)]
        assert len(valid) and (valid == 0).all(), name


def test_warm_up_counts_from_the_first_mid():
    rows = markets.clean_rows(700)
    late = np.concatenate([np.zeros(50, ROW), rows])
    late["mid"][:50] = np.nan
    early, shifted = compute(Returns(), rows), compute(Returns(), late)
    for name in NAMED:
        assert np.isnan(shifted[name][:50]).all()
        np.testing.assert_array_equal(shifted[name][50:], early[name])


def test_one_bad_row_costs_two_values_of_a_return():
    rows = markets.clean_rows(900)
    markets.spoil(rows, "crossed", 700)
    got = compute(Returns(), rows)
    for n in (1, 5, 10, 30, 60):
        bad = np.flatnonzero(np.isnan(got[f"log_return_{n}"][n:])) + n
        assert list(bad) == [700, 700 + n]
    for name in ("ema_gap_fast", "ema_gap_slow"):
        assert list(np.flatnonzero(np.isnan(got[name][599:])) + 599) == [700]


def test_a_gap_of_days_and_back():
    """Means whose weight has faded to nothing start again from the first good row."""
    rows = markets.clean_rows(200)
    quiet = np.zeros(100_000, ROW)
    quiet["mid"] = np.nan
    got = compute(Returns(half_lives=(10, 60)), np.concatenate([rows, quiet, rows]))
    assert np.isfinite(got["ema_gap_fast"][-200:]).all()
    alone = naive.ema_gap(rows, 10, 60)
    naive.assert_close(got["ema_gap_fast"][-100:], alone[-100:], "ema_gap_fast")


def test_no_drift():
    """A million rows, wandering over 60 % of the price: the mean still is what the last rows say."""
    rng = np.random.default_rng(5)
    n = 1_000_000
    rows = mids(np.round(60_000 * np.exp(np.cumsum(rng.normal(0, 5e-4, n)) * 0.5), 1))
    got = compute(Returns(), rows)
    tail = rows[-40 * 600 :]
    mid = tail["mid"].astype(np.longdouble)
    weights = [np.longdouble(0.5) ** (np.arange(len(tail))[::-1] / np.longdouble(h)) for h in (60, 600)]
    fast, slow = ((mid * w).sum() / w.sum() for w in weights)
    assert got["ema_gap_slow"][-1] == pytest.approx(float(np.log(fast / slow)), rel=1e-9)


def test_other_parameters_other_names():
    other = Returns(windows=(2, 600), half_lives=(5, 20))
    assert [c.name for c in other.columns()] == ["log_return_2", "log_return_600", "ema_gap_5_20"]
    assert [c.name for c in Returns(windows=(), half_lives=(3, 9)).columns()] == ["ema_gap_3_9"]
    assert [c.name for c in Returns(windows=(7,), half_lives=()).columns()] == ["log_return_7"]
    rows = markets.rough_rows(1000)
    values = compute(other, rows)
    naive.assert_close(values["log_return_600"], naive.log_return(rows, 600), "log_return_600")
    naive.assert_close(values["ema_gap_5_20"], naive.ema_gap(rows, 5, 20), "ema_gap_5_20")
    assert compute(Returns(windows=(), half_lives=(3, 9)), rows)["ema_gap_3_9"].any()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"windows": (0, 5)}, "windows"),
        ({"windows": (5, 5)}, "windows"),
        ({"windows": (10**20,)}, "windows"),
        ({"half_lives": (10, 10**20)}, "half_lives"),
        ({"half_lives": (60, 10)}, "half_lives"),
        ({"windows": (), "half_lives": (10,)}, "windows"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Returns(**values)
