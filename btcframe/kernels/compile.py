"""The decorator of every kernel, and a cache that never serves a stale one.

Numba keys its cache on the file a function stands in. A kernel that calls one in another file would go on using the
old code of it after an edit there, and a constant imported from elsewhere is baked in the same way. So the stamp
here covers the kernel's own file, the stamps of the kernels it calls, and the constants it reads: editing one
kernel recompiles it and its callers, and nothing else.

Compiled kernels lie where numba puts them: in NUMBA_CACHE_DIR, otherwise in `__pycache__` beside the source, or in the
user's cache directory where that cannot be written. `watched` tells what was compiled, what was loaded, and where from.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import gc
import hashlib
import inspect
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
from numba.core import event
from numba.core.caching import IndexDataCacheFile
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic

_PATIENCE_S = 120.0
"""What a kernel may take to compile, on a machine with other work; whoever has waited longer compiles it as well."""

_LOADED = "btcframe:kernel_loaded"
_ELSEWHERE = "btcframe:kernels_elsewhere"

_OPTIONS: dict[str, Any] = {
    "cache": True, "nogil": True, "error_model": "numpy",
    "no_cfunc_wrapper": True,  # for kernels as values, which nobody uses; a seventh of the time of compiling
}  # fmt: skip

_CONSTANTS = (bool, int, float, str, bytes, tuple, np.dtype, np.generic)


class _Index(IndexDataCacheFile):
    """Numba's index of a kernel's compiled forms, with our stamp.

    It is computed when the cache is first read, not at decoration: a kernel may call what stands below it.

    Numba writes the index before the code it speaks of. A process that is killed in between, or two that write at a
    time, leave an index over other code; so the code says itself whose it is.

    Of several processes that miss the same kernel, as the jobs of a sweep do, one compiles it, and the others wait for
    what it keeps.
    """

    _function: Callable[..., Any]
    _held: int | None = None

    @functools.cached_property
    def _source_stamp(self) -> str:
        return stamp(self._function)

    def save(self, key: Any, data: Any) -> None:
        """Keep a compiled form."""
        try:
            super().save(key, (self._source_stamp, key, data))
        finally:
            self._release()

    def load(self, key: Any) -> Any:
        """The compiled form, None if there is none, it is another's, or it is for us to compile."""
        found = self._kept(key)
        if found is None and self._hold():
            found = self._kept(key)  # another one may have kept it while we waited
            if found is not None:
                self._release()
        if found is None:
            return None
        event.broadcast(event.Event(_LOADED, event.EventStatus.END))
        return found[2]

    def _kept(self, key: Any) -> Any:
        kept = super().load(key)
        return None if kept is None or kept[:2] != (self._source_stamp, key) else kept

    def _hold(self) -> bool:
        """Wait for whoever compiles this kernel now; False where nothing can be waited for, or it takes too long.

        Who cannot compile it never keeps it, and lets go only with its end: so nobody waits for ever.
        """
        if self._held is not None:  # in another form
            return False
        try:
            Path(self._cache_path).mkdir(parents=True, exist_ok=True)
            held = os.open(f"{self._index_path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:  # nothing can be kept there, either
            return False
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > until:
                    os.close(held)
                    return False
                time.sleep(0.02)
            else:
                self._held = held
                return True

    def _release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None


Told = tuple[int, int, float, set[str]]
"""Compiled, loaded, seconds and folders, see Watch."""


class Watch(event.Listener):
    """What the kernels cost while they were watched.

    Attributes
    ----------
    compiled : int     compiled forms made; a kernel has one for each combination of types it is called with
    seconds : float    spent on it
    loaded : int       compiled forms found in the cache
    folders : set      where the compiled ones are kept
    """

    def __init__(self) -> None:
        self.compiled = self.loaded = 0
        self.seconds = 0.0
        self.folders: set[str] = set()
        self._begun: list[float] = []  # one for each kernel at hand: it is compiled while its caller is
        self._collected = False

    def on_start(self, what: Any) -> None:
        """Called by numba."""
        if not self._begun:
            # what the compiler makes lives until it is done: to search it for garbage takes a tenth of its time
            self._collected = gc.isenabled()
            gc.disable()
        self._begun.append(time.perf_counter())

    def on_end(self, what: Any) -> None:
        """Called by numba, by the cache, and by `heard`."""
        if what.kind == _LOADED:
            self.loaded += 1
            return
        if what.kind == _ELSEWHERE:
            compiled, loaded, seconds, folders = what.data
            self.compiled += compiled
            self.loaded += loaded
            self.seconds += seconds
            self.folders |= folders
            return
        begun = self._begun.pop()
        if not self._begun:
            self.seconds += time.perf_counter() - begun
            if self._collected:
                gc.enable()
        cache = what.data["dispatcher"]._cache
        if isinstance(getattr(cache, "_cache_file", None), _Index):  # numba's own helpers have none
            self.compiled += 1
            self.folders.add(cache.cache_path)


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    """Count what is compiled and loaded within."""
    watch = Watch()
    with contextlib.ExitStack() as stack:
        for kind in ("numba:compile", _LOADED, _ELSEWHERE):
            stack.enter_context(event.install_listener(kind, watch))
        yield watch


def told(watch: Watch) -> Told:
    """What a watch counted, for the process that this one works for."""
    return watch.compiled, watch.loaded, watch.seconds, watch.folders


def heard(counted: Told) -> None:
    """Let all that watch here count what was compiled and loaded in another process."""
    event.broadcast(event.Event(_ELSEWHERE, event.EventStatus.END, data=counted))


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on first use and cache it on disk.

    Parameters
    ----------
    function : callable
    """
    compiled: Any = numba.njit(**_OPTIONS)(function)
    files = getattr(compiled._cache, "_cache_file", None)
    if files is not None:  # None where numba has no place to cache: it then compiles every time
        del files._source_stamp  # the file's time and size
        files.__class__ = _Index
        files._function = function
    return compiled


def stamp(function: Callable[..., Any], callers: tuple[Callable[..., Any], ...] = ()) -> str:
    """Digest of everything that decides what a kernel compiles to, apart from numba itself."""
    digest = hashlib.sha256(_file_digest(inspect.getfile(function)).encode())
    callers = (*callers, function)
    for name, value in sorted(_globals_of(function), key=lambda item: item[0]):
        if isinstance(value, Dispatcher):
            if value.py_func not in callers:  # kernels may call themselves, or each other
                digest.update(f"{name}:{stamp(value.py_func, callers)}\n".encode())
        elif isinstance(value, _Intrinsic):  # what it emits is written in its file
            digest.update(f"{name}:{_file_digest(inspect.getfile(value._defn))}\n".encode())
        elif isinstance(value, np.ndarray):  # as constant as the others, for numba
            digest.update(f"{name}={value.dtype}{value.shape}{value.tobytes().hex()}\n".encode())
        elif isinstance(value, _CONSTANTS):
            digest.update(f"{name}={value!r}\n".encode())
    return digest.hexdigest()


@functools.cache
def _file_digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _globals_of(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Globals a function names, and the members it names of modules among them."""
    names = function.__code__.co_names
    scope = function.__globals__
    for name in names:
        value = scope.get(name)
        if isinstance(value, ModuleType):
            yield from ((f"{name}.{m}", getattr(value, m)) for m in names if hasattr(value, m))
        elif value is not None:
            yield name, value
