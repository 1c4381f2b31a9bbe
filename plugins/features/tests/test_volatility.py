import numpy as np
import pytest

from btcframe.testing import markets
from btcframe.types import NS, ROW
from btcframe_features.volatility import Volatility

from . import hard_rows
from . import naive_volatility as plain
from .hard_rows import compute
from .naive import assert_close

NAMED = (
    "rv_10", "rv_30", "rv_60", "rv_300", "vol_ratio_30_300", "bipower_60", "jump_share_60", "parkinson_60",
    "vol_of_vol_60",
)  # fmt: skip

NOTHING = {
    "windows": (), "ratio_windows": (), "bipower_windows": (), "jump_windows": (), "range_windows": (),
    "vol_of_vol_windows": (),
}  # fmt: skip


def reference(rows):
    return {
        **{f"rv_{n}": plain.rv(rows, n) for n in (10, 30, 60, 300)},
        "vol_ratio_30_300": plain.vol_ratio(rows, 30, 300),
        "bipower_60": plain.bipower(rows, 60),
        "jump_share_60": plain.jump_share(rows, 60),
        "parkinson_60": plain.parkinson(rows, 60),
        "vol_of_vol_60": plain.vol_of_vol(rows, 60, 10),
    }


def assert_is_reference(rows, values=None):
    values = values or compute(Volatility(), rows)
    for name, expected in reference(rows).items():
        assert_close(values[name], expected, name)


def mids(values):
    """Rows whose mid is this all through the row."""
    rows = np.zeros(len(values), ROW)
    rows["row_ns"] = NS * np.arange(len(values))
    rows["mid"] = rows["mid_high"] = rows["mid_low"] = values
    return rows


def test_columns_are_the_named_ones():
    columns = Volatility().columns()
    assert tuple(c.name for c in columns) == NAMED
    assert [c.warmup for c in columns] == [10, 30, 60, 300, 300, 60, 60, 60, 69]
    assert {c.family for c in columns} == {"volatility"}


def test_clean_market():
    assert_is_reference(markets.clean_rows(1500, seed=1))


@pytest.mark.parametrize("seed", range(3))
def test_every_bad_row(seed):
    assert_is_reference(markets.rough_rows(1500, seed=seed))


@pytest.mark.parametrize("share", [0.04, 0.25])
def test_a_market_that_mostly_stands_still(share):
    """Most returns are exactly 0, some windows hold one move or none, and rows are missing."""
    rng = np.random.default_rng(1)
    steps = rng.choice([-1, 1, 2], 2500) * (rng.random(2500) < share)
    rows = mids(60_000.05 + 0.1 * np.cumsum(steps))
    for at in rng.integers(0, 2400, 20):
        rows["mid"][at : at + rng.integers(1, 9)] = np.nan
    rows["mid_high"][700:703] = np.nan
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
    for name in ("mid", "mid_high", "mid_low"):
        rows[name][500:520] *= 1.2
        rows[name][901:] *= 0.8
    assert_is_reference(rows)


def test_by_hand():
    rows = mids(100.0 * np.exp(np.cumsum([0, 0.01, 0, -0.02, 0, 0.03])))
    chosen = {
        **NOTHING, "windows": (5,), "bipower_windows": (5,), "jump_windows": (5,), "range_windows": (5,),
        "ratio_windows": (1, 5), "vol_of_vol_windows": (3,), "vol_of": 2,
    }  # fmt: skip
    got = {name: values[5] for name, values in compute(Volatility(**chosen), rows).items()}
    squares = 1e-4 + 4e-4 + 9e-4
    both = np.pi / 2 * 3 / 2 * (0.01 * 0.02 + 0.02 * 0.03)
    assert got["rv_5"] == pytest.approx(np.sqrt(squares))
    assert got["vol_ratio_1_5"] == pytest.approx(0.03 / np.sqrt(squares / 5))
    assert got["bipower_5"] == pytest.approx(np.sqrt(both))
    assert got["jump_share_5"] == pytest.approx(max(0, 1 - both / squares))
    assert got["parkinson_5"] == pytest.approx(0.03 / np.sqrt(4 * np.log(2)))  # from −0.01 up to 0.02
    assert got["vol_of_vol_3_of_2"] == pytest.approx(np.std([0.02, 0.02, 0.03], ddof=1))


def test_a_still_market():
    got = compute(Volatility(), mids(np.full(800, 60_000.05)))
    for column in Volatility().columns():
        values = got[column.name]
        assert np.isnan(values[: column.warmup]).all()
        assert (values[column.warmup :] == (1 if column.name.startswith("vol_ratio") else 0)).all()


def test_one_move_alone_is_no_pair():
    """With k < 2 bipower is rv, and all of it is diffusion."""
    rows = mids(np.where(np.arange(400) < 200, 100.0, 101.0))
    got = compute(Volatility(), rows)
    np.testing.assert_array_equal(got["bipower_60"], got["rv_60"])
    assert (got["jump_share_60"][60:] == 0).all() and got["rv_60"][259] > 0 == got["rv_60"][260]


