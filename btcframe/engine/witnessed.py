"""What another process logged and compiled, told where it belongs: with who had it work."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from btcframe.kernels.compile import Told, heard, told, watched


class Witnessed(NamedTuple):
    """What came of a part.

    Parameters
    ----------
    value : Any
    logged : list of LogRecord
    kernels : Told
    """

    value: Any
    logged: list[logging.LogRecord]
    kernels: Told


def witnessed(work: Callable[..., Any], *part: Any) -> Witnessed:
    """Do a part, in another process."""
    with _logged() as logged, watched() as watch:
        value = work(*part)
    return Witnessed(value, logged, told(watch))


def retold(found: Witnessed) -> Any:
    """What came of a part, in this process: its value, and the rest where it belongs."""
    for record in found.logged:
        logging.getLogger(record.name).handle(record)
    heard(found.kernels)
    return found.value


@contextlib.contextmanager
def _logged() -> Iterator[list[logging.LogRecord]]:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    kept: list[logging.LogRecord] = []
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield kept
    finally:
        root.removeHandler(handler)
        while not records.empty():
            kept.append(records.get())
