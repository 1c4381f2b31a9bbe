"""Observers in a thread of their own: in order, with the time at which it happened, and nobody waits for them."""

from __future__ import annotations

import threading

import pytest

from btcframe.api import SessionEvent
from btcframe.watch import telling
from btcframe.watch.telling import Teller


def test_events_are_told_in_order_with_their_time() -> None:
    told: list[SessionEvent] = []
    times = iter(range(100, 200))
    teller = Teller(told.append, "runs/a", lambda: next(times))
    teller("early", n=0)  # before it runs
    with teller.running():
        for n in range(1, 5):
            teller("halt", n=n)
    assert [(event.kind, event.ns, event.run, event.data["n"]) for event in told] == [
        ("early", 100, "runs/a", 0),
        *(("halt", 100 + n, "runs/a", n) for n in range(1, 5)),
    ]
    assert teller.counts() == {"told": 5, "waiting": 0, "untold": 0}


def test_an_observer_that_hangs_holds_up_nobody_and_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "MOST", 3)
    go, hangs = threading.Event(), threading.Event()

    def observer(event: SessionEvent) -> None:
        hangs.set()
        go.wait()

    teller = Teller(observer, "")
    with teller.running(patience=0.01):
        teller("halt")
        hangs.wait()
        for _ in range(5):
            teller("halt")
        assert teller.counts() == {"told": 0, "waiting": 3, "untold": 2}
    go.set()