def test_a_lone_jump_is_a_jump():
    rng = np.random.default_rng(3)
    r = rng.choice([-1e-6, 1e-6], 400)
    r[200] = 0.01
    got = compute(Volatility(), mids(100.0 * np.exp(np.cumsum(r))))
    assert (got["jump_share_60"][200:260] > 0.99).all()
    assert (got["jump_share_60"][260:] < 0.1).all()


def test_one_bad_row_costs_two_returns():
    rows = markets.clean_rows(900)
    markets.spoil(rows, "crossed", 700)
    got = compute(Volatility(), rows)
    for name in ("rv_10", "rv_60", "vol_ratio_30_300", "bipower_60", "jump_share_60", "vol_of_vol_60"):
        assert list(np.flatnonzero(np.isnan(got[name][300:])) + 300) == [700, 701]
    assert not np.isnan(got["parkinson_60"][60:]).any()  # the extremes of a crossed row are known


def test_a_window_with_less_than_four_fifths():
    rows = markets.clean_rows(900)
    rows["mid"][700:703] = np.nan  # four returns of ten
    got = compute(Volatility(), rows)
    assert list(np.flatnonzero(np.isnan(got["rv_10"][10:])) + 10) == list(range(700, 711))
    assert list(np.flatnonzero(np.isnan(got["rv_30"][30:])) + 30) == list(range(700, 704))


def test_warm_up_counts_from_the_first_mid():
    rows = markets.clean_rows(700)
    late = np.concatenate([np.zeros(50, ROW), rows])
    late["mid"][:50] = np.nan
    early, shifted = compute(Volatility(), rows), compute(Volatility(), late)
    for name in NAMED:
        assert np.isnan(shifted[name][:50]).all()
        np.testing.assert_array_equal(shifted[name][50:], early[name])


def test_no_drift():
    """Three hundred thousand rows, and a crash on the way: the last windows are what they are alone."""
    rng = np.random.default_rng(5)
    r = rng.normal(0, 1e-5, 300_000) * (rng.random(300_000) < 0.2)
    r[150_000] = -0.9
    rows = mids(np.round(60_000 * np.exp(np.cumsum(r)), 2))
    got = compute(Volatility(), rows)
    alone = reference(rows[-700:])
    for name in NAMED:
        assert_close(got[name][-300:], alone[name][-300:], name)


def test_other_parameters_other_names():
    other = Volatility(
        windows=(7,), ratio_windows=(5, 20, 90), bipower_windows=(3, 40), jump_windows=(25,), range_windows=(1, 33),
        vol_of_vol_windows=(30,), vol_of=4,
    )  # fmt: skip
    names = [c.name for c in other.columns()]
    assert names == [
        "rv_7", "vol_ratio_5_20", "vol_ratio_20_90", "bipower_3", "bipower_40", "jump_share_25", "parkinson_1",
        "parkinson_33", "vol_of_vol_30_of_4",
    ]  # fmt: skip
    assert not set(names) & set(NAMED)
    rows = markets.rough_rows(800)
    got = compute(other, rows)
    expected = (
        plain.rv(rows, 7), plain.vol_ratio(rows, 5, 20), plain.vol_ratio(rows, 20, 90), plain.bipower(rows, 3),
        plain.bipower(rows, 40), plain.jump_share(rows, 25), plain.parkinson(rows, 1), plain.parkinson(rows, 33),
        plain.vol_of_vol(rows, 30, 4),
    )  # fmt: skip
    for name, values in zip(names, expected, strict=True):
        assert_close(got[name], values, name)


@pytest.mark.parametrize("name", NOTHING)
def test_one_list_alone(name):
    alone = Volatility(**{**NOTHING, name: (30, 300)})
    assert all("30" in c.name for c in alone.columns())
    rows = markets.clean_rows(600)
    assert all(np.isfinite(values[330:]).all() for values in compute(alone, rows).values())


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"windows": (0, 5)}, "windows"),
        ({"windows": (5, 5)}, "windows"),
        ({"ratio_windows": (300, 30)}, "ratio_windows"),
        ({"bipower_windows": (10**20,)}, "bipower_windows"),
        ({"jump_windows": (-1,)}, "jump_windows"),
        ({"range_windows": (0,)}, "range_windows"),
        ({"vol_of_vol_windows": (1,)}, "vol_of_vol_windows"),
        ({"vol_of": 0}, "vol_of"),
        (NOTHING, "windows"),
    ],
)
def test_impossible_parameters(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        Volatility(**values)


def test_no_rows():
    assert all(len(v) == 0 for v in compute(Volatility(), np.zeros(0, ROW)).values())
