"""`btcframe plugins`, `features`, `report` and `completion`: things to look at."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from btcframe.cli import completion, config_page, feature_list
from btcframe.cli.console import Terminal, Unread
from btcframe.errors import ConfigError, PluginError, did_you_mean
from btcframe.plugins import Catalog, Component, discover
from btcframe.schema import REQUIRED
from btcframe.slots import SLOTS

ROOM = 40
"""Columns that parameters must have beside a name, or they stand below it."""


def main(noun: str, arguments: list[str]) -> int:
    """Run one noun; returns the exit code."""
    as_json = "--json" in arguments
    words = [a for a in arguments if a != "--json"]
    if noun == "completion":
        return _completion(words)
    catalog = discover()
    completion.remember(catalog)
    if noun == "report":
        return report(catalog, words)
    if noun == "features":
        return features(catalog, words, as_json)
    command, rest = (words[0], words[1:]) if words else ("list", [])
    if command in ("list", "--markdown"):
        as_page = "--markdown" in words
        _no_more("plugins list", [word for word in rest if word != "--markdown"])
        return plugins(catalog, as_json, as_page)
    if command == "check":
        return check(catalog, rest, as_json)
    if command == "new":
        from btcframe.cli import new_plugin

        return new_plugin.main(catalog, rest)
    raise ConfigError(
        f"btcframe plugins {command}: there is no such command",
        hint=did_you_mean(command, ("list", "check", "new"), "btcframe plugins "),
    )


def _no_more(command: str, words: list[str]) -> None:
    if words:
        raise ConfigError(f"btcframe {command} takes no {words[0]!r}", hint="It takes --json or --markdown.")


def _completion(words: list[str]) -> int:
    shell = words[0] if words else ""
    if shell not in completion.SCRIPTS:
        raise ConfigError(
            f"no completion for the shell {shell!r}",
            hint="Valid: bash, zsh.",
            next='Add to ~/.bashrc: eval "$(btcframe completion bash)"',
        )
    print(completion.SCRIPTS[shell], end="")
    return 0


def report(catalog: Catalog, words: list[str]) -> int:
    """Make the page of one finished run again, with another run laid over it and other venues played where asked for."""
    flag = "--sensitivity"
    directories = [word for word in words if word != flag]
    for word in directories:
        if word.startswith("-"):
            raise ConfigError(
                f"btcframe report takes no {word!r}", hint=f"It takes {flag} and one or two directories."
            )
    if len(directories) not in (1, 2):
        raise ConfigError(
            "btcframe report needs the directory of one finished run, and takes that of another to lay over it",
            next="btcframe report runs/DIRECTORY [runs/OTHER]",
        )
    from btcframe.sessions.reporting import said_again, vary_again

    directory, *other = map(Path, directories)
    if flag in words:
        vary_again(directory, catalog, Terminal())
    said = said_again(directory, catalog, other=other[0] if other else None)
    Unread(highlight=False).print(said, soft_wrap=True, markup=False)
    return 0


def plugins(catalog: Catalog, as_json: bool, as_page: bool = False) -> int:
    """List every component and every failure, or make the page of all settings."""
    components = [c for names in catalog.components.values() for c in names.values()]
    if as_json and as_page:
        raise ConfigError(
            "btcframe plugins writes --json or --markdown, not both", hint="Leave one of them out."
        )
    if as_page:
        print(config_page.as_markdown(components), end="")
        return 0
    if as_json:
        value = {
            "components": [_component_json(c) for c in components],
            "failures": [vars(f) for f in catalog.failures],
        }
        print(json.dumps(value, indent=2, ensure_ascii=False))
        return 0
    console = Unread(highlight=False)
    for slot, names in catalog.components.items():
        _slot(console, f"{slot} (many)" if SLOTS[slot].many else slot, names.values())
    for failure in catalog.failures:
        console.print(Text.assemble(("not usable", "red"), f"  {failure.distribution}: {failure.what}"))
        if failure.detail:
            console.print(failure.detail.strip().splitlines()[-1], style="dim", markup=False)
    console.print(
        f"{len(components)} components of {len(catalog.plugins)} plugins, {len(catalog.failures)} failures.\n"
        "Choose one: btcframe run model=NAME\nTest them: btcframe plugins check DISTRIBUTION",
        style="dim",
    )
    return 0


def _slot(console: Console, slot: str, components: Iterable[Component]) -> None:
    """The components of a slot by distribution, each with its parameters; no line wider than the terminal."""
    by_distribution: dict[str, list[Component]] = {}
    for component in components:
        by_distribution.setdefault(f"{component.distribution} {component.version}", []).append(component)
    for distribution, found in by_distribution.items():
        console.print(Text.assemble((slot, "bold"), "  ", (distribution, "dim")))
        width = max(len(component.name) for component in found)
        for component in found:
            for line in _listed(component, width, console.width):
                console.print(Text(line), soft_wrap=True)
        console.print()


def _listed(component: Component, name_width: int, width: int) -> list[str]:
    """A component in lines: its parameters beside its name, below it where there is little room for them."""
    parameters = (
        ", ".join(f"{f.name}={config_page.written_default(f)}" for f in component.fields) or "no parameters"
    )
    indent = name_width + 4
    beside = width - indent >= ROOM
    lead = f"  {component.name:<{name_width}}  " if beside else "    "
    lines = textwrap.wrap(
        parameters, width, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False
    )
    return lines if beside else [f"  {component.name}", *lines]


def _component_json(component: Component) -> dict[str, Any]:
    return {
        "slot": component.slot,
        "name": component.name,
        "distribution": component.distribution,
        "version": component.version,
        "summary": component.summary,
        "parameters": [
            {
                "name": f.name,
                "type": f.type_name,
                "required": f.default is REQUIRED,
                "default": None if f.default is REQUIRED else _plain(f.default),
                "choices": list(f.choices),
                "doc": f.doc,
            }
            for f in component.fields
        ],
    }


def _plain(value: Any) -> Any:
    value = getattr(value, "name", value)
    return list(value) if isinstance(value, tuple) else value


def features(catalog: Catalog, words: list[str], as_json: bool) -> int:
    """List the columns of every feature component at its defaults, or those that a selection asks for."""
    as_page, priced = "--markdown" in words, not {"--no-cost", "--markdown"} & set(words)
    if as_json and as_page:
        raise ConfigError(
            "btcframe features writes --json or --markdown, not both", hint="Leave one of them out."
        )
    select = [word for word in words if word not in ("--markdown", "--no-cost")]
    for word in select:
        if word.startswith("-"):
            raise ConfigError(
                f"btcframe features takes no {word!r}",
                hint="It takes --json, --markdown, --no-cost and columns.",
            )
    columns = feature_list.listed(catalog, select or ["*"])
    costs, how = feature_list.measured(columns) if priced else ({}, "")
    if as_json:
        print(feature_list.as_json(columns, costs))
    elif as_page:
        print(feature_list.as_markdown(columns), end="")
    else:
        feature_list.show(columns, costs, how)
    return 0


def check(catalog: Catalog, words: list[str], as_json: bool) -> int:
    """Run the contract tests of a distribution without pytest."""
    if len(words) != 1:
        names = ", ".join(sorted({p.distribution for p in catalog.plugins}))
        raise ConfigError("btcframe plugins check needs one distribution", hint=f"Installed: {names}.")
    from btcframe.testing import run_checks

    results = run_checks(words[0], catalog)
    failed = [r for r in results if r.outcome == "failed"]
    if as_json:
        print(json.dumps([vars(r) for r in results], indent=2, ensure_ascii=False))
        return PluginError.exit_code if failed else 0
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("component", "check", "outcome"):
        table.add_column(name, no_wrap=True)
    table.add_column("message", overflow="fold")
    colours = {"passed": "green", "failed": "red", "xfailed": "yellow", "skipped": "yellow"}
    last = ""
    for r in results:
        if last and r.component != last:
            table.add_section()
        table.add_row(
            r.component if r.component != last else "",
            r.check,
            f"[{colours[r.outcome]}]{r.outcome}",
            r.message,
        )
        last = r.component
    console = Unread(highlight=False)
    console.print(table)
    console.print(f"{len(results)} checks, {len(failed)} failed.", style="red" if failed else "green")
    return PluginError.exit_code if failed else 0
