"""Parts in processes of this machine (joblib's loky): they are started once, and end with who started them."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError
from typing import Any, TypeVar

from btcframe.engine.parts import ONE_THREAD, Died, Unsendable
from btcframe.engine.witnessed import retold, witnessed

T = TypeVar("T")


def in_processes(jobs: int, work: Callable[..., T], parts: Sequence[tuple[Any, ...]]) -> Generator[T]:
    """See `several`."""
    from joblib.externals.loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(
        min(jobs, len(parts)), env=ONE_THREAD, initializer=_begin, initargs=(logging.getLogger().level,)
    )
    try:
        for future in [pool.submit(witnessed, work, *part) for part in parts]:
            yield retold(future.result())
    except BrokenProcessPool as error:
        raise Died from error
    except PicklingError as error:
        raise Unsendable from error
    finally:
        pool.shutdown(wait=True, kill_workers=True)  # nothing is at work, unless something went wrong


def _begin(level: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us, who then ends us …
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()  # … unless he was killed
    logging.getLogger().setLevel(level)


def end_with(parent: int) -> None:
    """End this process when the one that started it has ended, however that came about."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
