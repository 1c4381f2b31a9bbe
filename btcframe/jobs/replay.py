"""A recorded session through the same pipeline and trader: the same intents, bit for bit."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btcframe.errors import ConfigError, DataError, ReplayError, SessionError
from btcframe.report.words import counted
from btcframe.run import Run, any_manifest, load_manifest
from btcframe.sessions.replaying import play_again
from btcframe.sessions.session import TABLES
from btcframe.trading.audit import fingerprint, load_tables
from btcframe.trading.differences import first_difference
from btcframe.watch.status import RUNNING, STATUS, read_status


@dataclass(frozen=True)
class ReplayResult:
    """A replay that gave the recorded bits.

    Parameters
    ----------
    fingerprint : str               of what was recorded
    intents, orders, fills : int    that were compared
    whole : bool                    False where the session died, and this is what it left
    """

    fingerprint: str
    intents: int
    orders: int
    fills: int
    whole: bool


def main(run: Run) -> ReplayResult:
    """Replay the run in the directory `session`, with the config of its own manifest.

    Raises
    ------
    ConfigError, DataError, ModelError, PluginError
        If the session cannot be replayed.
    SessionError
        If it still runs.
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
        + ("" if result.whole else "\nThe session did not end by itself: that is what it left.")
    )
    return result


def replay(run: Run, directory: Path) -> ReplayResult:
    """Replay a session; see `main`. `run` gives the catalog and the console."""
    manifest = any_manifest(directory)
    if manifest["verb"] == "record":
        raise DataError(
            f"{directory} is a recording: it holds what a source gave, and nothing was decided in it",
            hint="A replay repeats a session that traded.",
            next=f"Use it as a source: btcframe run source=session_log source.path={shlex.quote(str(directory))}",
        )
    if manifest["verb"] != "trade":
        load_manifest(directory)
    whole = manifest["status"] == "complete"
    if not whole and (directory / STATUS).is_file() and read_status(directory).condition in RUNNING:
        raise SessionError(
            f"the session in {directory} still runs",
            hint="It is replayed when it has ended.",
            next=f"How it stands: btcframe session status {shlex.quote(str(directory))}",
        )
    session = Run(directory, manifest["config"], run.catalog, run.console)
    recorded = load_tables(directory / TABLES)
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".replay-", dir=run.dir)))
        bar = stack.enter_context(run.progress("replay", unit="events"))
        played = play_again(session, tables=place / TABLES, advance=bar.advance, whole=whole)
        # what is on disk of a session that died is never ahead of its log
        if difference := first_difference(recorded, played.audit.tables(), cut=not whole):
            hint = _likely_cause(manifest, run.manifest)
            raise ReplayError(f"the replay of {directory} differs: {difference}", hint=hint)
        intents, orders, fills = (len(recorded[table]) for table in ("intents", "orders", "fills"))
        return ReplayResult(fingerprint(recorded), intents, orders, fills, whole)


def _likely_cause(then: dict[str, Any], now: dict[str, Any]) -> str:
    keys = ("btcframe", "git", "python", "machine", "packages", "plugins", "code")
    changed = [key for key in keys if then.get(key) != now.get(key)]
    return f"Not as it was when it was recorded: {', '.join(changed)}." if changed else ""
