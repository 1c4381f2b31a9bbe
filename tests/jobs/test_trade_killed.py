"""kill -9 in the middle of an order's life: a sample; every step and 200 random kills are tests/drills/test_kill.py."""

from __future__ import annotations

import json
from pathlib import Path

from killed_sessions import Killing, killing

from btcframe.session_log import CommandItem, SessionLog
from btcframe.sessions.session import RESTORE, SESSION

from jobs.small import make_run  # isort: skip


def replays(there: Killing, name: str) -> None:
    """What a killed session left gives the same intents, order states and fills again."""
    from btcframe.jobs import replay as replay_job

    assert there.last is not None
    again = make_run(there.place.folder, there.place.catalog, name, verb="replay", session=str(there.last))
    assert replay_job.main(again).whole is False


def test_killed_before_it_is_sent_after_the_answer_and_in_a_cancel(tmp_path: Path) -> None:
    """Afterwards both sides have the same orders, fills and position, once, and nothing works."""
    with killing(tmp_path) as there:
        for step in ("submit.journaled:4", "execution.heard:2", "cancel.replied:1"):
            assert there.session(30.0, kill_at=step) == -9, there.said()
            there.recovered()
        replays(there, "again")
        held = there.recovered().position.lots
        assert there.session(1.0) == 0, there.said()
        assert there.last is not None
        first = next(
            item
            for item in SessionLog(there.last / SESSION)
            if isinstance(item, CommandItem) and item.name == RESTORE
        )
        assert first.data["ledger"]["position_lots"] == held
        manifest = json.loads((there.last / "manifest.json").read_text())
        assert manifest["status"] == "complete" and manifest["results"]["trade"]["state"] == "active"
        there.recovered()
