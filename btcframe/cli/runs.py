"""`btcframe runs`: which runs there are, how two differ, what many allow to be said, and one of them again."""

from __future__ import annotations

import datetime
import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from btcframe.cli.arguments import parsed
from btcframe.cli.console import Unread
from btcframe.errors import ConfigError, ReplayError, did_you_mean
from btcframe.plugins import discover
from btcframe.run import manifest_of
from btcframe.runs import again, comparison, told
from btcframe.runs.differences import differences, made_differently
from btcframe.runs.find import RUNS, Found, run_named, runs_in
from btcframe.types import duration_ns

_FLAGS: Mapping[str, Mapping[str, bool]] = {
    "list": {"--json": False},
    "show": {"--json": False},
    "diff": {"--json": False},
    "compare": {"--json": False, "--html": True, "--by": True, "--horizon": True},
    "rerun": {"--json": False, "--dir": True},
    "resume": {"--force": False},
}
"""Flags of each command, and whether a value follows."""

_MANY = 1_000_000
_WORDS = {
    "list": (0, 1, "a directory"),
    "show": (1, 1, "a run"),
    "diff": (2, 2, "two runs"),
    "compare": (1, _MANY, "directories of sweeps and runs"),
    "rerun": (1, 1, "a run"),
    "resume": (1, 1, "a sweep's directory"),
}
"""How many words each command takes, at least and at most, and what they are."""


class _Asked(NamedTuple):
    words: list[str]
    flags: dict[str, str]

    @property
    def json(self) -> bool:
        return "--json" in self.flags


def main(arguments: Sequence[str]) -> int:
    """Run `btcframe runs COMMAND …`; returns the exit code."""
    command, *rest = arguments if arguments and not arguments[0].startswith("-") else ["list", *arguments]
    if command not in COMMANDS:
        raise ConfigError(
            f"btcframe runs {command}: there is no such command",
            hint=did_you_mean(command, COMMANDS, "btcframe runs "),
            next="What there is: btcframe runs list",
        )
    words, flags = parsed(f"btcframe runs {command}", rest, _FLAGS[command])
    least, most, what = _WORDS[command]
    if not least <= len(words) <= most:
        raise ConfigError(
            f"btcframe runs {command} takes {what}, not {len(words)} words",
            next="What there is: btcframe runs list",
        )
    return COMMANDS[command](_Asked(words, flags))


def _list(asked: _Asked) -> int:
    place = Path(asked.words[0]) if asked.words else RUNS
    runs = runs_in(place) if asked.words or place.is_dir() else []
    if asked.json:
        _print_json([told.plain_run(run) for jobs in told.newest_first(runs) for run in jobs])
    elif not runs:
        print(f"There is no run in {place} yet.\nMake one: btcframe run")
    elif all(told.sweep_of(run) == place for run in runs):
        print("\n".join(told.jobs_listed(runs)))
    else:
        print("\n".join(told.listed(runs)))
    return 0


def _show(asked: _Asked) -> int:
    directory = run_named(asked.words[0])
    manifest = manifest_of(directory)
    if asked.json:
        _print_json({"directory": str(directory), "manifest": manifest})
    else:
        print("\n".join(told.shown(directory, manifest)))
    return 0


def _diff(asked: _Asked) -> int:
    places = [run_named(word) for word in asked.words]
    found = differences(*(manifest_of(place) for place in places))
    if asked.json:
        _print_json({"runs": list(map(str, places))} | found._asdict())
    else:
        print("\n".join(told.differing(found, (str(places[0]), str(places[1])))))
    return 0


def _compare(asked: _Asked) -> int:
    by, horizon = asked.flags.get("--by", ""), asked.flags.get("--horizon", "")
    if by not in ("", comparison.NET, comparison.IC):
        raise ConfigError(
            f"btcframe runs compare --by {by}: runs are not ranked by that",
            hint=f"Valid: {comparison.NET} (what they earned after costs), {comparison.IC} (how well they predicted).",
        )
    if horizon and by == comparison.NET:
        raise ConfigError(
            "btcframe runs compare --horizon goes with --by ic",
            hint="What a run earned has no horizon.",
        )
    try:
        ahead_ns = duration_ns(horizon) if horizon else 0
    except ValueError as error:
        raise ConfigError(f"btcframe runs compare --horizon: {error}") from None
    runs: list[Found] = [run for word in asked.words for run in runs_in(Path(word))]
    compared = comparison.compare(runs, discover(), by=comparison.IC if horizon else by, horizon_ns=ahead_ns)
    if page := asked.flags.get("--html"):
        from btcframe.report.page import save
        from btcframe.runs.page import comparison_page

        save(Path(page), comparison_page(compared, asked.words))
    from btcframe.runs import ranking

    if asked.json:
        _print_json(ranking.plain(compared))
        return 0
    console = Unread(highlight=False)
    for name, found in zip(ranking.markets(compared), compared.markets, strict=True):
        if len(compared.markets) > 1:
            console.print(name, style="bold", markup=False)
        console.print("\n".join(told.wrapped(ranking.about(found))), markup=False, soft_wrap=True)
        console.print(ranking.table(found))
        console.print("\n".join(ranking.said(found)) + "\n", markup=False, soft_wrap=True)
    if left := ranking.left_out(compared.left_out):
        console.print("\n".join(left) + "\n", markup=False, soft_wrap=True)
    if page:
        console.print(f"Page: {page}", markup=False, soft_wrap=True)
    return 0


def _rerun(asked: _Asked) -> int:
    """Exit code 7 where it does not come out the same."""
    from btcframe import jobs
    from btcframe.cli.console import Terminal
    from btcframe.run import Quiet, Run, check

    directory, catalog = run_named(asked.words[0]), discover()
    then = manifest_of(directory)
    again.check_repeatable(directory, then, catalog)
    config = again.settings_again(then["config"])
    check(config, catalog)
    place = Path(
        asked.flags.get("--dir")
        or RUNS / f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{then['verb']}-again-{os.urandom(3).hex()}"
    )
    with Run(place, config, catalog, Quiet() if asked.json else Terminal()).recorded() as run:
        run.manifest |= {"command": then["command"], "repeats": then.get("id")}
        if changed := again.changes(made_differently(then, run.manifest)):
            run.say(f"{changed} The result may differ.")
        jobs.start(run)
    found = again.held_against(directory, then, place, run.manifest)
    if asked.json:
        _print_json({"directory": str(place), "same": found.same} | found._asdict())
    if not found.same:
        raise ReplayError(
            f"{place} is not the same as {directory}: {again.words(found)}",
            hint=again.changes(found.changed),
            next=f"All that differs: btcframe runs diff {shlex.quote(str(directory))} {shlex.quote(str(place))}",
        )
    if not asked.json:
        print(again.words(found))
    return 0


def _resume(asked: _Asked) -> int:
    from btcframe.cli.hydra_app import resume

    resume(Path(asked.words[0]), force="--force" in asked.flags)
    return 0


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


COMMANDS: Mapping[str, Callable[[_Asked], int]] = {
    "list": _list,
    "show": _show,
    "diff": _diff,
    "compare": _compare,
    "rerun": _rerun,
    "resume": _resume,
}
