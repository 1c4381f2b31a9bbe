"""Parts in processes of this machine (joblib's loky): they are started once, and end with who started them."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from btcframe.engine.parts import ONE_THREAD, Died, Several, Unsendable
from btcframe.engine.witnessed import Witnessed, retold, witnessed


@contextlib.contextmanager
def processes(jobs: int) -> Iterator[Several]:
    """Processes that are started with the first part, and work on what they are given as long as the block lasts."""
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.backend.reduction import dumps

    pool = ProcessPoolExecutor(
        jobs, env=ONE_THREAD, initializer=_begin, initargs=(logging.getLogger().level,)
    )

    def several(work: Callable[..., Any], parts: Sequence[tuple[Any, ...]]) -> Generator[Any]:
        try:  # before one is sent: loky finds out in a thread of its own, which may be ending already
            packed = iter([dumps((work, part)) for part in parts])
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise Unsendable from error
        try:
            # no more than loky's queue takes: a pool that is ended while parts wait before it trips over them
            at_work = deque(pool.submit(_there, part) for part in itertools.islice(packed, 2 * jobs))
            while at_work:
                found = at_work.popleft().result()
                at_work += [pool.submit(_there, part) for part in itertools.islice(packed, 1)]
                yield retold(found)
        except BrokenProcessPool as error:
            raise Died from error
        except pickle.PicklingError as error:  # what came of it
            raise Unsendable from error

    try:
        yield several
    finally:
        with _undisturbed():
            pool.shutdown(wait=True, kill_workers=True)  # nothing is at work, unless something went wrong


def _there(packed: bytes) -> Witnessed:
    work, part = pickle.loads(packed)
    return witnessed(work, *part)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let who presses Ctrl-C twice leave no process behind: what is ended here takes no longer than a moment."""
    if threading.current_thread() is not threading.main_thread():  # no interrupt comes there
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin(level: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us, who then ends us …
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()  # … unless he was killed
    logging.getLogger().setLevel(level)


def end_with(parent: int) -> None:
    """End this process when the one that started it has ended, however that came about."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
