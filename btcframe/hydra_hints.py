"""What went wrong with a command line or a config file, in our own words.

Hydra's grammar is untouched; only its complaints are. Overrides are checked against the catalog before Hydra
composes, because then the message can say which override it was; what only composing can find (a typo inside an
experiment file) is translated afterwards.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from btcframe.config import Root, experiments
from btcframe.errors import BtcframeError, ConfigError, did_you_mean
from btcframe.plugins import Catalog
from btcframe.schema import RESERVED
from btcframe.slots import SLOTS

ROOT = tuple(f.name for f in fields(Root))
GROUPS = (*SLOTS, "experiment")
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


_INNARDS = ("full_key:", "object_type=", "reference_type=")
_COMPOSERS = ("hydra", "omegaconf", "antlr4", "yaml")


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
    parsed: list[tuple[Override, str]] = []
    for n, text in enumerate(texts, start=1):
        where = f"command line, {ordinal(n)} override"
        try:
            parsed.append((OverridesParser.create().parse_override(text), where))
        except HydraException as error:
            raise ConfigError(
                f"{text!r} is not an override",
                where=where,
                hint=f"Write key=value, e.g. btcframe {verb} model.alpha=3; quote lists for the shell. {_last_line(error)}",
            ) from error
    if not {"-m", "--multirun"} & set(arguments):
        for override, where in parsed:
            if override.is_sweep_override():
                raise ConfigError(
                    f"{override.input_line}: several values make a sweep",
                    where=where,
                    hint=f"Add -m to run one job per value; a list is written {override.key_or_group}=[…].",
                )
    chosen = {
        o.key_or_group: [str(v) for v in _values(o)]
        for o, _ in parsed
        if o.key_or_group in SLOTS and not SLOTS[o.key_or_group].many
    }
    paths = _config_paths(catalog, arguments)
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
            hint="Write key=value; ~ takes nothing away but a component of features or risk.",
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
    if head == "hydra" or key.startswith("hydra/"):
        return
    if override.is_delete() and (head in ROOT or head in SLOTS):
        _check_deletion(catalog, override, where)
        return
    if key in SLOTS:
        _check_choice(catalog, override, where)
        return
    if key == "experiment":
        for name in _values(override):
            if isinstance(name, str):
                _check_experiment(paths, name, where)
        return
    if key == "verb":
        raise ConfigError(
            "verb: the command says what to do",
            where=where,
            next="All commands: btcframe --help",
        )
    if head not in ROOT and head not in SLOTS:
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
    if rest and "." not in rest and head in SLOTS and SLOTS[head].many:
        return
    if head in SLOTS and SLOTS[head].many and not rest:
        name = (override.package or "").partition(".")[2] or next(iter(catalog.names(head)), "NAME")
        hint = f"Write ~{head}.{name} for one of them, or {head}=[…] with all that should be there."
    elif head in SLOTS and not rest:
        hint = f"Every job has one: {', '.join(f'{head}={name}' for name in catalog.names(head))}."
    else:
        hint = "Leave it out for its default."
    raise ConfigError(f"{override.input_line}: this cannot be taken away", where=where, hint=hint)


def _check_choice(catalog: Catalog, override: Override, where: str) -> None:
    """A slot set to a name, or to names."""
    key, value = override.key_or_group, override.value()
    if isinstance(value, dict) and RESERVED in value and not SLOTS[key].many:
        raise _by_its_slot(f"{key}={{{RESERVED}: …}}", key, value[RESERVED], where)
    if isinstance(value, list) and len(value) != 1 and not SLOTS[key].many:
        names = ",".join(str(v) for v in _values(override)) or ",".join(catalog.names(key))
        raise ConfigError(
            f"{override.input_line}: there is one {key}, not {len(value)}",
            where=where,
            hint=f"A sweep has one job for each: '{key}={names}' -m",
        )
    for name in _values(override):
        if isinstance(name, str):
            catalog.get(key, name, where)
    if override.is_add() and override.package is None and isinstance(value, (str, list)):
        name = next((str(v) for v in _values(override)), "NAME")
        raise ConfigError(
            f"{override.input_line}: {key} is chosen already, by default",
            where=where,
            hint=f"Write +{key}@{key}.{name}={name} for one more, or {key}=[…] for all of them."
            if SLOTS[key].many
            else f"Write {key}={name}.",
        )


def _by_its_slot(key: str, slot: str, name: Any, where: str) -> ConfigError:
    slot = slot if slot in SLOTS else "model"
    choice = f"{slot}=[…,{name}] or +{slot}@{slot}.{name}={name}" if SLOTS[slot].many else f"{slot}={name}"
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
    choice = f" {slot}={name}" if slot in SLOTS and not SLOTS[slot].many else ""
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


def _config_paths(catalog: Catalog, arguments: list[str]) -> tuple[str, ...]:
    """The plugins' config packages, and the user's own directory of config files."""
    found = list(catalog.config_paths)
    for flag, following in zip(arguments, [*arguments[1:], ""], strict=False):
        name, _, value = flag.partition("=")
        if name in ("--config-dir", "-cd"):
            found.append(f"file://{value or following}")
    return tuple(found)


def _check_experiment(paths: tuple[str, ...], name: str, where: str) -> None:
    known = experiments(paths)
    if name not in known:
        raise ConfigError(
            f"experiment={name}: there is no such experiment file",
            where=where,
            hint=did_you_mean(name, known, "experiment="),
        )


def explain(error: Exception, catalog: Catalog, verb: str, arguments: list[str]) -> BtcframeError | None:
    """Our words for an error of Hydra's or OmegaConf's; None for anything that is not theirs."""
    chain = list(_chain(error))
    ours = next((e for e in chain if isinstance(e, BtcframeError)), None)
    if ours is not None:
        ours.where = ours.where or _override_of(ours.what.partition(":")[0], arguments)
        return ours
    if not any(isinstance(e, (HydraException, OmegaConfBaseException)) for e in chain):
        return (
            _about_a_file(error, arguments)
            if not isinstance(error, OSError) and _raised_by(error) in _COMPOSERS
            else None
        )
    where = _where(chain, arguments)
    for cause in chain:
        full_key = getattr(cause, "full_key", None)
        if isinstance(cause, OmegaConfBaseException) and full_key:
            return _explain_key(
                cause, str(full_key), catalog, verb, where or _override_of(full_key, arguments)
            )
    text = "\n".join(str(e) for e in chain)
    if missing := re.search(r"Could not (?:find|load) '([\w/]+)/([\w.-]+)'", text):
        slot, name = missing[1], missing[2]
        experiment = next((a.partition("=")[2] for a in arguments if re.match(r"\+*experiment=", a)), "")
        inside = f"config file experiment/{experiment}.yaml" if experiment else where
        where = _override_of(slot, arguments, exactly=True) or inside
        if slot in SLOTS:
            catalog.get(slot, name, where)
        options = next((e.options for e in chain if isinstance(e, MissingConfigException) and e.options), [])
        return ConfigError(
            f"{slot}={name}: there is no such config file",
            where=where,
            hint=did_you_mean(name, options, f"{slot}="),
        )
    if unmatched := re.search(r"Could not override '([\w./@]+)'", text):
        key = unmatched[1]
        return ConfigError(
            f"{key}: nothing of that name is chosen here",
            where=where or _override_of(key, arguments),
            hint=did_you_mean(key, [*SLOTS, "experiment"]),
            next=f"All settings: btcframe {verb} --cfg job",
        )
    return ConfigError(_last_line(error), where=where, next=f"All settings: btcframe {verb} --cfg job")


def _raised_by(error: BaseException) -> str:
    """The package whose code raised it."""
    module = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        module = name if name not in ("codecs", "encodings") else module
    return module


def _about_a_file(error: Exception, arguments: list[str]) -> ConfigError:
    """What Hydra, OmegaConf or the YAML parser could not make sense of, without a class of its own for it."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        where = f"{mark.name}, line {mark.line + 1}"
        return ConfigError(f"not YAML: {getattr(error, 'problem', '') or _last_line(error)}", where=where)
    verbose = next((a for a in overrides_in(arguments) if re.match(r"[+]*hydra\.verbose=", a)), "")
    if isinstance(error, AssertionError) and verbose:
        where = _override_of("hydra.verbose", arguments)
        return ConfigError(f"{verbose}: it is true, false or a list of loggers", where=where)
    return ConfigError(f"the config cannot be composed: {_last_line(error)}")


