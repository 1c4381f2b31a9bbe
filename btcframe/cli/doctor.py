"""`btcframe doctor`: how it stands, and what to do about it; and the first order at an exchange that is new."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from btcframe.cli import completion
from btcframe.cli.console import Unread
from btcframe.cli.hydra_app import as_yaml, composed, without_cfg
from btcframe.doctor import Finding, Level, examined, failed
from btcframe.errors import ConfigError, DoctorError, did_you_mean
from btcframe.plugins import Catalog, discover

FLAGS = ("--json", "--smoke-order")

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red", Level.SKIPPED: "dim"}
_LEVEL, _NAME = 9, 10
"""Columns that stand before what is said."""


def main(arguments: Sequence[str]) -> int:
    """Run `btcframe doctor [key=value …] [--json] [--smoke-order]`; exit code 10 where anything fails."""
    rest, shown = without_cfg("doctor", arguments)
    flags = [word for word in rest if word.startswith("-")]
    for flag in flags:
        if flag not in FLAGS:
            raise ConfigError(
                f"btcframe doctor takes no {flag!r}", hint=did_you_mean(flag, (*FLAGS, "--cfg job"))
            )
    overrides = [word for word in rest if word not in flags and word != "hydra.verbose=true"]
    for word in overrides:
        if not ("=" in word or word.startswith(("~", "+"))):
            raise ConfigError(
                f"btcframe doctor takes no {word!r}",
                hint="Settings are written key=value: venue=ccxt venue.endpoint=testnet.",
            )
    catalog = discover()
    completion.remember(catalog)
    config = composed(catalog, "doctor", overrides)
    if shown:
        print(as_yaml(config), end="")
        return 0
    look = _smoke if "--smoke-order" in flags else examined
    if "--json" in flags:
        found = list(look(config, catalog))
        print(json.dumps({"findings": [f._asdict() for f in found]}, indent=2, ensure_ascii=False))
    else:
        found = shown_as_found(look(config, catalog))
    return DoctorError.exit_code if failed(found) else 0


def _smoke(config: Mapping[str, Any], catalog: Catalog) -> Iterator[Finding]:
    from btcframe.doctor.smoke import smoke_order

    return smoke_order(config, catalog)


def shown_as_found(findings: Iterable[Finding]) -> list[Finding]:
    """Print each as soon as it is known, and how many there were; returns them."""
    console, found = Unread(highlight=False), []
    for finding in findings:
        found.append(finding)
        for line in lines(finding, console.width):
            console.print(line, soft_wrap=True)
    counts = Counter(finding.level for finding in found)
    told = ", ".join(f"{counts[level]} {level}" for level in Level if counts[level])
    console.print(f"{len(found)} findings: {told}.", style="dim")
    return found


def lines(finding: Finding, width: int) -> list[Text]:
    """A finding as it is printed: level, name, what was said, and what to do below it; no line wider than the terminal."""
    room = max(width - _LEVEL - _NAME, 20)
    first, *others = textwrap.wrap(finding.said, room, break_on_hyphens=False, break_long_words=False) or [""]
    head = (
        (f"{finding.level:<{_LEVEL}}", _COLOURS[finding.level]),
        (f"{finding.name:<{_NAME}}", "bold"),
        first,
    )
    do = textwrap.wrap(finding.do, room - 2, break_on_hyphens=False, break_long_words=False)
    below = [*others, *(f"{'→' if n == 0 else ' '} {line}" for n, line in enumerate(do))]
    return [Text.assemble(*head), *(Text(f"{'':{_LEVEL + _NAME}}{line}") for line in below)]
