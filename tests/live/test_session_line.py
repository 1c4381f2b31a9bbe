"""What a session says of itself: a line, and its end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from btcframe.latency import Summary
from btcframe.live.session_line import Line, ending, span
from btcframe.types import NS

COUNTERS: dict[str, dict[str, Any]] = {
    "session": {"frames": 500, "events": 900},
    "trader": {"maker_fills": 1, "taker_fills": 2, "rows": 70},
    "lane": {"failures": 0, "items": 1200, "most_bytes": 2_500_000, "restarts": 0},
    "models": {"fallen": 0},
}
SIGNALS: dict[str, Any] = {
    "usable": True, "mid": 60_012.35, "position": -0.01, "position_lots": -10, "average_price": 60_016.8,
    "equity": 100_000.41, "day_profit": 0.41, "state": "active", "cause": "",
    "latency": {"total": Summary(9, 0, 0, 0, 0, 2_100_000, 0, 0)},
}  # fmt: skip


MODEL: dict[str, Any] = {
    "step": "production", "why": "", "digest": "0123456789abcdef", "mock": False, "refused": "", "drifted": {}, "ic": [],
}  # fmt: skip


def session(counters: dict[str, dict[str, Any]] = COUNTERS, **signals: Any) -> Any:
    """A session that stands so."""
    found = SimpleNamespace(**SIGNALS | signals) if signals.get("seen", True) else None
    return SimpleNamespace(
        about=lambda: {"symbol": "BTC/USDT"}, counters=lambda: counters, get_execution_signals=lambda: found,
        model=lambda: MODEL | signals.get("model", {}),
    )  # fmt: skip


def line(of: Any) -> str:
    times = iter([0, 10 * NS])
    return Line(lambda: next(times)).of(of)


def test_a_session_in_a_line() -> None:
    assert line(session()) == (
        "0:00:10 BTC/USDT 60,012.35 · -0.01 @ 60,016.80 · 100,000.41 (+0.41) · 3 fills · 50/s · p99 2.1 ms"
    )
    assert " flat " in line(session(position_lots=0)) and " no book " in line(session(usable=False))
    assert line(session(seen=False)) == "0:00:10 BTC/USDT · waiting for the book · 50/s"


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"shed": {"shut": 1}}, "overloaded: the market is left out"),
        ({"lane": COUNTERS["lane"] | {"failures": 3}}, "not written for 3 attempts"),
        ({"spool": {"failures": 2, "rows": 1000, "memory": 5}}, "the store is away, 1,005 rows wait"),
        ({"venue": {"up": 0}}, "the exchange's private stream is away"),
        ({"venue": {"up": 1, "journal_waiting": 2}}, "the journal waits for the disk"),
    ],
)
def test_trouble_comes_first(change: dict[str, Any], first: str) -> None:
    assert line(session(COUNTERS | change)).startswith(f"{first} · 0:00:10 BTC/USDT")


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"mock": True}, "MOCK: the predictions are noise"),
        ({"step": "previous", "why": "KeyError: x"}, "the previous model predicts: KeyError: x"),
        ({"refused": "0123: damaged"}, "a promotion was refused"),
        ({"drifted": {"a": 0.3, "b": 0.9}}, "2 columns moved"),
    ],
)
def test_what_is_to_be_known_of_the_model(change: dict[str, Any], first: str) -> None:
    assert line(session(model=change)).startswith(f"{first} · 0:00:10 BTC/USDT")


def test_the_model_at_the_end() -> None:
    live = {"horizon_ns": 5 * NS, "labels": 900, "apart": 180.0, "ic": 0.1234, "low": -0.02, "high": 0.26}
    told = MODEL | {
        "step": "previous", "why": "KeyError: x", "drifted": {"a": 0.9, "b": 0.3}, "ic": [live, live | {"low": None}],
    }  # fmt: skip
    plain = {
        "first_ns": 0, "last_ns": NS, "contained": {}, "state": "active", "cause": "", "latency": {}, "model": told,
        "counters": COUNTERS | {"models": {"fallen": 1, "looks": 9, "promoted": 0, "refused": 2}},
    }  # fmt: skip
    assert ending(plain, "asked", True, "Store: 70 rows", 256_000_000).splitlines()[3:] == [
        "Model at the end: previous 0123456789ab (KeyError: x); refused 2 times, fallen 1 time",
        "Columns that are not as in training (PSI above 0.25): 2, first a 0.90, b 0.30",
        "Live IC: 5s +0.123 (-0.020 … +0.260)",
    ]


@pytest.mark.parametrize(
    ("venue", "said"),
    [
        ({"up": 1, "sent": 1, "requests": 1278, "missed": 3},
         ["Exchange: 1 order sent, 1,278 requests: 0 of unknown outcome, 0 refused by the rate limit, 0 for other reasons; "
          "0 stream reconnects, 3 fills heard late"]),
        ({"up": 1, "sent": 900, "requests": 1278, "refused": 7, "limited": 5, "unknown": 4, "settled": 3, "lost": 1,
          "restored": 2, "missed": 1, "journal_waiting": 8},
         ["Exchange: 900 orders sent, 1,278 requests: 4 of unknown outcome (2 found done or over, 1 never arrived, "
          "1 left to the next session), 5 refused by the rate limit, 7 for other reasons; 2 stream reconnects, "
          "1 fill heard late; 8 notes never got into the journal"]),
        ({"up": 1, "requests": 0}, ["Exchange: nothing was asked of it"]),
        ({}, []),
    ],
)  # fmt: skip
def test_what_passed_with_an_exchange(venue: dict[str, int], said: list[str]) -> None:
    plain = {
        "first_ns": 0, "last_ns": NS, "contained": {}, "state": "active", "cause": "", "latency": {},
        "model": MODEL | {"step": ""}, "counters": COUNTERS | {"venue": venue},
    }  # fmt: skip
    lines = ending(plain, "asked", True, "Store: 70 rows", 256_000_000).splitlines()
    assert [line for line in lines if line.startswith("Exchange")] == said


def test_a_model_that_has_seen_the_market_proves_nothing() -> None:
    plain = {
        "first_ns": 5 * NS, "last_ns": 6 * NS, "contained": {}, "state": "active", "cause": "", "latency": {},
        "counters": COUNTERS | {"models": {"fallen": 0, "looks": 0, "promoted": 0, "refused": 0}},
    }  # fmt: skip
    told = "It was fitted on data that ends after this session began: what it did here proves nothing."
    for fitted_ns, said in ((0, False), (5 * NS, False), (6 * NS, True)):
        model = MODEL | {"fitted_ns": fitted_ns}
        lines = ending(plain | {"model": model}, "asked", True, "Store: 70 rows", 256_000_000).splitlines()
        assert (told in lines) == said


def test_a_trader_that_is_halted_says_so_first() -> None:
    assert line(session(state="halted", cause="halt: by hand")).startswith("HALTED: by hand · 0:00:10")
    assert line(session(state="halted", cause="halt")).startswith("HALTED · 0:00:10")
    assert line(session(state="reducing", cause="daily_loss: 3 %")).startswith("REDUCING: daily_loss: 3 % · ")


def test_the_end_of_a_session() -> None:
    stage = {"p50_ns": 400_000, "p99_ns": 900_000}
    plain = {
        "first_ns": 0, "last_ns": 3725 * NS, "contained": {"features.ofi": "ValueError: x"}, "state": "reducing",
        "cause": "features.ofi", "latency": {"total": stage, "row": stage},
        "counters": COUNTERS | {"shed": {"shed": 1200, "times": 1, "spared": 0}, "lane": COUNTERS["lane"] | {"restarts": 1}},
        "model": MODEL | {"step": ""},
    }  # fmt: skip
    assert ending(plain, "asked", False, "Store: 70 rows", 256_000_000).splitlines() == [
        "Stopped after 1:02:05: 500 frames, 70 rows; no model, so nothing was predicted",
        "From our socket to the decision: p50 400 µs, p99 900 µs (p99 by stage, µs: row 900)",
        "Left out under overload: 1,200 messages in 1 gap, and 0 optional ones",
        "Slow lane: 1,200 items, at most 2.5 MB of 256 waited to be written; its thread was restarted 1 time",
        "Store: 70 rows",
        "Switched off: features.ofi (ValueError: x)",
        "The trader is reducing: features.ofi. So will be one that starts from here.",
    ]


def test_a_span() -> None:
    assert [span(0), span(61 * NS), span(3600 * NS)] == ["0:00:00", "0:01:01", "1:00:00"]
