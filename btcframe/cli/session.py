"""`btcframe session`: how a trading session stands, the kill switch, and why an order was what it was.

Nothing heavy is imported on the way to `halt`: it is to work at once, on a machine in trouble.
"""

from __future__ import annotations

import datetime
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from btcframe.errors import ConfigError, SessionError, StoreError, did_you_mean
from btcframe.watch.status import RUNNING, Status, read_status, running
from btcframe.watch.switch import HALT, RESUME, ask, standing

WAIT = 5.0
"""Seconds that a session is given to answer."""

LOOK = 0.05
"""Seconds between two looks at its answer."""

_FLAGS: Mapping[str, Mapping[str, bool]] = {
    "status": {"--json": False},
    "halt": {"--json": False, "--why": True, "--wait": True, "--no-kill": False},
    "resume": {"--json": False, "--why": True, "--wait": True},
    "explain": {"--json": False},
}
"""Flags of each command, and whether a value follows."""

_CONDITIONS = {
    "stuck": "its process runs, and does nothing: btcframe session halt ends it",
    "died": "its process has gone without a word",
    "elsewhere": "its process is on another machine, in another container, or was before a restart of this one",
    "failed": "see manifest.json",
}


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
    known = _FLAGS[command]
    words: list[str] = []
    flags: dict[str, str] = {}
    left = list(arguments)
    while left:
        argument = left.pop(0)
        if not argument.startswith("-"):
            words.append(argument)
            continue
        name, equals, value = argument.partition("=")
        if name not in known or (equals and not known[name]):
            raise ConfigError(
                f"btcframe session {command} takes no {argument!r}",
                hint=f"It takes {', '.join(known)}.",
            )
        if known[name] and not equals:
            if not left:
                raise ConfigError(f"btcframe session {command} {name} needs a value")
            value = left.pop(0)
        flags[name] = value
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
    elif _answered(directory, "halted", asked.wait):
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


def _resume(asked: _Asked) -> int:
    status = _here(_session(asked.words))
    directory = status.directory
    request = ask(directory, RESUME, asked.flags.get("--why", ""))
    if not status.alive:
        done, said = "standing", "does not run. A session that starts from it begins active."
    elif _answered(directory, "active", asked.wait):
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
            f"{status.directory}: {_CONDITIONS['elsewhere']}",
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
        told = explain.plain(found) if asked.json else explain.describe(found)
    print(json.dumps(told, indent=2, ensure_ascii=False) if asked.json else told)
    return 0


COMMANDS: Mapping[str, Callable[[_Asked], int]] = {
    "status": _status,
    "halt": _halt,
    "resume": _resume,
    "explain": _explain,
}


def _answered(directory: Path, state: str, seconds: float) -> bool:
    """Whether a session says that it is in a state before the time is over, or it ends."""
    until = time.monotonic() + seconds
    while True:
        status = read_status(directory)
        if status.condition == "running" and status.state == state:
            return True
        if status.condition not in RUNNING or time.monotonic() >= until:
            return False
        time.sleep(LOOK)


# ------------------------------------------------------------------------------------------------------ in words


