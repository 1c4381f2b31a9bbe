"""Discover plugins, isolate the broken ones, and freeze what remains into a catalog.

*Architecture Invariant*: there is no global registry. `discover()` returns a value; whoever needs components is
handed the catalog. The builder builds only what the catalog holds: a config cannot name an arbitrary import.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import re
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pluggy

from btcframe import hookspecs
from btcframe.api import SessionEvent
from btcframe.api import version as api_version
from btcframe.errors import BtcframeError, ConfigError, PluginError, did_you_mean
from btcframe.schema import REQUIRED, RESERVED, Field, convert, fields_of, unknown_keys
from btcframe.slots import SLOTS

GROUP = "btcframe"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Component:
    """A registered component class."""

    slot: str
    name: str
    cls: type
    distribution: str
    version: str
    fields: tuple[Field, ...]

    @property
    def summary(self) -> str:
        """First line of the class's docstring."""
        return (self.cls.__doc__ or "").strip().split("\n")[0]


@dataclass(frozen=True)
class Failure:
    """A plugin, or one component of it, that cannot be used, and why."""

    plugin: str
    distribution: str
    what: str
    detail: str = ""
    slot: str = ""
    name: str = ""


@dataclass(frozen=True)
class Plugin:
    """Where a plugin came from."""

    name: str
    distribution: str
    version: str
    module: Any


@dataclass(frozen=True)
class Catalog:
    """Everything that is installed, frozen.

    Parameters
    ----------
    components : mapping of slot to name to Component
    failures : tuple of Failure
    config_paths : tuple of str      config packages of plugins, as Hydra writes them
    manager : PluginManager          only for observers
    """

    components: Mapping[str, Mapping[str, Component]]
    failures: tuple[Failure, ...]
    config_paths: tuple[str, ...]
    plugins: tuple[Plugin, ...]
    manager: pluggy.PluginManager

    def names(self, slot: str) -> tuple[str, ...]:
        """Names that can be chosen for a slot."""
        return tuple(self.components[slot])

    def get(self, slot: str, name: str, where: str = "") -> Component:
        """The component, or a PluginError that names the guilty plugin or the nearest name."""
        if slot not in self.components:
            raise PluginError(
                f"there is no slot {slot!r}", where=where, hint=did_you_mean(slot, self.components)
            )
        if name in self.components[slot]:
            return self.components[slot][name]
        for failure in self.failures:
            if (failure.slot, failure.name) == (slot, name):
                raise PluginError(
                    f"{slot}={name} cannot be used: {failure.what}",
                    where=where or f"distribution {failure.distribution}",
                    hint=failure.detail,
                    next="All plugins and failures: btcframe plugins",
                )
        hint = did_you_mean(name, self.names(slot), f"{slot}=")
        broken = [f for f in self.failures if not f.slot]
        if broken:
            names = ", ".join(f"{f.distribution} ({f.what})" for f in broken)
            hint += f"\nIt may belong to a plugin that failed to load: {names}"
        raise PluginError(
            f"{slot}={name}: there is no such {slot} plugin",
            where=where,
            hint=hint.strip(),
            next="All plugins and failures: btcframe plugins",
        )

    def build(self, slot: str, node: Any, path: str = "", where: str = "") -> Any:
        """Build the component a config node describes.

        Parameters
        ----------
        slot : str
        node : mapping           ``{"plugin": name, field: value, …}``, plain values
        path : str               where the node stands in the config, for messages
        where : str              which file or override it comes from, for messages

        Raises
        ------
        ConfigError, PluginError
        """
        path = path or slot
        if not isinstance(node, Mapping) or not isinstance(node.get(RESERVED), str):
            raise ConfigError(
                f"{path}: this is not a component",
                where=where,
                hint=f"A node names its plugin: {path}: {{{RESERVED}: <name>, …}}. "
                f"{slot} plugins: {', '.join(self.names(slot))}.",
                next=f"If an experiment sets what you have not chosen, leave it out: '~{path}'"
                if path != slot
                else "",
            )
        component = self.get(slot, node[RESERVED], where or path)
        unknown_keys(node, component.fields, path, component.name, where)
        values = {}
        for field in component.fields:
            value = node.get(field.name, field.default)
            if value is REQUIRED or value == "???":
                raise ConfigError(
                    f"{path}.{field.name}: {component.name} needs a value",
                    where=where,
                    hint=f"It is a {field.type_name}. {field.doc}".strip(),
                    next=f"Set it on the command line: {path}.{field.name}=…",
                )
            if value is field.default:
                continue
            values[field.name] = convert(field, value, f"{path}.{field.name}", self.build)
        try:
            made = component.cls(**values)
        except (ValueError, TypeError, ArithmeticError) as error:
            # "alpha: -1 is not positive" becomes model.alpha: …
            named = str(error).partition(":")[0] in [field.name for field in component.fields]
            what = f"{path}{'.' if named else ': '}{error}"
            raise ConfigError(what, where=where or f"{slot}={component.name}") from error
        # a recorded session names the source that it is of
        settled = getattr(made, "settled", None)
        return made if settled is None else settled(self.build)

    def notify(self, event: SessionEvent) -> None:
        """Tell every observer; one that raises is logged and the others are still told."""
        for impl in self.manager.hook.btcframe_event.get_hookimpls():
            try:
                impl.function(event=event)
            except Exception:  # a stranger's code: logged, never fatal
                log.warning("observer %s failed on %s", impl.plugin_name, event.kind, exc_info=True)


