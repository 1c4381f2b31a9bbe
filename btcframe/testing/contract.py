"""Run the contract on everything a distribution registers, with pytest or without."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from btcframe.errors import PluginError, did_you_mean
from btcframe.plugins import Catalog, Component, Failure, discover
from btcframe.schema import REQUIRED, RESERVED
from btcframe.testing import (
    clocks,
    features,
    labels,
    models,
    policies,
    regimes,
    risk,
    sources,
    stores,
    venues,
)
from btcframe.testing.checks import ContractError, NotApplicable
from btcframe.testing.surroundings import kept

Check = Callable[[Any], Any]
Exceptions = Mapping[str, Mapping[str, str]]
Settings = Mapping[str, Mapping[str, Any]]

SUITES: dict[str, ModuleType] = {
    "source": sources,
    "clock": clocks,
    "store": stores,
    "features": features,
    "regime": regimes,
    "label": labels,
    "model": models,
    "policy": policies,
    "risk": risk,
    "venue": venues,
}
"""Where the checks of each slot stand, in a tuple CHECKS."""


@dataclass(frozen=True)
class CheckResult:
    """What one check said of one component.

    Parameters
    ----------
    component : str     slot/name
    check : str         name of the check
    outcome : str       passed, failed, xfailed (a declared exception) or skipped
    message : str       cause and cure, or the reason
    figures : mapping   what was measured, by name with its unit (cost only)
    """

    component: str
    check: str
    outcome: str
    message: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One check of one component, ready to run.

    Parameters
    ----------
    component : str     slot/name
    check : str         name of the check
    run : callable      raises ContractError or NotApplicable; may return figures
    why : str           reason of a declared exception, "" without
    """

    component: str
    check: str
    run: Callable[[], Mapping[str, float] | None]
    why: str = ""

    @property
    def id(self) -> str:
        """As pytest shows it: features/ofi-causal."""
        return f"{self.component}-{self.check}"


def checks_of(slot: str) -> dict[str, Check]:
    """The checks of a slot by name."""
    functions: tuple[Check, ...] = SUITES[slot].CHECKS
    return {f.__name__.removeprefix("check_"): f for f in functions}


def contract_tests(
    distribution: str,
    *,
    xfail: Exceptions | None = None,
    settings: Settings | None = None,
    catalog: Catalog | None = None,
) -> Any:
    """A pytest test of every check of every component: ``test_contract = contract_tests("acme_alpha")``.

    Parameters
    ----------
    distribution : str     distribution (acme-alpha) or the package it is imported as (acme_alpha)
    xfail : mapping        declared exceptions: ``{"features/ofi": {"causal": "why"}}``; one that passes fails
    settings : mapping     fields by component, for what has no default: ``{"source/mine": {"paths": ["x.gz"]}}``
    catalog : Catalog      what is installed, if it was discovered already

    Raises
    ------
    PluginError
        If nothing of that name is installed, it registers nothing, or an exception names no check.
    """
    import pytest

    found = cases(distribution, catalog, xfail=xfail, settings=settings)
    params = [
        pytest.param(
            case,
            id=case.id,
            marks=[pytest.mark.xfail(reason=case.why, strict=True, raises=ContractError)] if case.why else [],
        )
        for case in found
    ]

    @pytest.mark.parametrize("case", params)
    def test_contract(case: Case) -> None:
        try:
            case.run()
        except NotApplicable as reason:
            pytest.skip(str(reason))

    return test_contract


def run_checks(
    distribution: str,
    catalog: Catalog | None = None,
    *,
    xfail: Exceptions | None = None,
    settings: Settings | None = None,
) -> list[CheckResult]:
    """The same without pytest: what `btcframe plugins check` prints. Arguments as in `contract_tests`."""
    return [_result(case) for case in cases(distribution, catalog, xfail=xfail, settings=settings)]


def _result(case: Case) -> CheckResult:
    def result(outcome: str, message: str = "", figures: Mapping[str, float] | None = None) -> CheckResult:
        return CheckResult(case.component, case.check, outcome, message, figures or {})

    try:
        figures = case.run()
    except NotApplicable as reason:
        return result("skipped", str(reason))
    except ContractError as error:
        return result("xfailed", case.why) if case.why else result("failed", str(error))
    except Exception as error:  # noqa: BLE001 - a stranger's code may fail in any way; the other checks must run
        where = _last_line_of(error)
        return result("failed", f"raised {type(error).__name__}: {error}{where}")
    if case.why:
        return result("failed", f"passes, though it is declared not to ({case.why}): take the exception back")
    return result(
        "passed", ", ".join(f"{name} {value:.3g}" for name, value in (figures or {}).items()), figures
    )


