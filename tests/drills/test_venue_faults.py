"""Sessions at the local exchange, one after the other on one account, under random orders and random faults.

Ours must be theirs whenever there is peace, and no id may have been used twice; half of the sessions leave what works to
the next one.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from real_venue import Local, Session, local, session

pytest.importorskip("ccxt")
pytestmark = pytest.mark.drill

FAULTS = (
    "reply_lost:create", "request_lost:create", "accepted_twice:create", "error_10016:create", "error_10000:amend",
    "error_10016_before:create", "error_170146:create", "reject:create", "partial_cancel:create", "fill_in_cancel",
    "reply_lost:cancel", "request_lost:cancel", "reply_lost:amend", "drop", "reply_slow+1s*200", "stream_down+1s",
    "stream_silent+2s", "skew*3000", "skew*-3000", "too_many", "slow",
)  # fmt: skip
FINAL = ("FILLED", "CANCELED", "REJECTED", "EXPIRED")
SESSIONS = 5


def trade(s: Session, exchange: Local, draw: random.Random, seconds: float) -> None:
    """Random orders, amendments and cancels under random faults."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        s.hear()
        if draw.random() < 0.15:
            exchange.inject(draw.choice(FAULTS))
        works = [n for n in s.states if s.last(n)[0] in ("ACCEPTED", "PARTIALLY_FILLED")]
        what, near = draw.random(), 600_000 + draw.choice((-1, 1)) * draw.randint(0, 3000)
        if what < 0.35:
            s.submit(draw.choice((1, -1)), draw.randint(1, 30), near)
        elif what < 0.45:
            s.market(draw.choice((1, -1)), draw.randint(1, 20))
        elif what < 0.6 and works:
            s.gateway.cancel(draw.choice(works), 0)
        elif what < 0.75 and works:
            s.gateway.amend(draw.choice(works), near, draw.randint(1, 40), 0)
        time.sleep(draw.uniform(0, 0.15))
    exchange.at.call(exchange.exchange.heal)


@pytest.mark.parametrize("seed", range(3))
def test_ours_is_theirs_after_every_storm(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    with local() as exchange:
        for number in range(SESSIONS):
            with session(exchange.at.port, tmp_path, f"a-b-{seed:06}{number:06}") as s:
                held = s.recovered.position.lots
                assert held == exchange.lots and exchange.truth()["open"] == []
                trade(s, exchange, draw, draw.uniform(5, 12))
                if draw.random() < 0.5:
                    for n in range(1, s.count + 1):
                        s.gateway.cancel(n, 0)
                    s.until(lambda s=s: all(s.last(n)[0] in FINAL for n in range(1, s.count + 1)), 60)  # type: ignore[misc]
                    s.until(lambda s=s, held=held: held + sum(s.filled.values()) == exchange.lots, 30)  # type: ignore[misc]
                    assert exchange.truth()["open"] == []
                assert s.stops == []
                assert all(sum(state in FINAL for state, _ in told) <= 1 for told in s.states.values())
            links = [order["orderLinkId"] for order in exchange.truth()["orders"]]
            assert len(set(links)) == len(links)
