"""`btcframe session`: how a trading session stands, the kill switch, and why an order was what it was.

Nothing heavy is imported on the way to `halt`: it is to work at once, on a machine in trouble.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from btcframe.cli.arguments import parsed
from btcframe.cli.session_status import CONDITIONS, lines
from btcframe.errors import BtcframeError, ConfigError, SessionError, StoreError, did_you_mean
from btcframe.watch.status import RUNNING, Status, read_status, running
from btcframe.watch.switch import FLATTEN, HALT, RESUME, ask

if TYPE_CHECKING:
    from btcframe import explain
    from btcframe.live.flattening import Flattened

WAIT = 5.0
"""Seconds that a session is given to answer."""

LONGER = 30.0
"""Seconds that one is given to close its position."""

LOOK = 0.05
"""Seconds between two looks at its answer."""

_FLAGS: Mapping[str, Mapping[str, bool]] = {
    "status": {"--json": False},
    "halt": {"--json": False, "--why": True, "--wait": True, "--no-kill": False},
    "flatten": {"--json": False, "--why": True, "--wait": True},
    "resume": {"--json": False, "--why": True, "--wait": True},
    "explain": {"--json": False, "--features": False, "--all": False},
}
"""Flags of each command, and whether a value follows."""


class _Asked(NamedTuple):
    words: list[str]
    flags: dict[str, str]

    @property
    def wait(self) -> float:
        return float(self.flags.get("--wait", WAIT))

    @property
    def json(self) -> bool:
        return "--json" in self.flags


def main(arguments: Sequence[str]) -> int:
    """Run `btcframe session COMMAND …`; returns the exit code."""
    command, *rest = arguments or ["status"]
    if command not in COMMANDS:
        raise ConfigError(
            f"btcframe session {command}: there is no such command",
            hint=did_you_mean(command, COMMANDS, "btcframe session "),
            next="How the newest one stands: btcframe session status",
        )
    return COMMANDS[command](_parsed(command, rest))


def _parsed(command: str, arguments: Sequence[str]) -> _Asked:
    words, flags = parsed(f"btcframe session {command}", arguments, _FLAGS[command])
    most = 2 if command == "explain" else 1
    if len(words) > most:
        raise ConfigError(
            f"btcframe session {command} takes no {words[most]!r}",
            hint="It takes the directory of one session, or none for the newest that runs.",
        )
    try:
        enough = float(flags.get("--wait", WAIT)) >= 0
    except ValueError:
        enough = False
    if not enough:
        raise ConfigError(
            f"btcframe session {command} --wait: {flags['--wait']!r} is not a number of seconds"
        )
    return _Asked(words, flags)


def _session(words: Sequence[str]) -> Status:
    """The one that is named, or the newest that runs; what else runs is said, beside what a script reads."""
    if words:
        return read_status(Path(words[0]))
    newest, *others = running(Path())
    if others:
        names = ", ".join(str(status.directory) for status in others)
        print(f"This is the newest session that runs here; there are others: {names}", file=sys.stderr)
    return newest


def _status(asked: _Asked) -> int:
    """Exit code 8 where the session is stuck or has died."""
    status = _session(asked.words)
    if asked.json:
        print(json.dumps(status.plain(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines(status)))
    return SessionError.exit_code if status.condition in ("stuck", "died") else 0


def _halt(asked: _Asked) -> int:
    """The switch, then the answer; where none comes, the end of the process."""
    status = _here(_session(asked.words))
    directory, process = status.directory, status.process
    try:
        request = ask(directory, HALT, asked.flags.get("--why", ""))
    except StoreError as error:
        raise _unasked(status, error, kill="--no-kill" not in asked.flags) from error
    restarted = "A session that starts from it begins halted."
    if not status.alive:
        done, said = "standing", f"does not run. {restarted}"
    elif _answered(directory, asked.wait, lambda status: status.state == "halted"):
        done, said = "halted", "is halted: its orders are canceled, and nothing is sent."
    elif not process.alive:
        done, said = "ended", f"has ended meanwhile. {restarted}"
    elif "--no-kill" in asked.flags:
        raise SessionError(
            f"{directory} does not answer within {asked.wait:g} s",
            hint=f"It halts as soon as it looks: {HALT}.json stands in its directory.",
            next="End its process: the same without --no-kill",
        )
    else:
        process.end(WAIT)
        done = "killed"
        said = f"did not answer within {asked.wait:g} s: its process {process.pid} was ended. {restarted}"
        if not _in_paper(status):
            there = _at_venue(directory, close=False)
            said += f" Its orders were canceled at the venue; {there.left:+,} lots are held."
    if asked.json:
        print(json.dumps({"directory": str(directory), "done": done, "cause": request.cause}))
    else:
        print(f"{directory} {said}\nGo on: btcframe session resume {directory}")
    return 0


def _unasked(status: Status, error: StoreError, *, kill: bool) -> SessionError:
    """Nothing can be put into the directory: the process is ended without being asked, and that is told."""
    if kill and status.alive:
        status.process.end(WAIT)
        done = f"its process {status.process.pid} was ended"
    else:
        done = "it was left alone" if status.alive else "it does not run"
    return SessionError(
        f"{status.directory}: {done}, but {error.what}",
        where=error.where,
        hint="A session that starts from it does not begin halted.",
        next="Make room or get the right to write there, and do it again.",
    )


def _flatten(asked: _Asked) -> int:
    """Halt, and close the position: the session does it, or where none runs the venue is asked itself."""
    status = _here(_session(asked.words))
    directory, wait = status.directory, float(asked.flags.get("--wait", LONGER))
    request = ask(directory, FLATTEN if status.alive else HALT, asked.flags.get("--why", ""))
    done, notes = "flat", tuple[str, ...]()
    if not status.alive and _in_paper(status):
        done, said = "nothing", "was a session in paper, and does not run: nothing is held anywhere."
    elif not status.alive:
        there = _at_venue(directory, close=True)
        notes = there.notes
        said = f"does not run: {there.closed:+,} lots were closed at the venue, no order works."
    elif not _answered(directory, wait, lambda status: _is_flat(status) or _is_unsure(status)):
        raise SessionError(
            f"{directory} is not flat within {wait:g} s: it {_holds(read_status(directory))}",
            hint="It goes on trying while its process runs and its book is whole.",
            next=f"End it, then again: btcframe session halt {shlex.quote(str(directory))}",
        )
    elif _is_unsure(read_status(directory)):  # it would close what it thinks it holds
        status.process.end(WAIT)
        there = _at_venue(directory, close=True)
        notes = there.notes
        said = (
            f"did not know any more what it holds: its process {status.process.pid} was ended. By the exchange's "
            f"count {there.closed:+,} lots were closed, no order works."
        )
    else:
        said = "is halted: nothing is held, and no order works."
    if asked.json:
        told = {"directory": str(directory), "done": done, "cause": request.cause, "notes": notes}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n".join([f"{directory} {said}", *(f"  {note}" for note in notes)]))
    return 0


def _is_flat(status: Status) -> bool:
    signals = status.told["signals"]
    return status.state == "halted" and not signals["position_lots"] and not signals["working"]


def _is_unsure(status: Status) -> bool:
    """Whether a halted session's count of its position is not the exchange's."""
    signals = status.told["signals"] or {}
    return status.state == "halted" and not signals.get("position_known", True)


def _holds(status: Status) -> str:
    signals = status.told["signals"]
    if signals is None:
        return "has not begun"
    return f"is {status.state}, {signals['position_lots']:+,} lots are held, {signals['working']} orders work"


def _in_paper(status: Status) -> bool:
    """Whether nothing of a session can be at a venue: without what is heavy, for most are."""
    return str(status.told["about"].get("venue", "")).split()[:1] in ([], ["sim"])


def _at_venue(directory: Path, *, close: bool) -> Flattened:
    """Cancel, and close where that is asked, at the venue of a session that does not run."""
    from btcframe.api import RealVenue
    from btcframe.explain.chain import left_by
    from btcframe.live.flattening import flatten
    from btcframe.plugins import discover
    from btcframe.run import new_id

    what = "closed" if close else "canceled"
    again = f"btcframe session flatten {shlex.quote(str(directory))}"
    left = left_by(directory)
    venue = discover().build("venue", left.manifest["config"]["venue"], "venue")
    if not isinstance(venue, RealVenue):
        raise SessionError(
            f"{directory}: its venue cannot be asked without a session", next="Look at the venue yourself."
        )
    try:
        there = flatten(venue, left.instrument, new_id("flatten"), close=close)
    except BtcframeError as error:
        raise SessionError(
            f"{directory} does not run, and nothing was {what} at its venue: {error.what}",
            where=error.where,
            hint=error.hint,
            next=f"When that is over: {again}",
        ) from error
    if close and there.left:
        raise SessionError(
            f"{directory}: {there.left:+,} lots are still held", hint="; ".join(there.notes), next=again
        )
    return there


def _resume(asked: _Asked) -> int:
    status = _here(_session(asked.words))
    directory = status.directory
    request = ask(directory, RESUME, asked.flags.get("--why", ""))
    if not status.alive:
        done, said = "standing", "does not run. A session that starts from it begins active."
    elif _answered(directory, asked.wait, lambda status: status.state == "active"):
        done, said = "active", "is active."
    else:
        raise SessionError(
            f"{directory} has not resumed within {asked.wait:g} s: it is {read_status(directory).state}",
            hint="A limit holds it back, something of it is switched off, or it does not answer.",
            next=f"See which: btcframe session status {directory}",
        )
    if asked.json:
        print(json.dumps({"directory": str(directory), "done": done, "cause": request.cause}))
    else:
        print(f"{directory} {said}")
    return 0


def _here(status: Status) -> Status:
    """Refuse a session of which nothing can be known from here."""
    if status.condition == "elsewhere":
        raise SessionError(
            f"{status.directory}: {CONDITIONS['elsewhere']}",
            hint=f"A file {HALT}.json in its directory halts it where its process sees it.",
            next="Do the same where it runs.",
        )
    return status


def _explain(asked: _Asked) -> int:
    """`explain ORDER [DIR]`, or `explain [DIR]` for the orders that there are."""
    from btcframe import explain

    words = list(asked.words)
    order = next((word for word in words if word.isdecimal() and not Path(word).is_dir()), None)
    if order is not None:
        words.remove(order)
    if len(words) > 1:
        raise ConfigError(
            f"btcframe session explain: {words[0]!r} is not the number of an order",
            hint="Orders are numbered from 1: btcframe session explain 12 runs/DIRECTORY",
        )
    wanted = {"--features", "--all"} & asked.flags.keys()
    if order is None and wanted:
        raise ConfigError(
            f"btcframe session explain {wanted.pop()} needs the number of an order",
            hint="Features are those of the row that an order was decided on.",
            next="The orders that there are: btcframe session explain",
        )
    directory = Path(words[0]) if words else explain.newest(Path())
    told: Any
    if order is None:
        told = (
            explain.plain_orders(explain.orders(directory))
            if asked.json
            else explain.describe_orders(directory)
        )
    else:
        found = explain.explain(directory, int(order))
        if wanted:
            found = _with_features(found, directory)
        told = explain.plain(found) if asked.json else explain.describe(found, every="--all" in wanted)
    print(json.dumps(told, indent=2, ensure_ascii=False) if asked.json else told)
    return 0


def _with_features(found: explain.Explained, directory: Path) -> explain.Explained:
    """An explained order with the features of its row; how long that took is said beside what a script reads."""
    from btcframe import explain
    from btcframe.cli.console import Terminal
    from btcframe.plugins import discover

    began, console = time.monotonic(), Terminal()
    with console.progress("the market up to that row", None, "events") as bar:
        features = explain.features(directory, found.ids.row_ns, discover(), bar.advance)
    rows = f"{features.rows:,} row{'' if features.rows == 1 else 's'}"
    print(f"Played again up to that row: {rows} in {time.monotonic() - began:.1f} s", file=sys.stderr)
    return dataclasses.replace(found, features=features)


COMMANDS: Mapping[str, Callable[[_Asked], int]] = {
    "status": _status,
    "halt": _halt,
    "flatten": _flatten,
    "resume": _resume,
    "explain": _explain,
}


def _answered(directory: Path, seconds: float, is_so: Callable[[Status], bool]) -> bool:
    """Whether a session says that something is so before the time is over, or it ends."""
    until = time.monotonic() + seconds
    while True:
        status = read_status(directory)
        if status.condition == "running" and is_so(status):
            return True
        if status.condition not in RUNNING or time.monotonic() >= until:
            return False
        time.sleep(LOOK)
