"""Sessions that have left something behind: that died, hang, or were halted and never went on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from btcframe.doctor.finding import Finding, Level
from btcframe.watch.status import find
from btcframe.watch.switch import standing


def sessions(root: Path) -> Iterator[Finding]:
    """What the sessions below `root`/runs came to; of those that have ended in order nothing is said."""
    found = find(root)
    for status in found:
        named = shlex.quote(str(status.directory))
        if status.condition == "stuck":
            yield Finding(
                "sessions",
                Level.FAIL,
                f"{status.directory} is stuck: its process {status.process.pid} runs and does nothing",
                f"btcframe session status {named}, then btcframe session halt {named}",
            )
        elif status.condition == "died":
            yield Finding(
                "sessions",
                Level.WARN,
                f"{status.directory} has died without a word",
                f"Go on from it: btcframe trade warm_start={named} …, or leave it",
            )
        elif status.condition == "running":
            yield Finding("sessions", Level.OK, f"{status.directory} runs, {status.state}")
        if status.condition in ("running", "died") and (halt := standing(status.directory)) is not None:
            yield Finding(
                "sessions",
                Level.WARN,
                f"{status.directory} is halted: {halt.cause}",
                f"Once that is settled: btcframe session resume {named}",
            )
    if all(status.condition in ("ended", "failed", "elsewhere") for status in found):
        yield Finding("sessions", Level.OK, f"none runs here, none has died; {len(found)} have ended")
