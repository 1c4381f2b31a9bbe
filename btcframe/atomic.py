"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from btcframe.errors import StoreError


@contextlib.contextmanager
def replacing(path: Path, what: str) -> Iterator[Path]:
    """Give out a temporary name beside `path`, and put the file in its place when the block ends well.

    Parameters
    ----------
    path : Path
    what : str      what the file is, for the message: "the predictions"

    Raises
    ------
    StoreError
        If it cannot be written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise unwritable(what, path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def unwritable(what: str, path: Path, error: OSError) -> StoreError:
    """The error for a file of a run that cannot be written."""
    return StoreError(
        f"{what} cannot be written: {error.strerror or error}",
        where=str(path),
        next="Free some space or choose another place, hydra.run.dir=…, and run it again.",
    )
