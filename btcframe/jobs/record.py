"""What a source gives, into a session log, in the order of consumption and untouched."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from btcframe.api import Batch
from btcframe.config import duration
from btcframe.errors import ConfigError, DataError
from btcframe.run import Run
from btcframe.session_log import Keeping, SessionWriter
from btcframe.sessions.recording import Meter, until_stopped
from btcframe.sessions.session import SESSION, log_header


@dataclass(frozen=True)
class Recording:
    """What was recorded.

    Parameters
    ----------
    stopped : str       why it ended: duration, asked (Ctrl-C, SIGTERM), or end (of what the source had)
    frames : int
    size : int          bytes on disk
    parts : int         files
    """

    stopped: str
    frames: int
    size: int
    parts: int


def main(run: Run) -> Recording:
    """Record until `record.duration` is over, the source ends, or Ctrl-C: each leaves a log that is complete.

    Raises
    ------
    ConfigError
        If the source gives no frames: its config and seed are the record.
    DataError
        If it cannot be read, or nothing comes of it.
    StoreError
        If the disk is full. What was written before stays, and is whole.
    """
    source, plugin = run.component("source"), run.config["source"]["plugin"]
    if not hasattr(source, "decode"):
        raise ConfigError(
            f"source {plugin} gives no frames: there is nothing to record",
            where="source",
            hint="Frames are what an exchange sends. What is made from config and seed, or read from bars, is its own record.",
            next="btcframe record source=bybit record.duration=10m",
        )
    limit_ns = duration(run.config, "record", "duration")
    with contextlib.ExitStack() as stack:
        feed = stack.enter_context(contextlib.closing(source.open(seed=run.seed)))
        what = log_header(run, source, feed.instrument)
        stop = stack.enter_context(until_stopped())
        show = stack.enter_context(run.console.watch())
        log = stack.enter_context(SessionWriter(run.dir / SESSION, what, keeping(run.config)))
        meter = Meter(feed, log)
        stopped = "end"
        for batch in feed:
            taken, over = _within(batch, meter.first_ns, limit_ns)
            log.batch(taken)
            meter.took(taken)
            show(meter.line)
            if over or stop():
                stopped = "duration" if over else "asked"
                break
    if not meter.frames:
        raise DataError(f"source {plugin} gave no frame", where="source")
    run.manifest.setdefault("results", {})["record"] = {"stopped": stopped, **meter.plain()}
    run.say(meter.summary())
    return Recording(stopped, meter.frames, log.size, log.parts)


def keeping(config: Mapping[str, Any]) -> Keeping:
    """How the section `record` wants the log kept."""
    settings = config["record"]
    return Keeping(
        flush_ns=duration(config, "record", "flush"),
        sync=settings["sync"],
        part_bytes=settings["part"],
        part_ns=duration(config, "record", "every"),
        behind=True,
    )


def _within(batch: Batch, first_ns: int, limit_ns: int) -> tuple[Batch, bool]:
    """What of a batch came within the time from the first frame on, and whether that is over."""
    frames = batch.frames
    if not limit_ns or not frames:
        return batch, False
    until_ns = (first_ns or frames[0].local_ts) + limit_ns
    if frames[-1].local_ts < until_ns:
        return batch, False
    events = batch.events[batch.events["local_ts"] < until_ns]
    return batch._replace(events=events, frames=[f for f in frames if f.local_ts < until_ns]), True
