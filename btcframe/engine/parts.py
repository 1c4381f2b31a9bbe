"""Parts of some work, several at a time, given in their order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from btcframe import scratch

T = TypeVar("T")

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA")}
"""A part works with one thread: as many parts as there are cores do not get into each other's way."""


@dataclass(frozen=True)
class Where:
    """Where parts are worked on.

    Parameters
    ----------
    kind : str       local or ray
    address : str    of the Ray cluster; "": one of this machine's own
    jobs : int       parts at a time; 1 and local: in this process
    """

    kind: str = "local"
    address: str = ""
    jobs: int = 1


class Died(Exception):
    """A process that worked on a part ended without a word."""


class Unsendable(Exception):
    """What a part is to work with cannot be handed to another process."""


class Several(Protocol):
    """Parts of some work, several at a time."""

    def __call__(self, work: Callable[..., T], parts: Sequence[tuple[Any, ...]]) -> Generator[T]:
        """Give what comes of them, in their order; see `several`."""


class Workers(NamedTuple):
    """Who works on parts, as long as the block of `workers` lasts.

    Parameters
    ----------
    where : Where
    several : Several
    """

    where: Where
    several: Several


@contextlib.contextmanager
def workers(where: Where) -> Iterator[Workers]:
    """Who works on parts, started once for all that is done in the block.

    Raises
    ------
    ConfigError
        If there is no Ray, or no cluster answers.
    """
    if where.kind == "ray":
        from btcframe.engine.cluster import cluster

        with cluster(where.address, where.jobs) as there:
            yield Workers(where, there)
    elif where.jobs > 1:
        from btcframe.engine.processes import processes

        with processes(where.jobs) as pool:
            yield Workers(where, pool)
    else:
        yield Workers(where, _here)


def _here(work: Callable[..., T], parts: Sequence[tuple[Any, ...]]) -> Generator[T]:
    return (work(*part) for part in parts)


def several(where: Where, work: Callable[..., T], parts: Sequence[tuple[Any, ...]]) -> Generator[T]:
    """Do parts of some work, and give what comes of them in their order.

    What they log is logged here, and what they compile is counted here. Who stops early, or is interrupted, ends what
    is at work.

    Parameters
    ----------
    where : Where
    work : callable              of a module
    parts : sequence of tuple    its arguments; large arrays as `handed` tells of them

    Raises
    ------
    Died, Unsendable
    ConfigError
        If there is no Ray, or no cluster answers.
    """
    if where.kind == "local":
        where = replace(where, jobs=max(1, min(where.jobs, len(parts))))
    with workers(where) as there:
        yield from there.several(work, parts)


@contextlib.contextmanager
def handed(
    where: Where, arrays: Mapping[str, scratch.Array], directory: Path
) -> Iterator[dict[str, scratch.Shared | scratch.Array]]:
    """What to tell the parts of arrays, good as long as the block lasts: `scratch.opened` makes arrays of it again.

    On this machine large arrays lie in files, which are told by their place; one that lies in memory is written into a
    file without a name. For a cluster they are written into the directory, which all its nodes must see.

    Parameters
    ----------
    where : Where
    arrays : mapping of array
    directory : Path

    Raises
    ------
    StoreError
        If the disk has no room for them.
    """
    if where.kind != "ray":
        # held here: a file without a name is there as long as somebody has it
        filed = {name: scratch.filed(array, directory) for name, array in arrays.items()}
        yield {name: scratch.shared(array) for name, array in filed.items()}
        return
    places = {name: directory.absolute() / f".{name}.handed" for name in arrays}
    try:
        yield {name: scratch.written(arrays[name], place) for name, place in places.items()}
    finally:
        for place in places.values():
            place.unlink(missing_ok=True)
