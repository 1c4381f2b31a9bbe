"""Discovery: what is found, what is isolated, what is refused, and who is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from btcframe.api import SessionEvent, Veto
from btcframe.errors import ConfigError, PluginError
from btcframe.hookspecs import hookimpl
from btcframe.plugins import discover

Make = Callable[..., Path]


@dataclass(frozen=True)
class NoTrades:
    """Vetoes everything."""

    code: str = "no"
    level: int = 1

    def __post_init__(self) -> None:
        if self.level < 0:
            raise ValueError(f"level: {self.level} is negative")

    def check(self, intent: Any, account: Any, market: Any) -> Any:
        return Veto(self.code)


@dataclass(frozen=True)
class OddlyTyped:
    """The type of its setting cannot be read.

    Parameters
    ----------
    level : int
    """

    level: "int or" = 0  # type: ignore  # noqa

    def check(self, intent: Any, account: Any, market: Any) -> Any:
        return None


def plugin(name: str, components: Any, **hooks: Any) -> tuple[str, ModuleType]:
    module = ModuleType(name)
    module.btcframe_components = hookimpl(lambda: components)  # type: ignore[attr-defined]
    module.btcframe_components.__name__ = "btcframe_components"  # type: ignore[attr-defined]
    for hook, function in hooks.items():
        setattr(module, hook, hookimpl(function))
    return name, module


def test_the_four_distributions_and_the_core_are_found() -> None:
    catalog = discover()
    assert {p.distribution for p in catalog.plugins} >= {
        "btcframe", "btcframe-features", "btcframe-regimes", "btcframe-models", "btcframe-execution",
    }  # fmt: skip
    assert catalog.failures == ()


def test_a_component_is_built_from_its_node() -> None:
    catalog = discover([plugin("acme", {"risk": {"no_trades": NoTrades}})])
    assert catalog.build("risk", {"plugin": "no_trades", "code": "shut"}, "risk.a") == NoTrades("shut")


def test_the_builder_builds_only_what_the_catalog_holds() -> None:
    catalog = discover()
    for node in ({"plugin": "os.system"}, {"_target_": "os.system", "command": "true"}, None, "risk", {}):
        with pytest.raises((PluginError, ConfigError)):
            catalog.build("risk", node)


def test_unknown_settings_and_values_the_class_refuses() -> None:
    catalog = discover([plugin("acme", {"risk": {"no_trades": NoTrades}})])
    with pytest.raises(ConfigError, match=r"risk.a.cod: no_trades has no such setting") as caught:
        catalog.build("risk", {"plugin": "no_trades", "cod": "x"}, "risk.a")
    assert "Did you mean risk.a.code?" in str(caught.value)
    with pytest.raises(ConfigError, match=r"risk.a.level: -1 is negative"):
        catalog.build("risk", {"plugin": "no_trades", "level": -1}, "risk.a")


def test_two_plugins_with_one_name_are_refused_and_both_named() -> None:
    catalog = discover([plugin("acme", {"risk": {"x": NoTrades}}), plugin("zeta", {"risk": {"x": NoTrades}})])
    assert "x" not in catalog.names("risk")
    with pytest.raises(PluginError, match="registered twice, by acme and zeta"):
        catalog.get("risk", "x")


def test_a_misspelt_hook_is_an_error_and_only_that_plugin_is_out() -> None:
    good = plugin("acme", {"risk": {"x": NoTrades}})

    def empty() -> dict[str, Any]:
        return {}

    bad = plugin("oops", {"risk": {"y": NoTrades}}, btcframe_compnents=empty)
    catalog = discover([bad, good])
    assert "x" in catalog.names("risk")
    assert "y" not in catalog.names("risk")
    (failure,) = catalog.failures
    assert failure.distribution == "oops"
    assert "btcframe_compnents" in failure.what
    assert "btcframe_components" in failure.detail


def test_a_hook_that_raises_is_isolated() -> None:
    def burst() -> Any:
        raise RuntimeError("boom")

    name, module = plugin("acme", {})
    module.btcframe_components = hookimpl(burst)  # type: ignore[attr-defined]
    module.btcframe_components.__name__ = "btcframe_components"  # type: ignore[attr-defined]
    catalog = discover([(name, module), plugin("good", {"risk": {"x": NoTrades}})])
    assert "x" in catalog.names("risk")
    assert "boom" in catalog.failures[0].what


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ({"rsk": {"x": NoTrades}}, "there is no slot 'rsk'"),
        ({"model": {"x": NoTrades}}, "model/x refused: NoTrades has no fit, load"),
        ({"risk": {"x": SimpleNamespace}}, "risk/x refused"),
        ([NoTrades], "btcframe_components gives a list, which is no dict"),
        (7, "btcframe_components gives an int, which is no dict"),
        ({"risk": [NoTrades]}, "btcframe_components gives a list for risk, which is no dict"),
        ({7: {"x": NoTrades}}, "there is no slot 7"),
        ({"risk": {7: NoTrades}}, "risk: 7 is no name of a component"),
        ({"risk": {"my risk": NoTrades}}, "risk: 'my risk' is no name of a component"),
        ({"risk": {"x": None}}, "risk/x refused: None is no class"),
        ({"risk": {"x": NoTrades()}}, "risk/x refused: NoTrades(code='no', level=1) is no class"),
        ({"risk": {"x": OddlyTyped}}, "risk/x refused: SyntaxError"),
    ],
)
def test_what_does_not_fit_its_slot_is_refused(components: Any, message: str) -> None:
    catalog = discover([plugin("acme", components), plugin("good", {"risk": {"good": NoTrades}})])
    (failure,) = catalog.failures
    assert message in failure.what and failure.distribution == "acme"
    assert "good" in catalog.names("risk")


def test_a_refused_component_is_named_when_it_is_asked_for() -> None:
    catalog = discover([plugin("acme", {"model": {"x": NoTrades}})])
    with pytest.raises(PluginError, match=r"model=x cannot be used.*no fit, load") as caught:
        catalog.get("model", "x")
    assert "acme" in str(caught.value)


def test_config_paths_must_be_config_paths() -> None:
    catalog = discover([plugin("acme", {}, btcframe_config_paths=lambda: ["pkg://acme.conf", "acme/conf"])])
    assert catalog.config_paths == ("pkg://acme.conf",)
    assert "acme/conf" in catalog.failures[0].what


@pytest.mark.parametrize(("paths", "kind"), [("pkg://acme.conf", "a str"), (7, "an int")])
def test_config_paths_are_a_list(paths: Any, kind: str) -> None:
    catalog = discover([plugin("acme", {}, btcframe_config_paths=lambda: paths)])
    assert not [path for path in catalog.config_paths if "acme" in path]
    assert [f.what for f in catalog.failures] == [f"btcframe_config_paths gives {kind}, which is no list"]


def test_observers_are_told_and_cannot_stop_a_run(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def watch(event: SessionEvent) -> None:
        seen.append(event.kind)

    def burst(event: SessionEvent) -> None:
        raise RuntimeError("boom")

    catalog = discover([plugin("a", {}, btcframe_event=burst), plugin("b", {}, btcframe_event=watch)])
    catalog.notify(SessionEvent("run_started", 0))
    assert seen == ["run_started"]
    assert "boom" in caplog.text


def test_a_plugin_that_cannot_be_imported_is_recorded_and_named(
    distribution: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = distribution("acme-unloadable", "import no_such_library_at_all\n")
    monkeypatch.syspath_prepend(str(site))
    catalog = discover()
    failure = next(f for f in catalog.failures if f.distribution == "acme-unloadable")
    assert "ModuleNotFoundError" in failure.what
    with pytest.raises(PluginError, match="acme-unloadable"):
        catalog.get("model", "theirs")
    assert "acme_unloadable" not in sys.modules


def test_the_catalog_is_frozen() -> None:
    catalog = discover()
    with pytest.raises(TypeError):
        catalog.components["risk"]["x"] = None  # type: ignore[index]
