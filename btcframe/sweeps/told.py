"""What a sweep came to: a table, and an error where jobs failed."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from typing import Any

from btcframe.errors import SweepError
from btcframe.sweeps.ledger import COMPLETE, DIED, FAILED, Job, Ledger, resume_command

RANKED = ("run", "train", "backtest")
"""Verbs whose runs `btcframe runs compare` ranks."""

SHOWN = 40
"""Jobs that the table lists at most: of more, those that are not complete."""


def table(ledger: Ledger) -> Any:
    """What became of each job, as a rich table."""
    from rich.table import Table

    jobs = ledger.jobs
    listed = jobs if len(jobs) <= SHOWN else [job for job in jobs if job.state != COMPLETE][:SHOWN]
    valued = any(job.value is not None for job in jobs)
    made = Table(box=None, pad_edge=False, title=_title(ledger), title_justify="left", title_style="bold")
    made.add_column("#", justify="right")
    made.add_column("job", overflow="fold")
    made.add_column("state")
    made.add_column("time", justify="right")
    made.add_column("memory", justify="right")
    if valued:
        made.add_column("objective", justify="right")
    constant = Counter(override for job in jobs for override in job.overrides)
    for job in listed:
        varying = [o for o in job.overrides if len(jobs) == 1 or constant[o] < len(jobs)]
        row = [
            str(job.number), " ".join(varying) or "·", job.state,
            f"{job.seconds:.1f} s" if job.seconds else "", f"{job.memory / 1e6:.0f} MB" if job.memory else "",
        ]  # fmt: skip
        made.add_row(*row, *([f"{job.value:.6g}" if job.value is not None else ""] if valued else []))
    return made


def _title(ledger: Ledger) -> str:
    counts = Counter(job.state for job in ledger.jobs)
    states = ", ".join(f"{n} {state}" for state, n in sorted(counts.items(), key=lambda item: -item[1]))
    return f"{len(ledger.jobs)} jobs: {states}"


def whereabouts(ledger: Ledger) -> str:
    """Where a sweep lies, and what to type next."""
    place = os.path.relpath(ledger.directory)
    compared = ledger.verb in RANKED and ledger.count(COMPLETE) > 1
    return (
        f"In {place}"
        + compared * f"\nWhat the best of it is worth: btcframe runs compare {shlex.quote(place)}"
    )


def check_whole(ledger: Ledger) -> None:
    """Say which jobs failed, and why.

    Raises
    ------
    SweepError
    """
    failed = [job for job in ledger.jobs if job.state != COMPLETE]
    if not failed:
        return
    lines = [_line(ledger, job) for job in failed[:SHOWN]]
    lines += [f"  and {len(failed) - SHOWN} more"] * (len(failed) > SHOWN)
    raise SweepError(
        f"{len(failed)} of {len(ledger.jobs)} jobs are not complete",
        hint="\n".join(lines),
        next=f"Once mended, what is missing: {resume_command(ledger.directory)}",
    )


def _line(ledger: Ledger, job: Job) -> str:
    why = job.error.splitlines()[0] if job.error else job.state
    see = f" (see {ledger.directory.name}/{job.directory})" if job.state in (FAILED, DIED) else ""
    return f"  #{job.number}: {why}{see}"
