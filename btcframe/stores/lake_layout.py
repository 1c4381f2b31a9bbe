"""Which version of its layout a lake has: a file `lake.json` at its root.

1, without the file: data files of delta-rs's own naming, no checksums. 2: file names carry checksums, and a sealed
build the fingerprint of its files. Both are read and written; only what is written anew is of the second kind.
"""

from __future__ import annotations

import json
import uuid

import pyarrow as pa

from btcframe.errors import StoreError
from btcframe.stores.lake_files import Files, unreachable

LAYOUT = 2
FILE = "lake.json"


def layout(files: Files) -> int:
    """The layout of a lake; 0 where nothing is yet, 1 where tables are but no file says more."""
    try:
        with files.filesystem.open_input_stream(f"{files.base}/{FILE}") as stream:
            told = json.loads(stream.read())
    except FileNotFoundError:
        return 1 if any(not name.startswith(".") for name in files.folders()) else 0
    return int(told["layout"])


def check(files: Files, root: str) -> None:
    """Refuse a lake that a newer btcframe wrote. Raises StoreError."""
    try:
        there = layout(files)
    except OSError as error:
        raise unreachable(root, error) from error
    except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise StoreError(
            f"the lake's layout cannot be read: {type(error).__name__}: {error}",
            where=f"{root}/{FILE}",
            hint=f'The file holds {{"layout": {LAYOUT}}} and nothing else.',
            next="Put it right, or use another directory: store.path=…",
        ) from error
    if there > LAYOUT:
        raise StoreError(
            f"the lake has layout {there}, and this btcframe knows none after {LAYOUT}",
            where=root,
            hint="A newer btcframe wrote it.",
            next="pip install --upgrade btcframe, or use another directory: store.path=…",
        )


def mark(files: Files, *, older: bool = False) -> bool:
    """Say that a new lake, or with `older` one of an earlier layout, has this one; whether it had not."""
    there = layout(files)
    if there == LAYOUT or (there and not older):
        return False
    said = json.dumps({"layout": LAYOUT}).encode()
    if (
        files.local
    ):  # whole or not there, for another process may look now; an object store's files are so anyway
        files.filesystem.create_dir(files.base)
        unfinished = f"{files.base}/.{FILE}.{uuid.uuid4().hex}"
        with files.filesystem.open_output_stream(unfinished) as out:
            out.write(said)
        files.filesystem.move(unfinished, f"{files.base}/{FILE}")
    else:
        with files.filesystem.open_output_stream(f"{files.base}/{FILE}") as out:
            out.write(said)
    files.settle(FILE)
    return True
