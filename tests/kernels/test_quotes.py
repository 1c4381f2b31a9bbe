from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.kernels.quotes import (
    MALFORMED,
    MESSAGE,
    OFF_LOT,
    OFF_TICK,
    OK,
    count_events,
    grid,
    write_events,
)
from btcframe.types import EVENT, Kind

TICK, LOT = Decimal("0.25"), Decimal("0.001")


def write(
    bids: str, asks: str = "[]", kind: Kind = Kind.DEPTH
) -> tuple[list[tuple[int, int, int]], int, int]:
    head = np.zeros(1, MESSAGE)
    head["kind"], head["side"] = kind, 1
    head["bids_end"], head["asks_end"] = len(bids), len(bids) + len(asks)
    text = np.frombuffer((bids + asks).encode(), np.uint8)
    events = np.zeros(count_events(head, text), EVENT)
    n, code, at = write_events(head, text, grid(TICK), grid(LOT), events)
    return [(int(e["side"]), int(e["ticks"]), int(e["lots"])) for e in events[:n]], code, at


@pytest.mark.parametrize(
    ("step", "want"),
    [("0.1", (1, 1)), ("0.25", (2, 25)), ("10", (0, 10)), ("0.00001", (5, 1)), ("0.50", (1, 5))],
)
def test_grid(step: str, want: tuple[int, int]) -> None:
    assert grid(Decimal(step)) == want


_pairs = st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**9)), max_size=6)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(_pairs, _pairs, st.integers(0, 6), st.sampled_from([None, 1]))
def test_decimals_become_exact_ticks_and_lots(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], padding: int, indent: int | None
) -> None:
    def text(pairs: list[tuple[int, int]]) -> str:
        return json.dumps(
            [[f"{t * TICK:.{2 + padding}f}", f"{q * LOT:.{3 + padding}f}"] for t, q in pairs], indent=indent
        )

    got, code, _ = write(text(bids), text(asks))
    assert code == OK
    want = [(1, t, q) for t, q in bids] + [(-1, t, q) for t, q in asks]
    assert got == (want or [(0, 0, 0)])


def test_unpadded_numbers() -> None:
    assert write('[["3","7"],["2.5","0"],["0.25","1.5"]]')[0] == [(1, 12, 7000), (1, 10, 0), (1, 1, 1500)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[["1.30","1"]]', OFF_TICK),
        ('[["1.251","1"]]', OFF_TICK),
        ('[["1.25","0.0005"]]', OFF_LOT),
        ('[["1.25","1"]', MALFORMED),
        ('[["1.25","1"],]', MALFORMED),
        ('[["1.25"]]', MALFORMED),
        ('[["1.25","1","2"]]', MALFORMED),
        ("[[1.25,1]]", MALFORMED),
        ('[["-1.25","1"]]', MALFORMED),
        ('[["1e2","1"]]', MALFORMED),
        ('[["","1"]]', MALFORMED),
        ('[["1.2.5","1"]]', MALFORMED),
        ('[["0","1"]]', MALFORMED),
        ('[["1.25","99999999999999999999"]]', MALFORMED),
        ('[["9999999999999999999.00","1"]]', MALFORMED),
        ("{}", MALFORMED),
        ("null", MALFORMED),
    ],
)
def test_what_is_not_understood_is_refused(text: str, code: int) -> None:
    assert write(text)[1] == code
    assert write("[]", text)[1] == code


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(alphabet='[]",.0159 -e', max_size=30))
def test_whatever_it_accepts_is_what_json_and_decimal_say(text: str) -> None:
    got, code, at = write(text)
    assert 0 <= at <= len(text) + 2
    if code == OK:
        want = [(1, int(Decimal(p) / TICK), int(Decimal(q) / LOT)) for p, q in json.loads(text)]
        assert got == (want or [(0, 0, 0)])


def test_a_trade() -> None:
    assert write('"2.50"', '"0.004"', Kind.TRADE) == ([(1, 10, 4)], OK, 13)
