"""What a component finds around it and leaves as it was: everything in the process that is nobody's own.

A run is a function of its config, data and seed. What one component changes for all others, or one job of a sweep for
the next, breaks that, and is found nowhere near its cause.
"""

from __future__ import annotations

import contextlib
import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from btcframe.testing.checks import ContractError


class Watched(NamedTuple):
    """One thing that belongs to the whole process.

    Parameters
    ----------
    read : callable        () → a value that compares
    put_back : callable    (value) → None
    cure : str             how a component does without changing it
    """

    read: Callable[[], Any]
    put_back: Callable[[Any], object]
    cure: str


def _numpy_random() -> tuple[Any, ...]:
    # the legacy generator is what a careless component seeds
    state: Any = np.random.get_state()  # noqa: NPY002
    return state[0], state[1].tobytes(), *state[2:]


def _put_numpy_random(state: tuple[Any, ...]) -> None:
    np.random.set_state((state[0], np.frombuffer(state[1], np.uint32), *state[2:]))  # noqa: NPY002


def _put_environment(kept: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(kept)


def _numba_threads() -> int:
    """Threads of numba's parallel kernels, without starting them: who forks later must not have them."""
    import numba
    from numba.np.ufunc import parallel

    return int(numba.get_num_threads() if parallel._is_initialized else numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


def _put_numba_threads(kept: int) -> None:
    import numba

    numba.set_num_threads(kept)


def _put_collection(kept: tuple[bool, tuple[int, int, int]]) -> None:
    gc.set_threshold(*kept[1])
    (gc.enable if kept[0] else gc.disable)()


def _by_context(_: Any) -> None:
    """Nothing to do: the context managers of `kept` put it back."""


def _handlers() -> tuple[Any, ...]:
    return tuple(signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


def _put_handlers(kept: tuple[Any, ...]) -> None:
    for which, handler in zip((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), kept, strict=True):
        signal.signal(which, handler)


_OWN = "Draw from np.random.default_rng(seed), a generator of its own."
_SCOPE = "Set it for a moment, with a context manager that puts it back: "

WATCHED: Mapping[str, Watched] = {
    "the generator of random": Watched(random.getstate, random.setstate, _OWN),
    "the generator of np.random": Watched(_numpy_random, _put_numpy_random, _OWN),
    "os.environ": Watched(
        lambda: dict(os.environ), _put_environment, "What it needs to know is a setting; a child takes env=…."
    ),
    "warnings.filters": Watched(
        lambda: tuple(warnings.filters), _by_context, f"{_SCOPE}warnings.catch_warnings()."
    ),
    "np.seterr": Watched(np.geterr, lambda kept: np.seterr(**kept), f"{_SCOPE}np.errstate(…)."),
    "np.set_printoptions": Watched(
        lambda: repr(np.get_printoptions()), _by_context, f"{_SCOPE}np.printoptions(…)."
    ),
    "numba's threads": Watched(
        _numba_threads, _put_numba_threads, "Leave them: with jobs side by side each has its share."
    ),
    "the working directory": Watched(os.getcwd, os.chdir, "Work with whole paths."),
    "sys.path": Watched(
        lambda: tuple(sys.path), lambda kept: sys.path.__setitem__(slice(None), kept), "Import from packages."
    ),
    "the root logger": Watched(
        lambda: (logging.root.level, tuple(logging.root.handlers)),
        lambda kept: logging.root.setLevel(kept[0]),
        "Log with logging.getLogger(__name__), and leave it to the run where that goes.",
    ),
    "signal handlers": Watched(_handlers, _put_handlers, "Leave them to the command: a session ends by them."),
    "the locale": Watched(
        lambda: locale.setlocale(locale.LC_ALL), lambda kept: locale.setlocale(locale.LC_ALL, kept), "Leave it."
    ),
    "the decimal context": Watched(
        lambda: repr(decimal.getcontext()), _by_context, f"{_SCOPE}decimal.localcontext()."
    ),
    "garbage collection": Watched(
        lambda: (gc.isenabled(), gc.get_threshold()), _put_collection, "Leave it."
    ),
    "the recursion limit": Watched(sys.getrecursionlimit, sys.setrecursionlimit, "Use a loop."),
}  # fmt: skip
"""By what a message calls it."""


def undisturbed(owner: str, work: Callable[[], object]) -> None:
    """Run something, and raise ContractError if it leaves anything watched otherwise than it was; it is put back.

    What only the first call changes was changed by a library that it imports, and is not held against it.

    Parameters
    ----------
    owner : str        the component, for the message
    work : callable    what it is there for, done once
    """
    if not _changed_by(work):
        return
    for name, (before, after) in _changed_by(work).items():
        raise ContractError(
            f"{owner} changes {name}, which belongs to the whole process{_how(before, after)}",
            WATCHED[name].cure,
        )


def _changed_by(work: Callable[[], object]) -> dict[str, tuple[Any, Any]]:
    """What is otherwise after the work than before: the values by name."""
    with kept() as changed:
        work()
    return changed


@contextlib.contextmanager
def kept() -> Iterator[dict[str, tuple[Any, Any]]]:
    """Put everything watched back at the end; what it yields tells then what had changed, from what to what."""
    changed: dict[str, tuple[Any, Any]] = {}
    with warnings.catch_warnings(), np.printoptions(), decimal.localcontext(decimal.getcontext()):
        before = {name: thing.read() for name, thing in WATCHED.items()}
        try:
            yield changed
        finally:
            after = {name: thing.read() for name, thing in WATCHED.items()}
            changed |= {name: (before[name], after[name]) for name in WATCHED if before[name] != after[name]}
            for name in changed:
                WATCHED[name].put_back(before[name])


def _how(before: Any, after: Any) -> str:
    """': OMP_NUM_THREADS' for a mapping, ': 2 became 1' for something short, nothing for the rest."""
    if isinstance(before, dict):
        names = {*before, *after}
        return f": {', '.join(sorted(n for n in names if before.get(n) != after.get(n)))}"
    said = f": {before} became {after}"
    return said if len(said) < 80 else ""
