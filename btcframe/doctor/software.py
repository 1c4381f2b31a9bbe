"""Python, packages against the ranges that the distributions ask for, and plugins that cannot be used."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from btcframe.doctor.finding import Finding, Level
from btcframe.plugins import Catalog

CORE = "btcframe"

_FOR_TESTS = ("test", "all")
"""Extras that no one who runs btcframe misses."""

Installed = Callable[[str], str | None]


def installed(package: str) -> str | None:
    """A package's version; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def python(wanted: str | None = None, version: str | None = None) -> Iterator[Finding]:
    """Whether btcframe is made for this Python.

    Parameters
    ----------
    wanted : str, optional      the range; of the installed btcframe
    version : str, optional     of this process
    """
    wanted = wanted or importlib.metadata.metadata(CORE)["Requires-Python"]
    version = version or platform.python_version()
    where = f"{platform.system()} {platform.machine()}"
    if SpecifierSet(wanted).contains(version, prereleases=True):
        yield Finding("python", Level.OK, f"Python {version}, btcframe {installed(CORE)}, {where}")
    else:
        yield Finding(
            "python",
            Level.FAIL,
            f"Python {version} is outside {wanted}, which btcframe is made for",
            "Make an environment with one that is: python3.11 -m venv .venv",
        )


def asked_for(distributions: Iterable[str]) -> dict[str, list[str]]:
    """What each distribution asks for, as its metadata writes it; one that is not installed is left out."""
    found = {}
    for name in distributions:
        if installed(name) is not None:
            found[name] = list(importlib.metadata.requires(name) or ())
    return found


def packages(asked: Mapping[str, Sequence[str]], version_of: Installed = installed) -> Iterator[Finding]:
    """Whether the installed packages lie within the ranges that were tested.

    Parameters
    ----------
    asked : mapping         requirements by distribution, with their markers, see `asked_for`
    version_of : callable   a package's version; None: it is not installed
    """
    wrong, count = 0, 0
    extras: dict[str, list[bool]] = {}
    for distribution, texts in asked.items():
        for text in texts:
            requirement = Requirement(text)
            extra = _extra(requirement)
            if extra in _FOR_TESTS or not _applies(requirement, extra):
                continue
            version = version_of(requirement.name)
            if extra and distribution == CORE:
                extras.setdefault(extra, []).append(version is not None)
            if version is None and extra:
                continue
            count += 1
            if version is not None and requirement.specifier.contains(version, prereleases=True):
                continue
            wrong += 1
            range_ = str(requirement.specifier) or "any version"
            stands = "is not installed" if version is None else f"is {version}"
            yield Finding(
                "packages",
                Level.FAIL,
                f"{requirement.name} {stands}; {distribution} asks for {range_}",
                f"pip install '{requirement.name}{requirement.specifier}'",
            )
    if not wrong:
        yield Finding("packages", Level.OK, f"{count} packages are within the ranges asked for")
    yield from _extras(extras)


def _extras(extras: Mapping[str, Sequence[bool]]) -> Iterator[Finding]:
    """Which of the core's extras are there; nothing asks for all of them, so none is missed."""
    whole = sorted(name for name, there in extras.items() if all(there))
    absent = sorted(extras.keys() - set(whole))
    said = f"extras that are there: {', '.join(whole) or 'none'}"
    if absent:
        said += f"; that are not: {', '.join(absent)}"
    yield Finding("packages", Level.OK, said, f"pip install '{CORE}[{','.join(absent)}]'" if absent else "")


def _extra(requirement: Requirement) -> str:
    """The extra that a requirement belongs to; "" for none."""
    _, found, rest = str(requirement.marker or "").partition("extra ==")
    return rest.strip().split()[0].strip("\"')") if found else ""


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def plugins(catalog: Catalog) -> Iterator[Finding]:
    """Plugins that cannot be used, or a component of one."""
    for failure in catalog.failures:
        what = " ".join(failure.what.split())
        yield Finding(
            "plugins",
            Level.WARN,
            f"{failure.distribution} is broken: {what}",
            f"Repair or uninstall it: pip uninstall {failure.distribution}; all of it: btcframe plugins",
        )
    if not catalog.failures:
        count = sum(len(names) for names in catalog.components.values())
        yield Finding(
            "plugins", Level.OK, f"{count} components of {len(catalog.plugins)} plugins, none broken"
        )
