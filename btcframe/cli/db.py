"""`btcframe db`: make a store, look at it, bring it up to date, prove it, tidy it, and who may do what in it."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from rich import box
from rich.table import Table

from btcframe.api import Administered, Store, StoreStatus, Verified
from btcframe.cli import completion
from btcframe.cli.console import Terminal, Unread
from btcframe.cli.hydra_app import as_yaml, composed, without_cfg
from btcframe.errors import ConfigError, StoreError, did_you_mean
from btcframe.plugins import discover
from btcframe.settings import check_spool
from btcframe.spool import use
from btcframe.spool.status import SpoolStatus

_FLAGS = {"drain": ("--retry", "--anyway")}
"""Flags of a command beside --json."""


def main(arguments: Sequence[str]) -> int:
    """Run `btcframe db COMMAND [BUILD] [key=value …] [--json]`; returns the exit code."""
    arguments, shown = without_cfg("db", arguments)
    words, overrides, flags = _sorted(arguments)
    command, rest = (words[0], words[1:]) if words else ("status", [])
    if command not in COMMANDS:
        raise ConfigError(
            f"btcframe db {command}: there is no such command",
            hint=did_you_mean(command, COMMANDS, "btcframe db "),
        )
    for flag in flags:
        if flag not in ("--json", *_FLAGS.get(command, ())):
            known = ", ".join(("--json", *_FLAGS.get(command, ())))
            raise ConfigError(f"btcframe db {command} takes no {flag!r}", hint=f"It takes {known}.")
    if rest and (command != "verify" or len(rest) > 1):
        raise ConfigError(
            f"btcframe db {command} takes no {rest[-1]!r}",
            hint="Settings are written key=value: store=timescale store.host=HOST.",
        )
    catalog = discover()
    completion.remember(catalog)
    config = composed(catalog, "db", overrides)
    if shown:
        if "--json" in flags:
            _print_json(config)
        else:
            print(as_yaml(config), end="")
        return 0
    check_spool(config)
    name = config["store"]["plugin"]
    store = catalog.build("store", config["store"])
    if not isinstance(store, Administered):
        raise ConfigError(
            f"the store {name} has nothing for btcframe db",
            where=f"btcframe db {command}",
            hint="It has none of the methods of btcframe.api.Administered: its author may add them.",
        )
    return COMMANDS[command](store, config, rest, flags)


def _sorted(arguments: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """Words, overrides and flags."""
    words: list[str] = []
    overrides: list[str] = []
    flags: list[str] = []
    for argument in arguments:
        if not argument:
            raise ConfigError("btcframe db: an argument is empty", hint="Is a variable of the shell not set?")
        if argument.startswith("-"):
            flags.append(argument)
        elif "=" in argument or argument.startswith(("~", "+")):
            overrides.append(argument)
        else:
            words.append(argument)
    return words, overrides, flags


def _init(store: Administered, config: Mapping[str, Any], words: Sequence[str], flags: Sequence[str]) -> int:
    return _done(store.init(), "made", "Everything is there.", flags)


def _migrate(
    store: Administered, config: Mapping[str, Any], words: Sequence[str], flags: Sequence[str]
) -> int:
    return _done(store.migrate(), "done", "Everything is as it should be.", flags)


def _done(lines: Sequence[str], name: str, nothing: str, flags: Sequence[str]) -> int:
    if "--json" in flags:
        _print_json({name: list(lines)})
    else:
        print("\n".join(f"{name.capitalize()}: {line}" for line in lines) or nothing)
    return 0


def _roles(store: Administered, config: Mapping[str, Any], words: Sequence[str], flags: Sequence[str]) -> int:
    script = store.roles()
    if "--json" in flags:
        _print_json({"script": script})
    else:
        print(script, end="")
    return 0


def _compact(
    store: Administered, config: Mapping[str, Any], words: Sequence[str], flags: Sequence[str]
) -> int:
    done = store.compact()
    if "--json" in flags:
        _print_json({"tables": [c._asdict() for c in done]})
        return 0
    table = _table("table", "*pieces", "*bytes", "done")
    for c in done:
        table.add_row(
            c.table, " → ".join(f"{n:,}" for n in c.pieces), " → ".join(_bytes(n) for n in c.bytes), c.done
        )
    _show(table, len(done))
    return 0


def _verify(
    store: Administered, config: Mapping[str, Any], words: Sequence[str], flags: Sequence[str]
) -> int:
    """A line per finding as it is found; exit code 5 if there is any."""
    seen: list[Verified] = []
    for verified in store.verify(words[0] if words else None):
        seen.append(verified)
        if "--json" not in flags:
            for finding in verified.findings:
                print(f"{verified.build}, table {verified.table}: {finding}")
            if verified.dropped:
                print(f"{verified.build}, table {verified.table}: {verified.dropped}, as the settings say")
    found = sum(len(v.findings) for v in seen)
    if "--json" in flags:
        _print_json({"tables": [v._asdict() for v in seen], "findings": found})
    else:
        builds, rows = len({v.build for v in seen}), sum(v.rows for v in seen)
        print(
            f"{_counted(builds, 'build')}, {_counted(len(seen), 'table')}, {_counted(rows, 'row')} read: "
            f"{_counted(found, 'finding') if found else 'no findings'}."
            if seen
            else "There is no sealed build yet."
        )
    return StoreError.exit_code if found else 0


def _drain(store: Administered, config: Mapping[str, Any], words: Sequence[str], flags: Sequence[str]) -> int:
    """Exit code 5 while something is left or set apart."""
    to = cast(Store, store)  # every store is one, and this one is administered besides
    with Terminal().progress("draining", use.status(config["spool"]).rows, "rows") as bar:
        done = use.drain(
            config["spool"], to, retry="--retry" in flags, anyway="--anyway" in flags, told=bar.advance
        )
    if "--json" in flags:
        _print_json(done._asdict())
    elif not (done.rows or done.left or done.apart):
        print("Nothing waits in the spool.")
    else:
        print(
            f"{_counted(done.rows, 'row')} in {_counted(done.batches, 'batch', 'batches')} brought in, "
            f"{_counted(done.left, 'row')} left."
        )
        if done.apart:
            refused = f"{_counted(done.apart, 'row')} refused and set apart"
            print(f"{refused}: btcframe db status says why, --retry tries again.")
        if done.error:
            print(done.error, file=sys.stderr)
    return StoreError.exit_code if done.left or done.apart else 0


def _status(
    store: Administered, config: Mapping[str, Any], words: Sequence[str], flags: Sequence[str]
) -> int:
    found, spool = store.status(), use.status(config["spool"])
    if "--json" in flags:
        value = found._asdict() | {
            "facts": dict(found.facts),
            "tables": [t._asdict() for t in found.tables],
            "builds": [b._asdict() for b in found.builds],
            "spool": spool._asdict(),
        }
        _print_json(value)
        return 0
    facts = _table("", "")
    for name, text in {**found.facts, "schema": _revision(found), "spool": _spool(spool)}.items():
        facts.add_row(name, text)
    facts.show_header = False
    console = Unread(highlight=False)
    console.print(facts)
    if found.tables:
        console.print(_tables(found))
    if found.builds:
        console.print(_builds(found))
    if not all(t.exact for t in found.tables):
        console.print("~ is an estimate; `btcframe db verify` counts.", style="dim")
    return 0


def _revision(found: StoreStatus) -> str:
    if not found.revision:
        return "nothing is made yet: btcframe db init, or the first build"
    if found.revision == found.head:
        return f"revision {found.revision}, which this btcframe reads and writes"
    return f"revision {found.revision}; this btcframe reads and writes {found.head}: btcframe db migrate"


def _spool(found: SpoolStatus) -> str:
    batches = _counted(found.batches, "batch", "batches")
    told = (
        [f"{_counted(found.rows, 'row')} in {batches} waiting, {_bytes(found.bytes)}"] if found.rows else []
    )
    if found.oldest_ns:
        told.append(f"the oldest for {found.age_ns / 1e9:,.0f} s")
    if found.apart:
        told.append(
            f"{_counted(found.apart, 'row')} set apart, because: {' | '.join(' '.join(r.split()) for r in found.refusals)}"
        )
    if found.damaged:
        told.append(f"{_counted(found.damaged, 'damaged piece')} set apart")
    if found.lost:
        told.append(f"{_counted(found.lost, 'row')} LOST")
    if found.error:
        told.append(f"the store said: {found.error}")
    return f"{'; '.join(told) or 'empty'} ({found.path})"


def _tables(found: StoreStatus) -> Table:
    packed = ("*compressed",) if any(t.packed for t in found.tables) else ()
    policies = ("by itself",) if any(t.policies for t in found.tables) else ()
    table = _table("table", "*rows", "*bytes", "*pieces", *packed, *policies)
    for t in found.tables:
        rows = f"{t.rows:,}" if t.exact else f"~{t.rows:,}"
        more = [f"{t.packed:,}" for _ in packed] + [t.policies for _ in policies]
        table.add_row(t.name, rows, _bytes(t.bytes), f"{t.pieces:,}", *more)
    return table


def _builds(found: StoreStatus) -> Table:
    table = _table("build", "state", "*rows", "first row (UTC)", "last row (UTC)")
    for b in found.builds:
        state = "sealed" if b.sealed else "open"
        table.add_row(b.build, state, f"{b.rows:,}", _time(b.first_ns), _time(b.last_ns))
    return table


def _table(*columns: str) -> Table:
    """An empty table; a column whose name begins with * holds numbers."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        number = column.startswith("*")
        table.add_column(
            column.lstrip("*"), justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    return table


def _show(table: Table, rows: int) -> None:
    if rows:
        Unread(highlight=False).print(table)
    else:
        print("There is nothing yet.")


def _time(ns: int | None) -> str:
    if ns is None:
        return ""
    return f"{datetime.datetime.fromtimestamp(ns // 1_000_000_000, datetime.UTC):%Y-%m-%d %H:%M:%S}"


def _bytes(n: int) -> str:
    """1234567 → 1.2 MB."""
    size, unit = float(n), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"


def _counted(n: int, one: str, many: str = "") -> str:
    """1 row, 2,000 rows."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


COMMANDS: dict[str, Callable[[Administered, Mapping[str, Any], Sequence[str], Sequence[str]], int]] = {
    "init": _init,
    "status": _status,
    "migrate": _migrate,
    "verify": _verify,
    "compact": _compact,
    "drain": _drain,
    "roles": _roles,
}
