import numpy as np
import pytest

from btcframe.testing import markets
from btcframe.types import NS, ROW
from btcframe_features.calendar import Calendar

from . import hard_rows
from . import naive_calendar as plain
from .naive import assert_close

NAMED = ("hour_sin", "hour_cos", "funding_sin", "funding_cos")
HOUR = 3600 * NS


def compute(component, rows, instrument=markets.INSTRUMENT):
    out = np.full((len(rows), len(component.columns())), np.nan)
    component.update(rows, component.state(instrument), out)
    return {column.name: out[:, j] for j, column in enumerate(component.columns())}


def assert_is_reference(rows, values=None, instrument=markets.INSTRUMENT):
    values = values or compute(Calendar(), rows, instrument)
    for name, angle in (("hour", plain.hour(rows)), ("funding", plain.funding(rows, instrument.funding_ns))):
        assert_close(values[f"{name}_sin"], np.sin(angle), f"{name}_sin", reach=1e-7)
        assert_close(values[f"{name}_cos"], np.cos(angle), f"{name}_cos", reach=1e-7)


@pytest.mark.shared
def test_recorded_session():
    assert_is_reference(hard_rows.recorded())  # over midnight


def edges(ns):
    rows = np.zeros(len(ns), ROW)
    rows["row_ns"] = ns
    return rows


def test_columns_are_the_named_ones():
    columns = Calendar().columns()
    assert tuple(c.name for c in columns) == NAMED
    assert {c.warmup for c in columns} == {0} and {c.family for c in columns} == {"calendar"}


def test_any_edges():
    rng = np.random.default_rng(0)
    assert_is_reference(hard_rows.synthetic())
    assert_is_reference(hard_rows.spoiled(hard_rows.random_walk(), seed=1))
    assert_is_reference(edges(markets.START_NS + rng.integers(0, 10**17, 5000)))
    assert_is_reference(edges(markets.START_NS + np.arange(5000) * (NS // 10)))


@pytest.mark.parametrize("hours", [1, 4, 5, 24])
def test_the_funding_interval_is_the_instrument_s(hours):
    instrument = markets.INSTRUMENT._replace(funding_ns=hours * HOUR)
    assert_is_reference(edges(markets.START_NS + np.arange(3000) * 77 * NS), instrument=instrument)


def test_by_hand():
    got = compute(Calendar(), edges(markets.START_NS + np.array([0, 6, 8, 12, 18, 20]) * HOUR))
    np.testing.assert_allclose(
        got["hour_sin"], np.sin(np.pi * np.array([0, 6, 8, 12, 18, 20]) / 12), atol=1e-15
    )
    np.testing.assert_allclose(got["hour_cos"], [1, 0, -0.5, -1, 0, 0.5], atol=1e-15)
    np.testing.assert_allclose(got["funding_sin"], [0, -1, 0, 0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(got["funding_cos"], [1, 0, 1, -1, 0, -1], atol=1e-15)


def test_time_is_known_in_every_row():
    rows = markets.rough_rows(500)
    assert all(np.isfinite(values).all() for values in compute(Calendar(), rows).values())
    assert all(np.isfinite(values).all() for values in compute(Calendar(), rows[::-1]).values())


def test_chosen():
    assert [c.name for c in Calendar(funding=False).columns()] == ["hour_sin", "hour_cos"]
    rows = markets.clean_rows(50)
    np.testing.assert_array_equal(
        compute(Calendar(hour=False), rows)["funding_sin"], compute(Calendar(), rows)["funding_sin"]
    )
    with pytest.raises(ValueError, match="no columns"):
        Calendar(hour=False, funding=False)


def test_no_rows():
    assert all(len(v) == 0 for v in compute(Calendar(), np.zeros(0, ROW)).values())
