"""What went wrong with a command line or a config file, in our own words.

Hydra's grammar is untouched; only its complaints are. Overrides are checked against the catalog before Hydra
composes, because then the message can say which override it was; what only composing can find (a typo inside an
experiment file) is translated afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from btcframe.config import Root, experiments
from btcframe.errors import BtcframeError, ConfigError, did_you_mean
from btcframe.plugins import Catalog
from btcframe.schema import RESERVED
from btcframe.slots import SLOTS

ROOT = tuple(f.name for f in fields(Root))
_INFO = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}
_FLAGS_WITH_VALUE = {
    "--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd",
    "--experimental-rerun", "--shell-completion", "-sc",
}  # fmt: skip


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
    """Raise ConfigError or PluginError for the first override that cannot mean anything."""
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
                hint=f"Write key=value, e.g. {verb} model.alpha=3; quote lists for the shell. {_last_line(error)}",
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
    for override, where in parsed:
        _check_override(catalog, verb, override, where, chosen)


def _check_override(
    catalog: Catalog, verb: str, override: Override, where: str, chosen: dict[str, list[str]]
) -> None:
    key = override.key_or_group
    head, _, rest = key.partition(".")
    if head == "hydra" or key.startswith("hydra/"):
        return
    if key in SLOTS:
        if override.is_delete():
            return
        for name in _values(override):
            if isinstance(name, str):
                catalog.get(key, name, where)
        return
    if key == "experiment":
        for name in _values(override):
            if isinstance(name, str):
                _check_experiment(catalog, name, where)
        return
    if head not in ROOT and head not in SLOTS:
        names = [*ROOT, "experiment"]
        raise ConfigError(
            f"{key}: there is no such setting",
            where=where,
            hint=did_you_mean(head, names),
            next=f"All settings: btcframe {verb} --cfg job",
        )
    if rest.rpartition(".")[2] == RESERVED:
        group = "model" if head not in SLOTS else head
        raise ConfigError(
            f"{key}: a plugin is chosen by its slot",
            where=where,
            hint=f"Write {group}={override.value()}, so that its settings come with it.",
        )
    if head in chosen and rest:
        _check_field(catalog, verb, head, rest, where, chosen[head])


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


def _check_experiment(catalog: Catalog, name: str, where: str) -> None:
    known = experiments(catalog.config_paths)
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
        return None
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
        if slot in SLOTS:
            catalog.get(slot, name, where)
        return ConfigError(f"there is no config file {slot}/{name}", where=where)
    if unmatched := re.search(r"Could not override '([\w./@]+)'", text):
        key = unmatched[1]
        return ConfigError(
            f"{key}: nothing of that name is chosen here",
            where=where or _override_of(key, arguments),
            hint=did_you_mean(key, [*SLOTS, "experiment"]),
            next=f"All settings: btcframe {verb} --cfg job",
        )
    return ConfigError(_last_line(error), where=where, next=f"All settings: btcframe {verb} --cfg job")


def _explain_key(
    cause: OmegaConfBaseException, full_key: str, catalog: Catalog, verb: str, where: str
) -> BtcframeError:
    message = _last_line(cause, first=True)
    if "not in" not in message and "not in struct" not in message:
        return ConfigError(f"{full_key}: {message}", where=where)
    owner, known, prefix, name = _owner(cause, full_key, catalog)
    if owner:
        return no_such_setting(full_key, owner, known, prefix, where, verb, name)
    return ConfigError(
        f"{full_key}: there is no such setting",
        where=where,
        hint=did_you_mean(full_key.partition(".")[0], [*ROOT, "experiment"]),
        next=f"All settings: btcframe {verb} --cfg job",
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


def _override_of(key: str, arguments: list[str]) -> str:
    for n, text in enumerate(overrides_in(arguments), start=1):
        if re.match(rf"[+~]*{re.escape(str(key))}(=|$)", text):
            return f"command line, {ordinal(n)} override"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _last_line(error: BaseException, first: bool = False) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if first else lines[-1]) if lines else type(error).__name__
