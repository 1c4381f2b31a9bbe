"""All 90 columns, and others, on what should not come: no exception, no infinity, nothing out of range, and over soon.

A window has forgotten a bad row when it has left it. An exponential mean never has, but its share halves every
half-life: after 90 of them nothing is left to see of a price a trillion times too small. What depends on a phase that a bad row shifts for
good, the edges of vpin's buckets, comes back to the same values on average only.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.clocks.time import TimeClock
from btcframe.pipeline import Pipeline
from btcframe.testing import markets
from btcframe.types import ACCUMULATORS, NS, ROW, EventFlag, Kind
from btcframe_features import btcframe_components

from .other_settings import OTHER

DEFAULTS = [component() for component in btcframe_components()["features"].values()]
OTHERS = [
    btcframe_components()["features"][name.removeprefix("features/")](
        **{field: tuple(value) if isinstance(value, list) else value for field, value in chosen.items()}
    )
    for name, chosen in OTHER.items()
]
PRICES = (
    "bid_px",
    "ask_px",
    "mid",
    "microprice",
    "mid_high",
    "mid_low",
    "buy_notional",
    "sell_notional",
    "signed_cost",
)
SIZES = ("bid_sz", "ask_sz", *(name for name in ACCUMULATORS if name not in ("mid_high", "mid_low")))
FLOATS = tuple(name for name in ROW.names if ROW[name].base == np.float64)


def empty(*sides):
    def spoil(part):
        for side in sides:
            part[f"{side}_px"] = part[f"{side}_sz"] = np.nan
        part["mid"] = part["microprice"] = np.nan

    return spoil


def scaled(fields, by):
    def spoil(part):
        for name in fields:
            part[name] *= by

    return spoil


def set_to(fields, value):
    def spoil(part):
        for name in fields:
            part[name] = value

    return spoil


def no_volume(part):
    for way in ("buy", "sell"):
        part[f"{way}_volume"] = part[f"{way}_count"] = part[f"{way}_notional"] = 0.0
    part["max_trade"] = part["signed_cost"] = 0.0


def zero_best(part):
    part["bid_sz"][:, 0] = part["ask_sz"][:, 0] = 0.0
    part["microprice"] = part["mid"]


def one_level(part):
    for name in ("bid_px", "bid_sz", "ask_px", "ask_sz"):
        part[name][:, 1:] = np.nan


def backwards(part):
    part["row_ns"] -= NS * np.arange(len(part)) * 2
    part["last_exch_ts"] = 0


BAD = {
    "no bids": empty("bid"),
    "no asks": empty("ask"),
    "no book": empty("bid", "ask"),
    "crossed": empty("bid", "ask"),  # what a pipeline writes: levels NaN, trades stay
    "no size at the best": zero_best,
    "no size at all": set_to(("bid_sz", "ask_sz"), 0.0),
    "one level": one_level,
    "20 % up": scaled(PRICES, 1.2),
    "20 % down": scaled(PRICES, 0.8),
    "no volume": no_volume,
    "nothing happens": set_to([name for name in ACCUMULATORS if not name.startswith("mid_")], 0.0),
    "nothing known": set_to(ACCUMULATORS, np.nan),
    "times equal": lambda part: set_to(("row_ns",), part["row_ns"][0])(part),
    "times backwards": backwards,
    "sizes of 1e12": scaled(SIZES, 1e12),
    "sizes of 1e-12": scaled(SIZES, 1e-12),
    "prices of 1e-8": scaled(PRICES, 1e-8 / 6e4),
    "prices of 1e12": scaled(PRICES, 1e12 / 6e4),
    **{f"{name} NaN": set_to((name,), np.nan) for name in FLOATS},
}
NEGATIVE = {f"{name} negative": scaled((name,), -1.0) for name in ("bid_sz", "ask_sz", *ACCUMULATORS)}


def compute(components, rows):
    columns, values = [], []
    for component in components:
        out = np.full((len(rows), len(component.columns())), np.nan)
        component.update(rows, component.state(markets.INSTRUMENT), out)
        columns += component.columns()
        values.append(out)
    return columns, np.concatenate(values, axis=1)


def assert_sound(columns, x, what):
    """No infinity, and nothing out of the range a column declares."""
    for j, column in enumerate(columns):
        values = x[:, j]
        assert not np.isinf(values).any(), (
            f"{what}: {column.name} is infinite in row {np.argmax(np.isinf(values))}"
        )
        out = (values < column.low) | (values > column.high)
        worst = np.argmax(out)
        assert not out.any(), f"{what}: {column.name} is {values[worst]!r} in row {worst}, out of its range"


@pytest.mark.parametrize("what", BAD)
def test_bad_rows_make_no_bad_values(what):
    rows = markets.clean_rows(1500, seed=3)
    for at, length in ((0, 1), (500, 1), (600, 7), (700, 200)):
        BAD[what](rows[at : at + length])
    assert_sound(*compute([*DEFAULTS, *OTHERS], rows), what)


@pytest.mark.parametrize("what", NEGATIVE)
def test_negative_sizes_stop_nothing(what):
    """No pipeline makes them. What a broken source would do with them must not be infinite."""
    rows = markets.clean_rows(1200, seed=3)
    NEGATIVE[what](rows[600:607])
    _, x = compute([*DEFAULTS, *OTHERS], rows)
    assert not np.isinf(x).any()


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(BAD)), st.integers(0, 780), st.integers(1, 90)),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.tuples(st.integers(0, 700), st.integers(1, 60)), max_size=3),
)
def test_all_of_it_together(spoiled, missing):
    rows = markets.clean_rows(800, seed=5)
    for what, at, length in spoiled:
        BAD[what](rows[at : at + length])
    for at, length in missing:
        rows = np.delete(rows, np.arange(at, min(at + length, len(rows))))
    columns, x = compute([*DEFAULTS, *OTHERS], rows)
    assert_sound(columns, x, spoiled)


# ------------------------------------------------------------------------------------------------- and over soon

LONG = 60_000
AT = 2000
HALF_LIVES = {
    "ema_gap_fast": 60, "ema_gap_slow": 600, "net_flow_10": 5, "ofi_ewm_5": 5, "ofi_ewm_30": 30, "imbalance_velocity": 10,
    "fill_probability_bid": 30, "fill_probability_ask": 30, "adverse_selection_10_bps": 60, "execution_urgency": 60,
}  # fmt: skip
WINDOW = 300
"""Rows of the longest window; none reaches more than that and a horizon of 10 back."""


@pytest.fixture(scope="module")
def undisturbed():
    rows = markets.clean_rows(LONG, seed=7)
    return rows, *compute(DEFAULTS, rows)


def assert_over(columns, before, after, end, what):
    """From row `end` on, plus what each remembers, the values are those without the bad rows."""
    for j, column in enumerate(columns):
        start = end + (90 * HALF_LIVES[column.name] if column.name in HALF_LIVES else WINDOW + 20)
        want, got = before[start:, j], after[start:, j]
        assert not np.isnan(got).any(), f"{what}: {column.name} stays NaN"
        if column.name == "vpin_50":
            assert abs(got.mean() - want.mean()) < 0.01, f"{what}: {column.name}"
            continue
        off = np.abs(got - want) / np.maximum(np.abs(want), np.nanstd(before[:, j]) + 1e-300)
        worst = int(np.argmax(off))
        assert off[worst] <= 1e-8, f"{what}: {column.name} is off by {off[worst]:.1e}, {worst} rows late"


@pytest.mark.parametrize("what", BAD)
def test_afterwards_all_is_as_it_was(undisturbed, what):
    rows, columns, before = undisturbed
    rows = rows.copy()
    BAD[what](rows[AT : AT + 50])
    _, after = compute(DEFAULTS, rows)
    np.testing.assert_array_equal(after[:AT], before[:AT])
    assert_over(columns, before, after, AT + 50, what)


def test_after_an_hour_without_volume(undisturbed):
    rows, columns, before = undisturbed
    rows = rows.copy()
    no_volume(rows[AT : AT + 3600])
    _, after = compute(DEFAULTS, rows)
    assert_sound(columns, after, "an hour without volume")
    assert_over(columns, before, after, AT + 3600, "an hour without volume")


def test_after_missing_rows(undisturbed):
    rows, columns, before = undisturbed
    _, after = compute(DEFAULTS, np.delete(rows, np.arange(AT, AT + 130)))
    assert_over(columns, np.delete(before, np.arange(AT, AT + 130), axis=0), after, AT, "missing rows")


# -------------------------------------------------------------------------------------- through the real pipeline

EVENTS = 60_000


def crossing(events):
    events["kind"], events["ticks"], events["lots"] = Kind.DEPTH, 600_500, 100
    events["side"] = 1


def emptying(events):
    events["kind"], events["side"], events["lots"] = Kind.DEPTH, -1, 0
    events["ticks"] = 600_001 + np.arange(len(events)) % 20


def lots(value):
    def spoil(events):
        events["lots"] = value

    return spoil


def negative(events):
    """Sizes in the book below 0 delete their level, as 0 does; a trade's are the source's business."""
    events["lots"] = np.where(events["kind"] == Kind.DEPTH, -5, events["lots"])


def losing(events):
    events["kind"] = Kind.GAP


def late(events):
    events["local_ts"] = events["local_ts"][0]
    events["exch_ts"] -= 10 * NS


def cleared(events):
    events["kind"], events["flags"] = Kind.CLEAR, EventFlag.SNAPSHOT | EventFlag.END


BAD_EVENTS = {
    "crossed": crossing, "asks deleted": emptying, "no size": lots(0), "1e12 coins": lots(10**15), "negative": negative,
    "gap": losing, "late": late, "an empty snapshot": cleared,
}  # fmt: skip


def through(events):
    features = btcframe_components()["features"]
    pipeline = Pipeline(
        markets.INSTRUMENT, TimeClock("1s"), {n: c() for n, c in features.items()}, markets.NoRegime()
    )
    pipeline.push(events)
    return pipeline.columns, pipeline.rows.copy(), pipeline.x.copy()


@pytest.mark.parametrize("what", BAD_EVENTS)
def test_bad_events(what):
    events = markets.events(EVENTS, seed=2)
    BAD_EVENTS[what](events[30_000:30_200])
    events["local_ts"] = np.maximum.accumulate(events["local_ts"])
    columns, rows, x = through(events)
    assert len(rows) > 500
    for side in ("bid", "ask"):
        assert not (rows[f"{side}_sz"] < 0).any(), f"{what}: a size below 0 in the {side}s"
    for way in ("buy", "sell"):  # what 1e12 coins cost in ticks and lots fits no integer
        assert not (rows[f"{way}_notional"] < 0).any(), f"{what}: a notional below 0"
    off = np.abs(rows["microprice"] - rows["mid"]) - (rows["ask_px"] - rows["bid_px"])[:, 0]
    assert not (off > 0).any(), f"{what}: a microprice outside the spread"
    assert_sound(columns, x, what)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(BAD_EVENTS)), st.integers(100, 20_000), st.integers(1, 300)),
        max_size=8,
    )
)
def test_bad_events_together(spoiled):
    events = markets.events(20_400, seed=4)
    for what, at, length in sorted(spoiled, key=lambda each: each[1]):
        BAD_EVENTS[what](events[at : at + length])
    events["local_ts"] = np.maximum.accumulate(events["local_ts"])
    columns, _, x = through(events)
    assert_sound(columns, x, spoiled)
