"""An array whose length nobody knows beforehand."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from btcframe.atomic import unwritable
from btcframe.scratch import Array


class Growing:
    """Rows are appended to a file without a name; the whole is then an array over it, as `scratch` makes them.

    Parameters
    ----------
    dtype : dtype
    width : int         numbers in a row
    directory : Path    where the file lies
    """

    def __init__(self, dtype: npt.DTypeLike, width: int, directory: Path) -> None:
        self._dtype, self._width, self._directory = np.dtype(dtype), width, directory
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - lives as long as the array
        self._rows = 0

    def add(self, block: Array) -> None:
        """Append rows.

        Parameters
        ----------
        block : array[n, width]

        Raises
        ------
        StoreError
            If the disk is full.
        """
        try:
            self._file.write(np.ascontiguousarray(block, self._dtype).tobytes())
        except OSError as error:
            raise unwritable("the rows", self._directory, error) from error
        self._rows += len(block)

    def close(self) -> None:
        """Give the file up; an array that was finished stays. Harmless when done twice."""
        self._file.close()

    def finish(self) -> Array:
        """All rows, array[n, width]; nothing can be appended any more."""
        with self._file as file:
            file.flush()
            if not self._rows or not self._width:
                return np.empty((self._rows, self._width), self._dtype)
            return np.ndarray((self._rows, self._width), self._dtype, buffer=mmap.mmap(file.fileno(), 0))
