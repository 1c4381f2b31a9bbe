"""The overrides on a command line, checked against the catalog before Hydra composes.

Hydra's grammar is untouched; only its complaints are. Checked beforehand, because then the message can say which
override it was; what only composing can find (a typo inside an experiment file) is for `hydra_errors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from hydra.errors import HydraException

from btcframe.cli.hydra_secrets import check_files
from btcframe.cli.hydra_secrets import check_override as check_secret
from btcframe.cli.hydra_sweeps import check_sweep
from btcframe.config import LOOKED_AT, Root, presets
from btcframe.errors import ConfigError, did_you_mean
from btcframe.plugins import Catalog
from btcframe.schema import RESERVED
from btcframe.slots import CHOICES

ROOT = tuple(f.name for f in fields(Root))
FILES = ("experiment", "sweep", "engine")
"""Groups of config files that are no slots."""
GROUPS = (*CHOICES, *FILES)
_INFO = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}
_FLAGS = (
    "--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run", "--multirun",
    "--shell-completion", "--config-path", "--config-name", "--config-dir", "--experimental-rerun", "--info",
)  # fmt: skip
_HYDRAS_GROUPS = (
    "launcher",
    "sweeper",
    "job_logging",
    "hydra_logging",
    "help",
    "hydra_help",
    "output",
    "env",
)
_FLAGS_WITH_VALUE = {
    "--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd",
    "--experimental-rerun", "--shell-completion", "-sc",
}  # fmt: skip


_VERBS = {
    "trained": ("backtest", "trade"), "session": ("replay",), "warm_start": ("backtest", "run", "trade"),
    "trade": ("trade", "doctor"), "lane": ("trade",), "beside": ("facts",),
    "later": ("regimes",), "regimes": ("regimes",), "exchange": ("exchange",),
}  # fmt: skip
"""Settings that only some verbs look at: given to another they would do nothing."""

_INNARDS = ("full_key:", "object_type=", "reference_type=")


def ordinal(n: int) -> str:
    """1 → 1st, 2 → 2nd, 13 → 13th."""
    suffix = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


def overrides_in(arguments: list[str]) -> list[str]:
    """The overrides among the arguments: neither flags nor their values."""
    found, skip = [], False
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if skip or (before == "--info" and argument in _INFO):
            skip = False
        elif argument.startswith("-"):
            skip = argument in _FLAGS_WITH_VALUE
        else:
            found.append(argument)
    return found


def check_overrides(catalog: Catalog, verb: str, arguments: list[str]) -> None:
    """Raise ConfigError or PluginError for the first flag or override that cannot mean anything."""
    _check_flags(verb, arguments)
    texts = overrides_in(arguments)
    for n, text in enumerate(texts, start=1):
        check_secret(text, f"command line, {ordinal(n)} override")
    parsed: list[tuple[Override, str]] = []
    for n, text in enumerate(texts, start=1):
        where = f"command line, {ordinal(n)} override"
        try:
            parsed.append((OverridesParser.create().parse_override(text), where))
        except HydraException as error:
            within = (
                """ What begins with ! has quotes of its own: 'select=["!book"]'.""" if "!" in text else ""
            )
            raise ConfigError(
                f"{text!r} is not an override",
                where=where,
                hint=f"Write key=value, e.g. btcframe {verb} {_example(verb)}; quote lists for the shell.{within} "
                f"{last_line(error)}",
            ) from error
    chosen = {
        o.key_or_group: [str(v) for v in _values(o)]
        for o, _ in parsed
        if o.key_or_group in CHOICES and not CHOICES[o.key_or_group].many and not o.package
    }
    folders = _own_folders(arguments)
    asked = [str(v) for o, _ in parsed if o.key_or_group == "experiment" for v in _values(o)]
    for folder in folders:
        check_files(Path(folder), asked)
    paths = (*catalog.config_paths, *(f"file://{folder}" for folder in folders))
    check_sweep(verb, arguments, parsed, GROUPS)
    for override, where in parsed:
        if verb == "replay" and override.key_or_group.partition(".")[0] in (*ROOT, "experiment"):
            _check_replay(override, where)
        _check_override(catalog, verb, override, where, chosen, paths)


def _check_override(
    catalog: Catalog,
    verb: str,
    override: Override,
    where: str,
    chosen: dict[str, list[str]],
    paths: tuple[str, ...],
) -> None:
    key = override.key_or_group
    head, _, rest = key.partition(".")
    if not key:
        raise ConfigError(
            f"{override.input_line!r} names no setting",
            where=where,
            hint="Write key=value; ~ takes nothing away but a component of features, regimes or risk.",
        )
    if key.startswith("hydra/") and key.removeprefix("hydra/") not in _HYDRAS_GROUPS:
        hint = did_you_mean(key.removeprefix("hydra/"), _HYDRAS_GROUPS, "hydra/")
        raise ConfigError(f"{key}: Hydra has no such config group", where=where, hint=hint)
    if override.value() is None and not override.is_delete() and (key in GROUPS or key.startswith("hydra/")):
        raise ConfigError(
            f"{key}=null: a plugin or a file is chosen by its name",
            where=where,
            hint="Leave it out for the default.",
        )
    if verb in LOOKED_AT and (head == "hydra" or key.startswith("hydra/")) and key != "hydra.verbose":
        raise ConfigError(f"{key}: btcframe {verb} is no job, and has nothing of Hydra's to set", where=where)
    if head == "hydra" or key.startswith("hydra/"):
        return
    if verb in LOOKED_AT and head in (*ROOT, *CHOICES) and head not in LOOKED_AT[verb]:
        raise ConfigError(
            f"{key}: btcframe {verb} does not look at it",
            where=where,
            hint=f"It looks at {' and '.join(LOOKED_AT[verb])}.",
        )
    if verb not in _VERBS.get(head, (verb,)):
        *others, last = _VERBS[head]
        verbs = f"{', '.join(others)} and {last}" if others else last
        raise ConfigError(
            f"{key}: btcframe {verb} does not look at it",
            where=where,
            hint=f"It is a setting of {verbs}: leave it out.",
        )
    if override.is_delete() and (head in ROOT or head in CHOICES):
        _check_deletion(catalog, override, where)
        return
    if key in CHOICES:
        if verb == "regimes" and key == "regime" and override.package is None:
            raise _several_regimes(override, where)
        _check_choice(catalog, override, where)
        return
    if key in FILES:
        for name in _values(override):
            if isinstance(name, str):
                _check_file(paths, key, name, where)
        return
    if key == "verb":
        raise ConfigError(
            "verb: the command says what to do",
            where=where,
            next="All commands: btcframe --help",
        )
    if head not in ROOT and head not in CHOICES:
        names = [*ROOT, "experiment", "hydra"]
        raise ConfigError(
            f"{key}: there is no such setting",
            where=where,
            hint=did_you_mean(head, names),
            next=f"All settings: btcframe {verb} --cfg job",
        )
    if rest.rpartition(".")[2] == RESERVED:
        raise _by_its_slot(key, head, override.value(), where)
    if head in chosen and rest:
        _check_field(catalog, verb, head, rest, where, chosen[head])


def _several_regimes(override: Override, where: str) -> ConfigError:
    name = next((str(v) for v in _values(override)), "NAME")
    return ConfigError(
        f"{override.input_line}: this report compares several regimes",
        where=where,
        hint=f"Write 'regimes=[{name},…]' for all of them, +regimes@regimes.NAME={name} for one more, "
        "or ~regimes.NAME to take one away.",
    )


def _check_replay(override: Override, where: str) -> None:
    if override.key_or_group != "session":
        raise ConfigError(
            f"{override.key_or_group}: a replay has the settings of its session",
            where=where,
            hint="Leave it out; to see what another setting does, run the session's source again with it.",
        )


def _check_flags(verb: str, arguments: list[str]) -> None:
    """A misspelt flag. Hydra takes any unambiguous beginning of one, and so do we."""
    for flag in (argument.partition("=")[0] for argument in arguments if argument.startswith("--")):
        if not any(known.startswith(flag) for known in _FLAGS):
            raise ConfigError(
                f"{flag}: there is no such flag",
                where=f"btcframe {verb}",
                hint=did_you_mean(flag, _FLAGS),
                next=f"All flags: btcframe {verb} --hydra-help",
            )


def _check_deletion(catalog: Catalog, override: Override, where: str) -> None:
    """Only one component of several can be taken away."""
    key = override.key_or_group
    head, _, rest = key.partition(".")
    if rest and "." not in rest and head in CHOICES and CHOICES[head].many:
        return
    if head in CHOICES and CHOICES[head].many and not rest:
        name = (override.package or "").partition(".")[2] or next(
            iter(catalog.names(CHOICES[head].name)), "NAME"
        )
        hint = f"Write ~{head}.{name} for one of them, or {head}=[…] with all that should be there."
    elif head in CHOICES and not rest:
        hint = f"Every job has one: {', '.join(f'{head}={name}' for name in catalog.names(head))}."
    else:
        hint = "Leave it out for its default."
    raise ConfigError(f"{override.input_line}: this cannot be taken away", where=where, hint=hint)


def _check_choice(catalog: Catalog, override: Override, where: str) -> None:
    """A slot set to a name, or to names."""
    key, value = override.key_or_group, override.value()
    if isinstance(value, dict) and RESERVED in value and not CHOICES[key].many:
        raise _by_its_slot(f"{key}={{{RESERVED}: …}}", key, value[RESERVED], where)
    if isinstance(value, list) and len(value) != 1 and not CHOICES[key].many:
        names = ",".join(str(v) for v in _values(override)) or ",".join(catalog.names(key))
        raise ConfigError(
            f"{override.input_line}: there is one {key}, not {len(value)}",
            where=where,
            hint=f"A sweep has one job for each: '{key}={names}' -m",
        )
    for name in _values(override):
        if isinstance(name, str):
            catalog.get(CHOICES[key].name, name, where)
    if override.is_add() and override.package is None and isinstance(value, (str, list)):
        name = next((str(v) for v in _values(override)), "NAME")
        raise ConfigError(
            f"{override.input_line}: {key} is chosen already, by default",
            where=where,
            hint=f"Write +{key}@{key}.{name}={name} for one more, or {key}=[…] for all of them."
            if CHOICES[key].many
            else f"Write {key}={name}.",
        )


def _by_its_slot(key: str, slot: str, name: Any, where: str) -> ConfigError:
    slot = slot if slot in CHOICES else "model"
    choice = f"{slot}=[…,{name}] or +{slot}@{slot}.{name}={name}" if CHOICES[slot].many else f"{slot}={name}"
    return ConfigError(
        f"{key}: a plugin is chosen by its slot",
        where=where,
        hint=f"Write {choice}, so that its settings come with it.",
    )


def _check_field(catalog: Catalog, verb: str, slot: str, rest: str, where: str, names: list[str]) -> None:
    """A setting of a component that the same command line chose."""
    name = rest.partition(".")[0]
    known = {f.name for n in names for f in catalog.get(slot, n).fields} | {RESERVED}
    if name not in known:
        raise no_such_setting(f"{slot}.{name}", " or ".join(names), known, slot, where, verb, names[0])


def no_such_setting(
    path: str, owner: str, known: set[str], prefix: str, where: str, verb: str, name: str
) -> ConfigError:
    """What, where, the nearest setting, and how to see them all."""
    slot = prefix.partition(".")[0]
    choice = f" {slot}={name}" if slot in CHOICES and not CHOICES[slot].many else ""
    return ConfigError(
        f"{path}: {owner} has no such setting",
        where=where,
        hint=did_you_mean(path.rpartition(".")[2], known - {RESERVED}, f"{prefix}."),
        next=f"All settings: btcframe {verb}{choice} --cfg job",
    )


def _values(override: Override) -> Iterator[Any]:
    value = override.value()
    options = value.list if isinstance(value, ChoiceSweep) else [value]
    for option in options:
        items = option if isinstance(option, list) else [option]
        for item in items:
            yield item.text if isinstance(item, QuotedString) else item


def _example(verb: str) -> str:
    return f"{LOOKED_AT[verb][0]}=…" if verb in LOOKED_AT else "model.alpha=3"


def _own_folders(arguments: list[str]) -> list[str]:
    """The user's own directories of config files."""
    found = []
    for flag, following in zip(arguments, [*arguments[1:], ""], strict=False):
        name, _, value = flag.partition("=")
        if name in ("--config-dir", "-cd"):
            found.append(value or following)
    return found


def _check_file(paths: tuple[str, ...], group: str, name: str, where: str) -> None:
    known = presets(paths, group)
    if name not in known:
        kind = "experiment file" if group == "experiment" else f"{group} preset"
        raise ConfigError(
            f"{group}={name}: there is no such {kind}",
            where=where,
            hint=did_you_mean(name, known, f"{group}="),
        )


def last_line(error: BaseException, first: bool = False) -> str:
    """The last line, or the first, of what an error says to a user."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(_INNARDS)]
    return (lines[0] if first else lines[-1]) if lines else type(error).__name__
