"""kill -9 of sessions at the local exchange: at every step of an order's life, and at 200 random moments under load."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from killed_sessions import Killing, killing

from btcframe.venues.real.steps import STEPS

pytestmark = pytest.mark.drill

KILLS = 200


def test_at_every_step(tmp_path: Path) -> None:
    """The first time that a session comes there, the third, and the tenth; each goes on from the one before."""
    with killing(tmp_path) as there:
        for step in STEPS:
            for nth in (1, 3, 10):
                assert there.session(60.0, kill_at=f"{step}:{nth}") == -signal.SIGKILL, there.said()
                _, notes = there.recovered()
                print(f"{step:<20} {nth:>2}  {'; '.join(notes) or 'nothing was left'}")


FAULTS = ("", "reply_lost:create", "reply_lost:cancel", "accepted_twice:create", "partial_cancel", "fill_in_cancel", "error_10016:create", "error_10000_before:create", "request_lost:create", "reply_slow*300+2s")  # fmt: skip
"""What the exchange does while a session is killed; "" is nothing."""


def killed_at_random(there: Killing, draw: random.Random) -> str:
    """One session, killed a while after its first order; what the exchange did meanwhile."""
    fault, after = draw.choice(FAULTS), draw.random()

    def kill(pid: int) -> None:
        there.until_it_orders(pid)
        if fault:
            there.place.inject(fault)
        threading.Event().wait(after)
        with contextlib.suppress(ProcessLookupError):  # it has ended, which is said
            os.kill(pid, signal.SIGKILL)

    assert there.session(60.0, then=kill) == -signal.SIGKILL, there.said()
    return fault


def test_at_random_moments_under_load(tmp_path: Path) -> None:
    draw, done, notes = random.Random(11), Counter[str](), Counter[str]()
    with killing(tmp_path) as there:
        for n in range(KILLS):
            if n % 20 == 0:
                print(f"{n} kills: {there.orders()} orders", flush=True)
            done[killed_at_random(there, draw) or "no fault"] += 1
            for note in there.recovered()[1]:
                notes[" ".join(word for word in note.split() if not any(map(str.isdigit, word)))] += 1
        truth = there.truth()
    print(
        f"{KILLS} kills: {len(truth['orders'])} orders, {len(truth['executions'])} fills; {dict(done)}; {dict(notes)}"
    )