def _last_line_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace else ""


def cases(
    distribution: str,
    catalog: Catalog | None = None,
    *,
    xfail: Exceptions | None = None,
    settings: Settings | None = None,
) -> list[Case]:
    """Every check of every component of a distribution. Arguments and errors as in `contract_tests`."""
    catalog = discover() if catalog is None else catalog
    name = _distribution(distribution, catalog)
    components = [
        c for of_slot in catalog.components.values() for c in of_slot.values() if c.distribution == name
    ]
    failures = [f for f in catalog.failures if f.distribution == name]
    if not components and not failures:
        raise PluginError(
            f"{distribution} registers no component: there is nothing to check",
            hint="Return classes by slot and name from btcframe_components(), decorated with @hookimpl.",
        )
    declared, fields = xfail or {}, settings or {}
    _check_ids(declared, fields, components)
    found = [_load_case(failure) for failure in failures]
    for component in components:
        found += _cases_of(component, catalog, declared, fields)
    return found


def _cases_of(
    component: Component, catalog: Catalog, declared: Exceptions, fields: Settings
) -> Iterator[Case]:
    id_ = f"{component.slot}/{component.name}"
    for name, check in checks_of(component.slot).items():
        run = _runner(component, check, catalog, fields.get(id_, {}))
        yield Case(id_, name, run, declared.get(id_, {}).get(name, ""))


def _runner(
    component: Component, check: Check, catalog: Catalog, fields: Mapping[str, Any]
) -> Callable[[], Mapping[str, float] | None]:
    """Each check gets a component of its own, built as a config would, in a directory of its own."""

    def run() -> Mapping[str, float] | None:
        missing = [f.name for f in component.fields if f.default is REQUIRED and f.name not in fields]
        if missing:
            raise NotApplicable(
                f"it needs a value for {', '.join(missing)}: pass settings={{…}} to contract_tests"
            )
        with tempfile.TemporaryDirectory() as folder:
            node = {RESERVED: component.name, **fields}
            if check in stores.BEHAVIOUR:
                node |= _place(component, folder, fields)
            with kept():  # what a careless component changes must not be there before the next check
                figures: Mapping[str, float] | None = check(catalog.build(component.slot, node))
            return figures

    return run


def _place(component: Component, folder: str, fields: Mapping[str, Any]) -> dict[str, str]:
    """Where a store under test keeps its tables: its field `path`, if it has one."""
    names = [f.name for f in component.fields]
    if "path" in names:
        return {"path": str(Path(folder) / "store")}
    if fields:
        return {}
    raise NotApplicable(
        "it has no field `path` to put it in a temporary directory: pass settings, or use StoreSuite"
    )


def _load_case(failure: Failure) -> Case:
    def run() -> None:
        detail = failure.detail.strip().splitlines()
        raise ContractError(failure.what, detail[-1] if detail else "See btcframe plugins.")

    return Case(f"{failure.slot}/{failure.name}" if failure.slot else failure.plugin, "loads", run)


def _distribution(name: str, catalog: Catalog) -> str:
    """The distribution that is meant: by its own name, its package, or the name of its entry point."""
    known: dict[str, str] = {}
    for plugin in catalog.plugins:
        package = getattr(plugin.module, "__name__", plugin.name).partition(".")[0]
        known |= {_plain(package): plugin.distribution, _plain(plugin.distribution): plugin.distribution}
    for failure in catalog.failures:
        known[_plain(failure.distribution)] = failure.distribution
    entries = [(p.name, p.distribution) for p in catalog.plugins]
    for entry, owner in entries + [(f.plugin, f.distribution) for f in catalog.failures if not f.slot]:
        known.setdefault(_plain(entry), owner)
    if _plain(name) not in known:
        raise PluginError(
            f"no installed distribution is called {name}",
            hint=did_you_mean(_plain(name), known),
            next="All plugins: btcframe plugins",
        )
    return known[_plain(name)]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _check_ids(declared: Exceptions, fields: Settings, components: list[Component]) -> None:
    """Refuse exceptions and settings for what does not exist: they would silently do nothing."""
    ids = {f"{c.slot}/{c.name}": c.slot for c in components}
    for id_ in (*declared, *fields):
        if id_ not in ids:
            raise PluginError(f"{id_} is not a component of this distribution", hint=did_you_mean(id_, ids))
    for id_, checks in declared.items():
        for check, why in checks.items():
            valid = checks_of(ids[id_])
            if check not in valid:
                raise PluginError(f"{id_} has no check {check!r}", hint=did_you_mean(check, valid))
            if not why:
                raise PluginError(
                    f"{id_}: the exception {check} needs a reason", hint="It is shown beside it."
                )