def lines(status: Status) -> list[str]:
    """How a session stands, for a person."""
    told = status.told
    about, signals = told["about"], told["signals"]
    since = datetime.datetime.fromtimestamp(status.started_ns / 1e9, datetime.UTC)
    ran = datetime.timedelta(seconds=(told["written_ns"] - status.started_ns) // 1_000_000_000)
    head = f"{status.directory} · {status.condition}"
    if status.condition in _CONDITIONS:
        head += f": {_CONDITIONS[status.condition]}"
    shown = [
        head,
        *_lines("about", [f"{name} {value}" for name, value in about.items() if name not in ("id", "model")]),
        _line("id", about["id"]),
        _line("model", _near(about.get("model", "")) or "none"),
        _line("since", f"{since:%Y-%m-%d %H:%M:%S} UTC, {ran}, process {status.process.pid}"),
    ]
    if (halt := standing(status.directory)) is not None and status.condition != "running":
        shown.append(_line("switch", f"halted, {halt.cause}: a session that starts from it begins so"))
    if signals is None:
        return [*shown, _line("state", "nothing was consumed yet")]
    shown.append(_line("state", ": ".join(filter(None, (signals["state"], signals["cause"])))))
    shown += [
        _line("heard", f"{_ago(status.silent_ns)}, the book {_ago(_plus(signals['staleness_ns'], status.age_ns))}, "
              f"the last row ended {_ago(_plus(signals['row_age_ns'], status.age_ns))}"),
        _line("book", _book(signals)),
        *_lines("signals", [
            f"pressure {_number(signals['price_pressure'])}", f"slopes {_number(signals['slope_bid'], 4)} bid "
            f"{_number(signals['slope_ask'], 4)} ask", f"urgency {_number(signals['urgency'])}",
            f"quality {_number(signals['quality'])}",
        ]),
        _line("predicts", _predictions(signals)),
        _line("regime", ", ".join(f"{k} {_number(v)}" for k, v in signals["regime"].items()) or "none"),
        _line("holds", _holds(signals)),
        _line("money", f"equity {_number(signals['equity'])}, today {_number(signals['day_profit'])}, "
              f"fees {_number(signals['fees'])}, drawdown {_number(signals['drawdown'], 4)}"),
    ]  # fmt: skip
    shown += [
        _line("latency" if i == 0 else "", f"{stage} p50 {_time(s['p50_ns'])}, p99 {_time(s['p99_ns'])}, n {s['n']:,}")
        for i, (stage, s) in enumerate(signals["latency"].items())
    ]  # fmt: skip
    shown += [_line("switched off", f"{part}: {why}") for part, why in signals["contained"].items()]
    shown += [_line("denied", ", ".join(f"{code} {n:,}" for code, n in told["vetoes"].items()))] * bool(
        told["vetoes"]
    )
    for part, counted in told["counters"].items():
        shown += _lines(part, [_count(name, n) for name, n in counted.items() if n])
    shown += [_line("metrics", told["metrics"])] * bool(told["metrics"])
    shown += [_line("error", told["error"])] * bool(told["error"])
    return shown


def _line(name: str, text: str) -> str:
    return f"  {name:<12} {text}"


def _lines(name: str, told: Iterable[str], width: int = 65) -> list[str]:
    """As many lines as 80 columns ask for; none where there is nothing to tell."""
    texts: list[str] = []
    for text in told:
        if texts and len(texts[-1]) + 2 + len(text) <= width:
            texts[-1] += f", {text}"
        else:
            texts.append(text)
    return [_line("" if i else name, text) for i, text in enumerate(texts)]


def _near(path: str) -> str:
    """A path as it is called from here."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if path and Path(path).is_relative_to(here) else path


def _count(name: str, n: float) -> str:
    return f"{name.removesuffix('_ns')} {_time(int(n))}" if name.endswith("_ns") else f"{name} {n:,}"


def _holds(signals: Mapping[str, Any]) -> str:
    held = (
        f"{signals['position']:g} at {_number(signals['average_price'])}"
        if signals["position"]
        else "nothing"
    )
    working = signals["working"]
    return f"{held}, {working or 'no'} order{'s work' if working != 1 else ' works'}"


def _book(signals: Mapping[str, Any]) -> str:
    if not signals["usable"]:
        return "not usable"
    return (
        f"{signals['bid']:,} × {signals['bid_size']:g} / {signals['ask']:,} × {signals['ask_size']:g}, "
        f"spread {_number(signals['spread_bps'], 3)} bps"
    )


def _predictions(signals: Mapping[str, Any]) -> str:
    if signals["model"] < 0:
        return "nothing: there is no model"
    if all(p["mean_bps"] is None for p in signals["predictions"]):
        return f"nothing yet: what it needs is not known (model {signals['model']})"
    told = [f"{_number(p['mean_bps'])} bps in {_time(p['horizon_ns'])}" for p in signals["predictions"]]
    return f"{', '.join(told)} (model {signals['model']})"


def _number(value: float | None, digits: int = 2) -> str:
    return "unknown" if value is None else f"{value:,.{digits}f}"


def _plus(ns: int | None, more: int) -> int | None:
    return None if ns is None else ns + more


def _ago(ns: int | None) -> str:
    return "never" if ns is None else f"{_time(ns)} ago"


def _time(ns: int) -> str:
    for size, unit in (
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
    ):
        if ns >= size:
            return f"{ns / size:,.3g} {unit}" if ns < 1000 * size else f"{ns / size:,.0f} {unit}"
    return f"{ns / 1000:,.3g} µs"