def discover(extra: Iterable[tuple[str, Any]] = ()) -> Catalog:
    """Load every entry point of group ``btcframe``.

    Parameters
    ----------
    extra : iterable of (name, module)
        Plugins that are not installed: tests, notebooks.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    failures: list[Failure] = []
    loaded = [p for p in _load(failures, extra) if _fits(p, failures)]
    plugins = [p for p in loaded if _register(manager, p, failures)]
    found = [c for plugin in plugins for c in _components(manager, plugin, failures)]
    paths = [p for plugin in plugins for p in _config_paths(manager, plugin, failures)]
    return Catalog(
        components=_freeze(found, failures),
        failures=tuple(failures),
        config_paths=tuple(dict.fromkeys(paths)),
        plugins=tuple(plugins),
        manager=manager,
    )


def _load(failures: list[Failure], extra: Iterable[tuple[str, Any]]) -> Iterable[Plugin]:
    seen: set[tuple[str, str]] = set()
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
        dist = entry.dist
        name, version = (dist.name, dist.version) if dist else ("unknown", "0")
        if (entry.name, entry.value) in seen:  # one distribution found twice on sys.path
            continue
        seen.add((entry.name, entry.value))
        try:
            module = entry.load()
        except Exception as error:  # noqa: BLE001 - a stranger's code may fail in any way; the rest must work
            what = f"import failed: {type(error).__name__}: {error}"
            if newer := api_version.newer(_source(entry)):
                what = f"{newer}: {what}"
            failures.append(Failure(entry.name, name, what, traceback.format_exc()))
            continue
        yield Plugin(entry.name, name, version, module)
    for entry_name, module in extra:
        yield Plugin(entry_name, getattr(module, "__name__", entry_name), "0", module)


def _source(entry: importlib.metadata.EntryPoint) -> str:
    """Text of the module an entry point names, without importing it; "" where it cannot be read."""
    try:
        spec = importlib.util.find_spec(entry.module)  # of a module in a package it imports the package
        return "" if spec is None or not spec.has_location else Path(str(spec.origin)).read_text("utf-8")
    except Exception:  # noqa: BLE001 - a stranger's code may fail in any way; why it was not imported is known
        return ""


def _fits(plugin: Plugin, failures: list[Failure]) -> bool:
    """Whether it was written for a plugin API that is this one."""
    what, cure = api_version.misfit(getattr(plugin.module, api_version.DECLARED, api_version.FIRST))
    if what:
        failures.append(Failure(plugin.name, plugin.distribution, what, cure))
    return not what


def _register(manager: pluggy.PluginManager, plugin: Plugin, failures: list[Failure]) -> bool:
    try:
        manager.register(plugin.module, name=f"{plugin.distribution}:{plugin.name}")
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        if manager.is_registered(plugin.module):
            manager.unregister(plugin.module)
        hooks = [n for n in vars(hookspecs) if n.startswith("btcframe_")]
        hint = f"The hooks are {', '.join(hooks)}."
        failures.append(Failure(plugin.name, plugin.distribution, f"hook refused: {error}", hint))
        return False
    return True


def _call(manager: pluggy.PluginManager, hook: str, plugin: Plugin, failures: list[Failure]) -> Any:
    for impl in getattr(manager.hook, hook).get_hookimpls():
        if impl.plugin is plugin.module:
            try:
                return impl.function()
            except Exception as error:  # noqa: BLE001 - a stranger's code may fail in any way; the rest must work
                what = f"{hook} raised {type(error).__name__}: {error}"
                failures.append(Failure(plugin.name, plugin.distribution, what, traceback.format_exc()))
    return None


def _components(
    manager: pluggy.PluginManager, plugin: Plugin, failures: list[Failure]
) -> Iterable[Component]:
    def failed(what: str, detail: str, slot: str = "", name: str = "") -> None:
        failures.append(Failure(plugin.name, plugin.distribution, what, detail, slot, name))

    given = _call(manager, "btcframe_components", plugin, failures)
    if given is not None and not isinstance(given, Mapping):
        failed(f"btcframe_components gives {_kind(given)}, which is no dict", GIVES)
        return
    for slot, classes in (given or {}).items():
        if slot not in SLOTS:
            failed(f"there is no slot {slot!r}", did_you_mean(str(slot), SLOTS))
            continue
        if not isinstance(classes, Mapping):
            failed(f"btcframe_components gives {_kind(classes)} for {slot}, which is no dict", GIVES, slot)
            continue
        for name, cls in classes.items():
            if not (isinstance(name, str) and _NAME.fullmatch(name)):
                failed(f"{slot}: {name!r} is no name of a component", NAMES, slot)
                continue
            try:
                _check_methods(slot, cls)
                yield Component(slot, name, cls, plugin.distribution, plugin.version, fields_of(cls))
            except BtcframeError as error:
                failed(f"{slot}/{name} refused: {error.what}", error.hint, slot, name)
            except Exception as error:  # noqa: BLE001 - a stranger's code may fail in any way; the rest must work
                what = f"{slot}/{name} refused: {type(error).__name__}: {error}"
                failed(what, traceback.format_exc(), slot, name)


GIVES = "It is {slot: {name: class}}: {'features': {'my_feature': MyFeature}}."
NAMES = "A name is letters, digits, _ and -: it is typed on the command line, features=my_feature."
_NAME = re.compile(r"\w[\w.-]*")


def _kind(thing: Any) -> str:
    """'a list', 'an int': what it is, for a message."""
    name = type(thing).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _check_methods(slot: str, cls: Any) -> None:
    if not isinstance(cls, type):
        raise PluginError(f"{cls!r} is no class", hint="The class itself is registered, not one of it.")
    missing = [m for m in SLOTS[slot].methods if not hasattr(cls, m)]
    if missing:
        raise PluginError(
            f"{cls.__qualname__} has no {', '.join(missing)}",
            hint=f"A {slot} needs {', '.join(SLOTS[slot].methods)}: see btcframe.api.{SLOTS[slot].protocol.__name__}.",
        )


def _config_paths(manager: pluggy.PluginManager, plugin: Plugin, failures: list[Failure]) -> Iterable[str]:
    given = _call(manager, "btcframe_config_paths", plugin, failures)
    if given is not None and not isinstance(given, (list, tuple)):
        what = f"btcframe_config_paths gives {_kind(given)}, which is no list"
        failures.append(Failure(plugin.name, plugin.distribution, what, "It is a list: ['pkg://acme.conf']."))
        return
    for path in given or ():
        if not (isinstance(path, str) and path.startswith(("pkg://", "file://"))):
            what = f"config path {path!r} must start with pkg:// or file://"
            failures.append(Failure(plugin.name, plugin.distribution, what))
            continue
        yield path


def _freeze(found: list[Component], failures: list[Failure]) -> Mapping[str, Mapping[str, Component]]:
    """Group by slot; a name that two plugins claim belongs to neither."""
    table: dict[str, dict[str, list[Component]]] = {slot: {} for slot in SLOTS}
    for component in found:
        table[component.slot].setdefault(component.name, []).append(component)
    for slot, names in table.items():
        for name, claims in names.items():
            if len(claims) > 1:
                owners = " and ".join(c.distribution for c in claims)
                what = f"{slot}={name} is registered twice, by {owners}"
                hint = "Uninstall one of them, or have it choose another name."
                failures.append(
                    Failure(claims[-1].distribution, claims[-1].distribution, what, hint, slot, name)
                )
    return MappingProxyType(
        {
            slot: MappingProxyType(
                {name: claims[0] for name, claims in sorted(names.items()) if len(claims) == 1}
            )
            for slot, names in table.items()
        }
    )
