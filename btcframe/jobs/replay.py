"""A recorded session through the same pipeline and trader: the same intents, bit for bit."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btcframe.audit import fingerprint, load_tables
from btcframe.differences import first_difference
from btcframe.errors import ConfigError, DataError, ReplayError
from btcframe.replaying import play_again
from btcframe.report.words import counted
from btcframe.run import Run, load_manifest
from btcframe.session import TABLES


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
    recorded = load_tables(directory / TABLES)
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".replay-", dir=run.dir)))
        bar = stack.enter_context(run.progress("replay", unit="events"))
        replayed = play_again(session, tables=place / TABLES, advance=bar.advance).audit.tables()
        if difference := first_difference(recorded, replayed):
            hint = _likely_cause(manifest, run.manifest)
            raise ReplayError(f"the replay of {directory} differs: {difference}", hint=hint)
        counts = (len(replayed[table]) for table in ("intents", "orders", "fills"))
        return ReplayResult(fingerprint(replayed), *counts)


def _likely_cause(then: dict[str, Any], now: dict[str, Any]) -> str:
    keys = ("btcframe", "git", "python", "machine", "packages", "plugins", "code")
    changed = [key for key in keys if then.get(key) != now.get(key)]
    return f"Not as it was when it was recorded: {', '.join(changed)}." if changed else ""
