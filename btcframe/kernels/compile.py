"""The decorator of every kernel, and a cache that never serves a stale one.

Numba keys its cache on the file a function stands in. A kernel that calls one in another file would go on using the
old code of it after an edit there, and a constant imported from elsewhere is baked in the same way. So the stamp
here covers the kernel's own file, the stamps of the kernels it calls, and the constants it reads: editing one
kernel recompiles it and its callers, and nothing else.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
from numba.core.caching import IndexDataCacheFile
from numba.core.dispatcher import Dispatcher

_CONSTANTS = (bool, int, float, str, bytes, tuple, np.dtype, np.generic)


class _Index(IndexDataCacheFile):
    """Numba's index of a kernel's compiled forms, with our stamp.

    It is computed when the cache is first read, not at decoration: a kernel may call what stands below it.
    """

    _function: Callable[..., Any]

    @functools.cached_property
    def _source_stamp(self) -> str:
        return stamp(self._function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on first use and cache it on disk.

    Parameters
    ----------
    function : callable
    """
    compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
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
