"""Make a plugin from the template: `btcframe plugins new NAME --slot SLOT`."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from btcframe import __version__
from btcframe.api import API_VERSION
from btcframe.errors import ConfigError, StoreError, did_you_mean
from btcframe.plugins import Catalog
from btcframe.slots import SLOTS

LONGEST = 30
"""Letters a name may have: the longest line it makes is still a line."""

MODULES = {"features": "feature", "risk": "rule"}
"""What the component's module is called where that is not the slot."""

_TRY = {
    "source": "btcframe run source={0} validation.folds=2",
    "clock": "btcframe run clock={0}",
    "store": "btcframe build store={0}",
    "features": "btcframe train 'features=[book,returns,{0}]'",
    "regime": "btcframe run regime={0}",
    "label": "btcframe train label={0}",
    "model": "btcframe train model={0},ridge -m",
    "policy": "btcframe run policy={0}",
    "risk": "btcframe run 'risk=[max_position,{0}]'",
    "venue": "btcframe run venue={0}",
}


def make(name: str, slot: str, folder: Path, catalog: Catalog) -> Path:
    """Make the directory `folder`/name of a plugin with one component of the slot; returns it.

    It is there whole or not at all.

    Parameters
    ----------
    name : str           my-alpha or my_alpha: the first is the distribution's, the second the package's and component's
    slot : str
    folder : Path        where its directory is put; made if it does not exist
    catalog : Catalog    what is installed: a name that is taken is refused

    Raises
    ------
    ConfigError
        If the slot or the name will not do, copier is not installed, or the directory is there already.
    StoreError
        If it cannot be written.
    """
    if slot not in SLOTS:
        raise ConfigError(f"--slot {slot}: there is no such slot", hint=did_you_mean(slot, SLOTS))
    _check(name, slot, catalog)
    package = name.replace("-", "_")
    place = folder / name.replace("_", "-")
    if place.exists():
        raise ConfigError(
            f"{place} is there already", hint="Nothing was changed. Choose another name, or another --dir."
        )
    copier = _copier()
    answers = {
        "name": place.name,
        "package": package,
        "cls": "".join(part.capitalize() for part in package.split("_")),
        "slot": slot,
        "module": MODULES.get(slot, slot),
        "api": API_VERSION,
        "version": __version__,
        "try_it": _TRY[slot].format(package),
    }
    template = str(Path(__file__).parent / "template")
    with _beside(folder) as unfinished:
        try:
            copier.run_copy(template, unfinished, data=answers, defaults=True, quiet=True)
            unfinished.rename(place)
        except OSError as error:
            raise StoreError(f"{place} cannot be made: {error.strerror or error}") from error
    return place


def _check(name: str, slot: str, catalog: Catalog) -> None:
    """Refuse a name that is none, or is taken."""
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name) or len(name) > LONGEST:
        raise ConfigError(
            f"{name!r} is not a name for a plugin",
            hint=f"Small letters and digits, in words with - or _ between them, {LONGEST} at most: my-alpha.",
        )
    package = name.replace("-", "_")
    other = "Choose another name, e.g. my-" + name.replace("_", "-")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise ConfigError(f"{name} is a word of Python's own", hint=other)
    if package in ("benchmarks", "tests"):
        raise ConfigError(f"{name} is what the directory of the plugin's own {name} is called", hint=other)
    if package in catalog.components[slot]:
        owner = catalog.components[slot][package].distribution
        raise ConfigError(f"{slot}={package} exists already: {owner} registers it", hint=other)
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        version = importlib.metadata.version(name)
        raise ConfigError(f"{name} {version} is installed already", hint=other)
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.origin is not None:  # a mere directory of that name is no package
        raise ConfigError(f"{package} is the name of an installed package: {spec.origin}", hint=other)


def _copier() -> ModuleType:
    try:
        import copier
    except ImportError as error:
        raise ConfigError(
            "a new plugin is made with copier, which is not installed",
            next="Install it: pip install 'btcframe[new]'",
        ) from error
    return copier


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A directory of no name yet, in the same place; gone afterwards unless it was renamed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".new-plugin-", dir=folder))
    except OSError as error:
        raise StoreError(
            f"no directory can be made in {folder}: {error.strerror or error}", hint="Choose another --dir."
        ) from error
    try:
        unfinished.chmod(0o755)  # mkdtemp keeps others out
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
