"""Where compiled kernels are kept: whether that can be written, how large it is, and what of it nobody needs.

A kernel's compiled forms lie in files that are named after its module, its name and its first line, so those of a
kernel that has moved or gone stay behind when the code is changed. They are never used again, and never taken away.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from btcframe.doctor.finding import Finding, Level

_LARGE = 2_000_000_000
"""Bytes of compiled kernels that are worth a word."""

_KERNEL = re.compile(r"^@kernel\b", re.MULTILINE)

_PYTHON = f"py{sys.version_info.major}{sys.version_info.minor}"


class Cache(NamedTuple):
    """The compiled kernels of one folder of sources.

    Parameters
    ----------
    folder : Path           where they lie, or would
    writable : bool
    files, bytes : int
    stale : tuple of Path   of kernels that are not there any more, or are compiled for another Python
    """

    folder: Path
    writable: bool
    files: int
    bytes: int
    stale: tuple[Path, ...]


def caches(packages: Iterable[str]) -> Iterator[Finding]:
    """How the caches of the packages' kernels stand."""
    found = [cache_of(folder) for package in packages for folder in folders(package)]
    if not found:
        yield Finding("kernels", Level.SKIPPED, "no installed plugin has kernels")
        return
    shut = [cache.folder for cache in found if not cache.writable]
    if shut:
        yield Finding(
            "kernels",
            Level.WARN,
            f"compiled kernels cannot be kept in {_some(shut)}: every process compiles them anew, for minutes",
            "Let them lie where you may write: export NUMBA_CACHE_DIR=~/.cache/numba",
        )
    stale = [path for cache in found for path in cache.stale]
    size, count = sum(cache.bytes for cache in found), sum(cache.files for cache in found)
    said = f"{count:,} files, {megabytes(size)}, in {_some([cache.folder for cache in found])}"
    if not stale and size < _LARGE:
        yield Finding("kernels", Level.OK, said if count else f"{said}: the first run compiles them")
        return
    left = sum(path.stat().st_size for path in stale)
    names = " ".join(f"{folder}/*.nb[ic]" for folder in dict.fromkeys(path.parent for path in stale))
    yield Finding(
        "kernels",
        Level.WARN if size >= _LARGE else Level.OK,
        f"{said}; {megabytes(left)} of them are of kernels that are not there any more",
        f"To make room, rm {names}: what is needed is compiled again" if size >= _LARGE else "",
    )


def folders(package: str) -> list[Path]:
    """The folders of an installed package that have kernels in them."""
    spec = importlib.util.find_spec(package)
    roots = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    sources = (path for root in roots for path in sorted(root.rglob("*.py")))
    return list(
        dict.fromkeys(path.parent for path in sources if _KERNEL.search(path.read_text(encoding="utf-8")))
    )


def cache_of(folder: Path) -> Cache:
    """The cache of the kernels whose sources lie in a folder."""
    place = next((path for path in _places(folder) if _writable(path)), None)
    where = place or _places(folder)[0]
    files = [*where.glob("*.nbi"), *where.glob("*.nbc")]
    known = {name for source in folder.glob("*.py") for name in _names(source)}
    return Cache(
        where,
        place is not None,
        len(files),
        sum(path.stat().st_size for path in files),
        tuple(sorted(path for path in files if not _known(path, known))),
    )


def _places(folder: Path) -> list[Path]:
    """Where numba looks for a place, in its order (numba.core.caching, its locators)."""
    named = (
        f"{folder.name}_{hashlib.sha1(str(folder.absolute()).encode(), usedforsecurity=False).hexdigest()}"
    )
    given = os.environ.get("NUMBA_CACHE_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return [*([Path(given) / named] if given else ()), folder / "__pycache__", home / "numba" / named]


def _writable(folder: Path) -> bool:
    """Whether a file can be made there; a folder that is not there yet is judged by the nearest that is."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError:
        return False
    return True


def _names(source: Path) -> Iterator[tuple[str, str, int]]:
    """Module, name and first line, decorators too, of every function of a source file that has kernels."""
    text = source.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text if _KERNEL.search(text) else "")
    except SyntaxError:
        return  # whoever imports it is told
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield source.stem, node.name, min([node.lineno, *(d.lineno for d in node.decorator_list)])


def _known(path: Path, known: set[tuple[str, str, int]]) -> bool:
    """Whether a file is of a kernel that is there: `book.apply-134.py311.nbi`, `book.apply-134.py311.2.nbc`."""
    stem, _, rest = path.name.rpartition("-")
    module, _, name = stem.partition(".")
    line, _, made_by = rest.partition(".")
    ours = made_by.startswith(f"{_PYTHON}.") and line.isdecimal()
    return ours and (module, name.rpartition(".")[2], int(line)) in known


def _some(places: Iterable[Path]) -> str:
    first, *others = [str(place) for place in dict.fromkeys(places)]
    return f"{first} and {len(others)} more" if others else first


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
