"""`btcframe models`: the models that are kept, what they are worth, and which of them is in use."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from btcframe.cli import models_told
from btcframe.cli.arguments import parsed
from btcframe.errors import ConfigError, did_you_mean
from btcframe.learning.promotion import candidate, check_promoted, line, offer
from btcframe.models.gate import may_promote
from btcframe.models.promotions import DIGITS, PRODUCTION
from btcframe.models.registry import Registry
from btcframe.plugins import discover
from btcframe.sections import Promote

_FLAGS: Mapping[str, Mapping[str, bool]] = {
    "list": {"--json": False, "--registry": True},
    "show": {"--json": False, "--registry": True},
    "compare": {"--json": False, "--registry": True},
    "promote": {"--json": False, "--registry": True, "--as": True, "--force": False, "--reason": True},
}
"""Flags of each command, and whether a value follows."""

_WORDS = {"list": (0, 0), "show": (0, 1), "compare": (2, 26), "promote": (1, 1)}
"""How many models each command takes, at least and at most."""


class _Asked(NamedTuple):
    words: list[str]
    flags: dict[str, str]

    @property
    def registry(self) -> Registry:
        return Registry(Path(self.flags.get("--registry", Promote().registry)))

    @property
    def json(self) -> bool:
        return "--json" in self.flags


def main(arguments: Sequence[str]) -> int:
    """Run `btcframe models COMMAND …`; returns the exit code."""
    command, *rest = arguments if arguments and not arguments[0].startswith("-") else ["list", *arguments]
    if command not in COMMANDS:
        raise ConfigError(
            f"btcframe models {command}: there is no such command",
            hint=did_you_mean(command, COMMANDS, "btcframe models "),
            next="What there is: btcframe models list",
        )
    return COMMANDS[command](_parsed(command, rest))


def _parsed(command: str, arguments: Sequence[str]) -> _Asked:
    words, flags = parsed(f"btcframe models {command}", arguments, _FLAGS[command])
    least, most = _WORDS[command]
    if not least <= len(words) <= most:
        count = f"{least}" if least == most else f"{least} to {most}"
        raise ConfigError(
            f"btcframe models {command} takes {count} of a model's names, not {len(words)}",
            hint="A name is an alias, the first digits of a model, the directory of a run, or of an artefact.",
            next="What there is: btcframe models list",
        )
    return _Asked(words, flags)


def _list(asked: _Asked) -> int:
    registry = asked.registry
    entries, aliases = registry.models(), registry.aliases()
    if asked.json:
        _print_json([models_told.plain_entry(entry, aliases) for entry in entries])
    elif entries:
        print("\n\n".join("\n".join(models_told.listed(e, aliases, time.time_ns())) for e in entries))
    else:
        print(
            f"There is no model in {registry.path} yet.\n"
            "Train one and put it there: btcframe train promote.to=production\n"
            "Or one that is trained:     btcframe models promote RUN"
        )
    for alias, model in aliases.items():
        if all(entry.model != model for entry in entries) and not asked.json:
            print(f"\n{alias} points to {model}, which is not among the models.")
    return 0


def _show(asked: _Asked) -> int:
    registry = asked.registry
    found = candidate(registry, asked.words[0] if asked.words else PRODUCTION)
    model = found.manifest["digest"][:DIGITS]
    history = [promoted for promoted in registry.history() if promoted.model == model]
    aliases = registry.aliases()
    refusal = may_promote(found.told.get("worth", ()))
    if asked.json:
        _print_json(
            {
                "model": model,
                "aliases": models_told.aliases_of(model, aliases),
                "artefact": str(found.artefact),
                "manifest": found.manifest,
                "run": found.told,
                "gate": {"passes": refusal is None, "reasons": list(refusal.reasons) if refusal else []},
                "promotions": [asdict(promoted) for promoted in history],
            }
        )
        return 0
    print("\n".join(models_told.shown(found, aliases, history, refusal, discover(), time.time_ns())))
    return 0


def _compare(asked: _Asked) -> int:
    found = [candidate(asked.registry, name) for name in asked.words]
    if asked.json:
        _print_json(models_told.plain_comparison(found))
    else:
        print("\n".join(models_told.compared(found, asked.registry.aliases())))
    return 0


def _promote(asked: _Asked) -> int:
    """Exit code 9 where the gate refuses."""
    force, reason = "--force" in asked.flags, asked.flags.get("--reason", "")
    if force != bool(reason):
        raise ConfigError(
            "btcframe models promote: --force and --reason belong together",
            hint="Whoever passes the gate over says why, for those who come after.",
            next="btcframe models promote NAME --force --reason 'why'",
        )
    registry, offered = asked.registry, candidate(asked.registry, asked.words[0])
    promoted = offer(
        registry, asked.flags.get("--as", PRODUCTION), offered, by=_person(), force=force, reason=reason
    )
    check_promoted(promoted, registry)
    if asked.json:
        _print_json(asdict(promoted))
    else:
        print(line(promoted))
        if not offered.final:
            print(_FOLD)
    return 0


_FOLD = "It was fitted on the rows of one fold.\nOne on all rows, too: btcframe train validation.final=true"


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container, where nobody has a name
        return "somebody"


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


COMMANDS: Mapping[str, Callable[[_Asked], int]] = {
    "list": _list,
    "show": _show,
    "compare": _compare,
    "promote": _promote,
}