def _explain_key(
    cause: OmegaConfBaseException, full_key: str, catalog: Catalog, verb: str, where: str
) -> BtcframeError:
    message = _last_line(cause, first=True)
    if "not in" not in message and "not in struct" not in message:
        return ConfigError(f"{full_key}: {message}", where=where)
    owner, known, prefix, name = _owner(cause, full_key, catalog)
    if owner:
        return no_such_setting(full_key, owner, known, prefix, where, verb, name)
    if full_key == "experiment":
        return ConfigError(
            "the file is taken for settings of its own",
            where=where,
            hint="An experiment sets what the whole config has. Begin it with the line: # @package _global_",
        )
    above, _, last = full_key.rpartition(".")
    siblings = [str(key) for key in cause.parent_node] if isinstance(cause.parent_node, DictConfig) else []
    if above in SLOTS:
        return ConfigError(
            f"{full_key}: no component of that name is chosen",
            where=where,
            hint=did_you_mean(last, siblings, f"{above}."),
            next=f"Add one: +{above}@{full_key}=PLUGIN",
        )
    return ConfigError(
        f"{full_key}: there is no such setting",
        where=where,
        hint=did_you_mean(last, siblings, f"{above}.")
        if above
        else did_you_mean(full_key, [*ROOT, "experiment", "hydra"]),
        next=f"All settings: btcframe {verb} --cfg {'hydra' if full_key.startswith('hydra') else 'job'}",
    )


def _owner(cause: OmegaConfBaseException, full_key: str, catalog: Catalog) -> tuple[str, set[str], str, str]:
    """Whose setting it would have been: a component, or a section of the root."""
    prefix = full_key.rpartition(".")[0]
    type_name = getattr(getattr(cause, "object_type", None), "__name__", "")
    slot, _, name = type_name.partition("_")
    if slot in SLOTS and name in catalog.components[slot]:
        return name, {f.name for f in catalog.get(slot, name).fields}, prefix, name
    section = next((f for f in fields(Root) if f.name == prefix), None)
    if section is not None and hasattr(getattr(Root(), prefix), "__dataclass_fields__"):
        return prefix, set(getattr(Root(), prefix).__dataclass_fields__), prefix, ""
    return "", set(), prefix, ""


def _where(chain: list[BaseException], arguments: list[str]) -> str:
    for error in chain:
        if inside := re.search(r"In '([^']+)'", str(error)):
            return f"config file {inside[1]}.yaml"
    return ""


def _override_of(key: str, arguments: list[str], exactly: bool = False) -> str:
    """The override that set a key, or something below it."""
    end = r"([=@]|$)" if exactly else r"([=.@]|$)"
    for n, text in enumerate(overrides_in(arguments), start=1):
        if re.match(rf"[+~]*{re.escape(str(key))}{end}", text):
            return f"command line, {ordinal(n)} override"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _last_line(error: BaseException, first: bool = False) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(_INNARDS)]
    return (lines[0] if first else lines[-1]) if lines else type(error).__name__
