"""Which code made something: digests of the packages that a config uses, and the versions of what they stand on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from btcframe.plugins import Catalog


def code_of(nodes: Iterable[tuple[str, Any]], catalog: Catalog) -> dict[str, str]:
    """Digest by package of the core and of every plugin package behind the nodes.

    Parameters
    ----------
    nodes : iterable of (slot, node)    config nodes; None for a slot without a choice
    catalog : Catalog
    """
    packages = {"btcframe"}
    for slot, node in nodes:
        if node is not None:
            packages |= _packages(slot, node, catalog)
    return {package: code_digest(package) for package in sorted(packages)}


def _packages(slot: str, node: Mapping[str, Any], catalog: Catalog) -> set[str]:
    component = catalog.get(slot, node["plugin"])
    found = {_package(component.cls)}
    for field in component.fields:
        if field.slot and node.get(field.name):
            found |= _packages(field.slot, node[field.name], catalog)
    if hasattr(component.cls, "settled"):  # it finds out itself which other components it needs
        made = catalog.build(slot, node)
        inner = (getattr(made, field.name) for field in component.fields if field.slot)
        found |= {_package(type(one)) for one in inner if one is not None}
    return found


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def code_digest(package: str) -> str:
    """sha256 over the files of an installed package, by path; "" for one without files.

    Data and compiled modules count, since what a component reads decides its bits too; caches and hidden files do
    not.
    """
    spec = importlib.util.find_spec(package)
    folders = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    files = [(name, folder / name) for folder in folders for name in _names(folder)]
    if spec and not folders and spec.origin:
        files = [(Path(spec.origin).name, Path(spec.origin))]
    total = hashlib.sha256()
    for name, file in sorted(files):
        total.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _names(folder: Path) -> list[str]:
    names: list[str] = []
    for place, folders, files in os.walk(folder):
        # a cache of compiled kernels holds more files than all the rest
        folders[:] = [name for name in folders if name != "__pycache__" and name[0] != "."]
        inside = Path(place).relative_to(folder)
        here = Path(place)
        names += [(inside / name).as_posix() for name in files if name[0] != "." and (here / name).is_file()]
    return names


def requirements(distributions: Iterable[str]) -> list[str]:
    """Names of the packages that the distributions ask for; what is not installed asks for nothing."""
    found: set[str] = set()
    for name in distributions:
        try:
            wanted = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue
        found |= {re.split(r"[^\w.-]", text, maxsplit=1)[0].lower() for text in wanted}
    return sorted(found)


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions by package; what is not installed is left out."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
