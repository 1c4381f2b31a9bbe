"""A recorded session through the same pipeline and trader: the same intents, bit for bit."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btcframe.audit import fingerprint, first_difference, load_tables
from btcframe.errors import ConfigError, DataError, ReplayError
from btcframe.recorded import recorded_feed
from btcframe.report.words import counted
from btcframe.run import Run, load_manifest
from btcframe.session import SESSION, TABLES, of_log, open_pipeline, open_trader
from btcframe.session_log import SessionLog
from btcframe.warm_start import started_from


@dataclass(frozen=True)
class ReplayResult:
    """A replay that gave the recorded bits: their fingerprint, and how much was compared."""

    fingerprint: str
    intents: int
    orders: int
    fills: int


def main(run: Run) -> ReplayResult:
    """Replay the run in the directory `session`, with the config of its own manifest.

    Raises
    ------
    ConfigError, DataError, ModelError, PluginError
        If the session cannot be replayed.
    ReplayError
        If it gives anything else than was recorded; it names the first difference.
    """
    if not run.config["session"]:
        raise ConfigError(
            "session: there is no session to replay",
            hint="Name the directory of a finished run or backtest.",
            next="btcframe replay runs/DIRECTORY",
        )
    result = replay(run, Path(run.config["session"]))
    run.manifest.setdefault("results", {})["replay"] = vars(result)
    run.say(
        f"The same {counted(result.intents, 'intent')}, {counted(result.orders, 'order state')} and "
        f"{counted(result.fills, 'fill')}, bit for bit."
    )
    return result


def replay(run: Run, directory: Path) -> ReplayResult:
    """Replay a session; see `main`. `run` gives the catalog and the console."""
    manifest = load_manifest(directory)
    if manifest["verb"] == "record":
        raise DataError(
            f"{directory} is a recording: it holds what a source gave, and nothing was decided in it",
            hint="A replay repeats a session that traded.",
            next=f"Use it as a source: btcframe run source=session_log source.path={shlex.quote(str(directory))}",
        )
    session = Run(directory, manifest["config"], run.catalog, run.console)
    log = SessionLog(directory / SESSION)
    recorded = load_tables(directory / TABLES)
    with contextlib.ExitStack() as stack:
        source = run.catalog.build("source", log.header["source"])
        feed = stack.enter_context(contextlib.closing(recorded_feed(log, source, seed=session.seed)))
        bar = stack.enter_context(run.progress("replay", unit="events"))
        promotions = of_log(log, directory, run.catalog)
        if not log.complete:
            raise DataError(
                "the session log ends before the session did", where=str(log.path),
                hint="It has no closing line: the file was cut, or is not this run's.",
            )  # fmt: skip
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".replay-", dir=run.dir)))
        pipeline = open_pipeline(session, feed.instrument, session.component("policy").wakes)
        if (start := started_from(log, directory)) is not None:
            pipeline.restore(start.memory)
        trader = open_trader(session, pipeline, promotions, tables=place / TABLES)
        stack.enter_context(contextlib.closing(trader))
        for batch in feed:
            trader.consume(batch.events)
            bar.advance(len(batch.events))
        trader.finish(flatten=session.config["backtest"]["flatten"])
        replayed = trader.audit.tables()
        if difference := first_difference(recorded, replayed):
            hint = _likely_cause(manifest, run.manifest)
            raise ReplayError(f"the replay differs: {difference}", where=str(directory), hint=hint)
        counts = (len(replayed[table]) for table in ("intents", "orders", "fills"))
        return ReplayResult(fingerprint(replayed), *counts)


def _likely_cause(then: dict[str, Any], now: dict[str, Any]) -> str:
    keys = ("btcframe", "git", "python", "machine", "packages", "plugins", "code")
    changed = [key for key in keys if then.get(key) != now.get(key)]
    return f"Not as it was when it was recorded: {', '.join(changed)}." if changed else ""
