import numpy as np
import pytest

from btcframe.testing import markets
from btcframe.types import ACCUMULATORS, LEVELS, NS, EventFlag, Kind, RowFlag


def test_clean_rows_are_a_book():
    rows = markets.clean_rows(500, seed=4)
    assert (np.diff(rows["row_ns"]) == NS).all()
    assert (np.diff(rows["bid_px"], axis=1) < 0).all() and (np.diff(rows["ask_px"], axis=1) > 0).all()
    assert (rows["bid_px"][:, 0] < rows["ask_px"][:, 0]).all()
    assert (rows["bid_sz"] > 0).all() and (rows["ask_sz"] > 0).all()
    np.testing.assert_array_equal(rows["mid"], (rows["bid_px"][:, 0] + rows["ask_px"][:, 0]) / 2)
    assert ((rows["mid_high"] >= rows["mid"]) | np.isnan(rows["mid_high"])).all()
    assert rows["flags"][0] == RowFlag.PARTIAL and not rows["flags"][1:].any()
    assert all(np.isnan(rows[name][0]).all() and np.isfinite(rows[name][1:]).all() for name in ACCUMULATORS)


def test_seeded():
    assert markets.rough_rows(300, 1).tobytes() == markets.rough_rows(300, 1).tobytes()
    assert markets.rough_rows(300, 1).tobytes() != markets.rough_rows(300, 2).tobytes()


def test_rough_rows_have_every_kind():
    rows = markets.rough_rows(700)
    flags = np.bitwise_or.reduce(rows["flags"])
    wanted = RowFlag.GAP | RowFlag.CROSSED | RowFlag.ONE_SIDED | RowFlag.THIN | RowFlag.NO_EVENTS
    assert flags & wanted == wanted
    assert not rows["flags"][1:40].any()
    assert np.nanmax(np.abs(np.diff(np.log(rows["mid"])))) == pytest.approx(np.log(1.2), rel=1e-3)
    assert (rows["bid_sz"] == 1e12).any() and (rows["bid_sz"] == 0).any()


def test_gap_row_and_the_row_after_it():
    rows = markets.clean_rows(20)
    markets.spoil(rows, "gap", 10, 2)
    assert all(np.isnan(rows[n][10:12]).all() for n in (*ACCUMULATORS, *markets.BOOK_FIELDS))
    assert rows["flags"][12] == RowFlag.PARTIAL and np.isfinite(rows["mid"][12])
    assert np.isnan(rows["buy_volume"][12]) and np.isfinite(rows["buy_volume"][13])


def test_unknown_kind():
    with pytest.raises(ValueError, match="kind: 'crosed' is not one of gap, crossed"):
        markets.spoil(markets.clean_rows(20), "crosed", 10)


def test_other_future_keeps_the_past():
    rows = markets.rough_rows(300)
    other = markets.other_future(rows, 150)
    assert other[:151].tobytes() == rows[:151].tobytes()
    np.testing.assert_array_equal(other["row_ns"], rows["row_ns"])
    assert not (other["mid"][151:] == rows["mid"][151:]).any()


def test_events_make_a_sound_book():
    """Against a plain dictionary book: never crossed, never empty, every message ends."""
    book = {1: {}, -1: {}}
    for e in markets.events(3000, seed=2):
        if e["kind"] == Kind.CLEAR:
            book = {1: {}, -1: {}}
        elif e["kind"] == Kind.DEPTH:
            book[int(e["side"])][int(e["ticks"])] = int(e["lots"])
        if e["flags"] & EventFlag.END:
            assert len(book[1]) >= LEVELS and max(book[1]) < min(book[-1])
    assert e["flags"] & EventFlag.END
