"""Arrays that may be larger than the memory: from a size on they lie on the disk, in files without a name.

They are ordinary arrays over mapped files. The operating system writes their pages out when memory is short, and the
file is gone with the last reference to the array, or with the process, however it ends.
"""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.atomic import unwritable
from btcframe.errors import StoreError
from btcframe.types import Ints

LARGE = 16 << 20
"""Bytes from which an array lies on the disk: smaller ones together stay far below half a gigabyte."""

TOLD = 64 << 10
"""Bytes up to which another process is told an array itself, and not where it is."""

PIECE = 65_536
"""Rows that are handled at a time where an array may be large."""

Array = npt.NDArray[Any]


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike, directory: Path | None = None) -> Array:
    """An array of zeros, in memory or, if it is large, on the disk.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    directory : Path, optional     where large arrays lie; None: in memory, whatever their size

    Raises
    ------
    StoreError
        If the disk has no room for it: all of it is reserved here, so that no later write can fail.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if directory is None or size < LARGE:
        return np.zeros(shape, kind)
    return _on_disk(shape, kind, directory)


def _on_disk(shape: tuple[int, ...], kind: np.dtype[Any], directory: Path) -> Array:
    size = math.prod(shape) * kind.itemsize
    check_room(directory, size)  # first: a disk that is full even for a moment harms others
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            os.posix_fallocate(file.fileno(), 0, size)
            return np.ndarray(shape, kind, buffer=_File(file.fileno()))
    except OSError as error:
        raise unwritable(f"a table of {size / 1e9:,.1f} GB", directory, error) from error


def filed(array: Array, directory: Path) -> Array:
    """The array as it lies on the disk: itself, or a copy of one of more than `TOLD` bytes that lies in memory.

    Raises
    ------
    StoreError
        If the disk has no room for it.
    """
    if array.nbytes <= TOLD or isinstance(shared(array), Shared):
        return array
    out = _on_disk(array.shape, array.dtype, directory)
    for part in pieces(len(array), array, out):
        out[part] = array[part]
    return out


class _File(mmap.mmap):
    """A mapped file without a name that can tell another process where it is: it keeps the file open."""

    descriptor: int

    def __new__(cls, descriptor: int) -> _File:
        mapped = super().__new__(cls, descriptor, 0)
        mapped.descriptor = os.dup(descriptor)
        weakref.finalize(mapped, os.close, mapped.descriptor)
        return mapped


class Shared(NamedTuple):
    """Where an array on the disk can be found by another process of ours on this machine, while it is held here.

    Parameters
    ----------
    file : str              a path that is good as long as the array is there
    offset : int            of its first byte
    shape : tuple of int
    dtype : dtype
    """

    file: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def shared(array: Array) -> Shared | Array:
    """What to tell another process of an array: where it is, if it lies on the disk, otherwise the array itself.

    Parameters
    ----------
    array : array     of this module, or consecutive rows of one
    """
    file = _base(array)
    if not isinstance(file, _File) or not array.flags.c_contiguous:
        return array
    offset = array.ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
    return Shared(f"/proc/{os.getpid()}/fd/{file.descriptor}", offset, array.shape, array.dtype)


def opened(told: Shared | Array) -> Array:
    """The array that `shared` told of in another process."""
    if not isinstance(told, Shared):
        return told
    with Path(told.file).open("r+b") as file:
        return np.ndarray(told.shape, told.dtype, buffer=_File(file.fileno()), offset=told.offset)


def written(array: Array, path: Path) -> Shared | Array:
    """Write an array into a file with a name, for processes of other machines that see it: what to tell them.

    Raises
    ------
    StoreError
        If the disk has no room for it.
    """
    if not array.nbytes:
        return array
    check_room(path.parent, array.nbytes)
    try:
        with path.open("wb") as file:
            for part in pieces(len(array), array):
                file.write(np.ascontiguousarray(array[part]).data)
    except OSError as error:
        raise unwritable(f"a table of {array.nbytes / 1e9:,.1f} GB", path, error) from error
    return Shared(str(path), 0, array.shape, array.dtype)


def check_room(directory: Path, size: int) -> None:
    """Refuse work for which the disk has no room.

    Parameters
    ----------
    directory : Path    on the disk in question
    size : int          bytes

    Raises
    ------
    StoreError
    """
    free = shutil.disk_usage(directory).free
    if size > free:
        raise StoreError(
            f"the run's arrays need {size / 1e9:,.1f} GB on the disk, and {free / 1e9:,.1f} GB are free",
            where=str(directory),
            hint="What is too large for the memory lies in the run's directory while it works.",
            next="Use less data, free some space, or choose another place: hydra.run.dir=…",
        )


def forget(*arrays: Array) -> None:
    """Let go of the memory that arrays on the disk take: what is touched again is read again.

    Nothing is lost, and nothing happens to arrays in memory. Without it the system does the same, but only when
    memory is short.
    """
    for array in arrays:
        if isinstance(base := _base(array), mmap.mmap):
            base.madvise(mmap.MADV_DONTNEED)


def _base(array: Array) -> Any:
    """What holds an array's memory; None where it holds it itself."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base


def pieces(rows: int, *arrays: Array) -> Iterator[slice]:
    """Slices of `PIECE` rows, one after the other; behind each of them the arrays are forgotten."""
    for start in range(0, rows, PIECE):
        yield slice(start, min(start + PIECE, rows))
        forget(*arrays)


def take(array: Array, rows: Ints, directory: Path | None = None) -> Array:
    """array[rows]: a view where the rows follow each other, otherwise a copy.

    Parameters
    ----------
    array : array of n rows
    rows : int64[m]                increasing
    directory : Path, optional     where a large copy lies
    """
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
        return array[rows[0] : rows[-1] + 1]
    out = zeros((len(rows), *array.shape[1:]), array.dtype, directory)
    for part in pieces(len(rows), array, out):
        out[part] = array[rows[part]]
    return out


def joined(arrays: Sequence[Array], directory: Path | None = None) -> Array:
    """The arrays one after the other; a large result lies in `directory`."""
    if len(arrays) == 1:
        return arrays[0]
    out = zeros((sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype, directory)
    at = 0
    for array in arrays:
        mine = out[at : at + len(array)]
        for part in pieces(len(array), array, out):
            mine[part] = array[part]
        at += len(array)
    return out
