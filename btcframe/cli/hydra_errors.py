"""What Hydra and OmegaConf complain about while they compose, in our own words."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import fields

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from btcframe.cli.hydra_overrides import ROOT, last_line, no_such_setting, ordinal, overrides_in
from btcframe.config import Root
from btcframe.errors import BtcframeError, ConfigError, did_you_mean
from btcframe.plugins import Catalog
from btcframe.slots import CHOICES, SLOTS

_COMPOSERS = ("hydra", "omegaconf", "antlr4", "yaml")


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
        if slot in CHOICES:
            catalog.get(CHOICES[slot].name, name, where)
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
            hint=did_you_mean(key, [*CHOICES, "experiment"]),
            next=f"All settings: btcframe {verb} --cfg job",
        )
    return ConfigError(last_line(error), where=where, next=f"All settings: btcframe {verb} --cfg job")


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
        return ConfigError(f"not YAML: {getattr(error, 'problem', '') or last_line(error)}", where=where)
    verbose = next((a for a in overrides_in(arguments) if re.match(r"[+]*hydra\.verbose=", a)), "")
    if isinstance(error, AssertionError) and verbose:
        where = _override_of("hydra.verbose", arguments)
        return ConfigError(f"{verbose}: it is true, false or a list of loggers", where=where)
    return ConfigError(f"the config cannot be composed: {last_line(error)}")


def _explain_key(
    cause: OmegaConfBaseException, full_key: str, catalog: Catalog, verb: str, where: str
) -> BtcframeError:
    message = last_line(cause, first=True)
    if "is not a ListConfig" in message:
        return ConfigError(f"{full_key}: it is a list: write '{full_key}=[…]'", where=where)
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
    if above in CHOICES:
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
