"""Jobs on a Ray cluster: each in a process of its own there, with a part of the machine's cores.

What goes to the cluster is a command line, and what comes back whether it went well; everything else lies on a disk
that the driver and all nodes see under the same path.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

from btcframe.engine.ray_cluster import connected
from btcframe.errors import ConfigError
from btcframe.sweeps.workers import Ended, Task, divide, print_to, share


def on_cluster(
    tasks: Iterable[Task], begun: Callable[[int], None], *, jobs: int, address: str
) -> Generator[Ended]:
    """Do tasks on a cluster, and give each when it has ended.

    Parameters
    ----------
    tasks : iterable of Task
    begun : callable    told the number of each that begins
    jobs : int          at a time; -1: one for each core of the cluster
    address : str       of the cluster; "": one of this machine's own

    Raises
    ------
    ConfigError
        If there is no Ray, or nobody answers there.
    """
    cores = len(os.sched_getaffinity(0))
    with connected(address, cores) as ray:
        there = int(ray.cluster_resources().get("CPU", 1))
        at_once = min(jobs, there) if jobs > 0 else there
        threads = max(1, there // at_once) if address else share(at_once)
        # a process for each call, nothing tried twice: a job that has begun has a directory
        remote = ray.remote(num_cpus=threads, max_calls=1, max_retries=0)(_there)
        waiting = iter(tasks)
        at_work: dict[Any, tuple[Task, float]] = {}
        while True:
            while len(at_work) < at_once and (task := next(waiting, None)) is not None:
                begun(task.number)
                reference = remote.remote(task.call, str(task.output), threads, str(Path.cwd()))
                at_work[reference] = (task, time.monotonic())
            if not at_work:
                return
            done, _ = ray.wait(list(at_work), num_returns=1)
            for reference in done:
                yield _ended(ray, reference, *at_work.pop(reference))


def _ended(ray: Any, reference: Any, task: Task, since: float) -> Ended:
    try:
        value, memory = ray.get(reference)
        died = ""
    except ray.exceptions.RayTaskError as error:
        value, memory, died = None, 0, str(error.cause)
    except ray.exceptions.RayError as error:
        value, memory = None, 0
        died = f"its process on the cluster ended without a word ({type(error).__name__})"
    return Ended(task.number, value, died, time.monotonic() - since, memory)


def _there(call: Callable[[], Any], output: str, threads: int, cwd: str) -> tuple[Any, int]:
    """A job, in its process on the cluster."""
    place = Path(output).parent.parent
    if not place.is_dir() or not Path(cwd).is_dir():
        raise ConfigError(
            f"{place} is not there on this node of the cluster",
            hint="All nodes must see the sweep's directory, and the one it was started in, under the same path.",
        )
    os.chdir(cwd)
    print_to(Path(output))
    divide(threads)
    return call(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
