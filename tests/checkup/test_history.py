"""The history of the quality against NumPy over the whole table, and the same however the rows came."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.checkup import judge
from btcframe.checkup.collect import Collector
from btcframe.checkup.history import LOWERED, History
from btcframe.checkup.numbers import Checkup
from btcframe.errors import DataError
from btcframe.types import NS, ROW, RowArray, RowFlag

N = 9000


def market(n: int = N) -> RowArray:
    """Rows of every quality and cause."""
    rng = np.random.default_rng(2)
    rows = np.zeros(n, ROW)
    rows["row_ns"] = 1_700_000_000 * NS + NS // 10 * np.arange(n)
    rows["quality"] = 1.0
    for cause, flag, q in (
        ("snapshot", 0, 0.75), ("stale", RowFlag.STALE, 0.3), ("late", RowFlag.LATE, 0.9),
        ("both", RowFlag.STALE | RowFlag.LATE, 0.1), ("quiet", RowFlag.BAR | RowFlag.NO_EVENTS, 0.5),
        ("bar", RowFlag.BAR, 1.0), ("bookless", RowFlag.GAP | RowFlag.STALE, 0.0),
    ):  # fmt: skip
        chosen = rng.random(n) < (0.01 if cause != "both" else 0.002)
        rows["flags"][chosen], rows["quality"][chosen] = int(flag), q
    return rows


def found(rows: RowArray, cuts: list[int]) -> Checkup:
    collector = Collector(())
    for a, b in pairwise([0, *sorted(cuts), len(rows)]):
        collector.add(rows[a:b], np.empty((b - a, 0)))
    return collector.finish()


def test_against_numpy() -> None:
    rows = market()
    checkup = found(rows, [])
    history = checkup.history
    parts = [rows[a : a + checkup.block] for a in range(0, N, checkup.block)]
    assert 32 <= len(parts) <= 64
    assert history.rows == tuple(map(len, parts))
    ms = [(part["row_ns"] - rows["row_ns"][0]).mean() / 1e6 for part in parts]
    np.testing.assert_allclose(history.ms, ms, atol=1)
    np.testing.assert_allclose(history.quality, [part["quality"].mean() for part in parts], atol=1e-6)
    assert history.mean == pytest.approx(rows["quality"].mean(), abs=1e-6)
    flags, quality = rows["flags"], rows["quality"]
    stale = (flags & int(RowFlag.STALE) != 0) & (quality > 0)
    expected = {
        "bookless": quality == 0,
        "quiet": quality == 0.5,
        "stale": stale,
        "late": (flags & int(RowFlag.LATE) != 0) & ~stale & (quality > 0),
        "snapshot": (quality == 0.75),
    }
    assert {c: sum(n) for c, n in history.lowered.items()} == {c: int(m.sum()) for c, m in expected.items()}
    assert sum(history.causes().values()) == (quality < 1).sum()
    assert list(history.causes().values()) == sorted(history.causes().values(), reverse=True)
    assert tuple(history.lowered) == LOWERED


@settings(max_examples=15, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(0, N), max_size=8), n=st.sampled_from([1, 31, 33, 2049, N]))
def test_however_the_rows_came(cuts: list[int], n: int) -> None:
    rows = market()[:n]
    assert found(rows, [min(c, n) for c in cuts]) == found(rows, [])


def test_it_comes_back_from_a_manifest() -> None:
    checkup = found(market(300), [])
    told = json.loads(json.dumps(checkup.as_manifest()))
    assert Checkup.from_manifest(told) == checkup
    del told["history"]["lowered"]["late"]
    with pytest.raises(DataError, match="is another version's"):
        Checkup.from_manifest(told)


def test_no_rows_have_no_quality() -> None:
    history = found(market(0), []).history
    assert np.isnan(history.mean) and not history.causes()


def test_it_is_told_in_words() -> None:
    assert judge.quality(found(market(5), []).history) == "quality 1 in all 5 rows"
    history = History(
        (100, 100),
        (0, 1),
        (0.9, 0.7),
        dict.fromkeys(LOWERED, (0, 0)) | {"stale": (10, 1), "bookless": (0, 29)},
    )
    assert judge.quality(history) == (
        "quality 0.8 on average, below 1 in 20 % of the rows: 29 without a usable book, 11 with a book older than usual"
    )
