"""Jobs in processes of their own, side by side: each begins as this process is now, and ends alone.

A process is forked for every job, from one that has imported what they all need and has no threads of its own. So a
job costs no start-up, cannot change anything for the next one, and if it is killed it takes nobody with it.
"""

from __future__ import annotations

import faulthandler
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE_S = 10.0
"""What jobs are given to write down that they were interrupted."""

_INTERRUPTED = 130


class Task(NamedTuple):
    """What is to be done.

    Parameters
    ----------
    number : int
    call : callable     gives a small value that pickles
    output : Path       file that takes what it prints
    """

    number: int
    call: Callable[[], Any]
    output: Path


class Ended(NamedTuple):
    """What became of a task.

    Parameters
    ----------
    number : int
    value : Any         what its call gave; None where it died
    died : str          why its process ended without a word; "" where it did not
    seconds : float
    memory : int        the most it had in memory, bytes; 0 where it died
    """

    number: int
    value: Any
    died: str
    seconds: float
    memory: int


def get_ready(job: str) -> None:
    """Import what any job imports sooner or later, once, before they are forked: it is most of what a job costs.

    Parameters
    ----------
    job : str    the module that it is
    """
    from numba.core.registry import cpu_target

    for module in (job, *_SHARED):
        importlib.import_module(module)
    # what numba needs to load any kernel
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


_SHARED = ("deltalake", "pandas", "pyarrow.parquet", "rich.progress")
"""Those of them that have threads start them when they are first used, which is in a job."""


def share(jobs: int) -> int:
    """Threads for each of so many jobs at a time: none has to wait for another one's."""
    return max(1, len(os.sched_getaffinity(0)) // jobs)


def side_by_side(
    tasks: Iterable[Task], begun: Callable[[int], None], *, jobs: int, threads: int, printed: bool = False
) -> Generator[Ended]:
    """Do tasks in processes of their own, so many at a time, and give each when it has ended.

    Parameters
    ----------
    tasks : iterable of Task
    begun : callable    told the number of each that begins
    jobs : int          at a time
    threads : int       that each may use
    printed : bool      whether what they print is seen, and not put away in a file
    """
    context = multiprocessing.get_context("fork")
    waiting = iter(tasks)
    at_work: dict[int, tuple[Task, BaseProcess, Connection, float]] = {}
    try:
        while True:
            while len(at_work) < jobs and (task := next(waiting, None)) is not None:
                begun(task.number)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(task, theirs, threads, printed))
                process.start()
                theirs.close()
                at_work[process.sentinel] = (task, process, ours, time.monotonic())
            if not at_work:
                return
            for sentinel in wait(list(at_work)):
                yield _ended(*at_work.pop(sentinel))  # type: ignore[arg-type]  # sentinels are numbers here
    finally:
        _end([process for _, process, _, _ in at_work.values()])


def _ended(task: Task, process: BaseProcess, ours: Connection, since: float) -> Ended:
    process.join()
    seconds = time.monotonic() - since
    try:
        value, memory = ours.recv() if ours.poll() else (None, 0)
    except EOFError:
        value, memory = None, 0
    ours.close()
    died = "" if value is not None else _why(process.exitcode or 0)
    return Ended(task.number, value, died, seconds, memory)


def _why(code: int) -> str:
    """How a process ended that said nothing."""
    if code == _INTERRUPTED:
        return "it was interrupted"
    if code >= 0:
        return f"its process ended by itself, with exit code {code}"
    name = signal.Signals(-code).name if -code in {int(s) for s in signal.Signals} else f"signal {-code}"
    hint = " (for want of memory, or by hand)" if -code == signal.SIGKILL else ""
    return f"its process was ended by {name}{hint}"


def _end(processes: list[BaseProcess]) -> None:
    """End what is still at work: first so that it can write that down."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + PATIENCE_S
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


# ---------------------------------------------------------------------------------------------- in the other process


def _work(task: Task, told: Connection, threads: int, printed: bool) -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches all of us: who started us passes it on, once …
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # … as this
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    if not printed:
        print_to(task.output)
    divide(threads)
    try:
        value = task.call()
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)  # nobody waits for a value, and nothing of ours is open
    told.send((value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
    told.close()


def end_with(parent: int) -> None:
    """End this process when the one that started it has ended, however that came about."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def print_to(path: Path) -> None:
    """Let all that this process prints go to a file, and what it says if compiled code crashes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    sys.stdout.flush()
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    os.close(file)
    faulthandler.enable(2)


def divide(threads: int) -> None:
    """Let this process use so many threads, whatever library they are of."""
    os.environ.update(
        {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA")}
    )
    os.environ["LOKY_MAX_CPU_COUNT"] = str(threads)
    import numba
    import threadpoolctl

    numba.config.reload_config()  # type: ignore[no-untyped-call]
    threadpoolctl.threadpool_limits(threads)
