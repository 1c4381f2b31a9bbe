"""Parts on a Ray cluster: a core and a process each, nothing tried twice."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from btcframe.engine.parts import ONE_THREAD, Died, Several, Unsendable
from btcframe.engine.ray_cluster import connected
from btcframe.engine.witnessed import Witnessed, retold, witnessed


@contextlib.contextmanager
def cluster(address: str, jobs: int) -> Iterator[Several]:
    """A cluster that works on what it is given as long as the block lasts."""
    with connected(address, jobs) as ray:
        remote = ray.remote(num_cpus=1, max_retries=0, runtime_env={"env_vars": ONE_THREAD})(_there)
        level, cwd = logging.getLogger().level, os.getcwd()  # noqa: PTH109 - a text

        def several(work: Callable[..., Any], parts: Sequence[tuple[Any, ...]]) -> Generator[Any]:
            waiting = iter(parts)
            at_work: deque[Any] = deque()
            try:
                at_work += [
                    remote.remote(level, cwd, work, *part) for part in itertools.islice(waiting, jobs)
                ]
                while at_work:
                    found: Witnessed = ray.get(at_work[0])
                    at_work.popleft()
                    at_work += [
                        remote.remote(level, cwd, work, *part) for part in itertools.islice(waiting, 1)
                    ]
                    yield retold(found)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                raise Died from error
            except TypeError as error:
                # Ray's word for it, and no other of ours: parts are only handed over here
                raise Unsendable from error
            finally:
                for reference in at_work:
                    ray.cancel(reference, force=True)

        yield several


def _there(level: int, cwd: str, work: Callable[..., Any], *part: Any) -> Witnessed:
    logging.getLogger().setLevel(level)
    os.chdir(cwd)
    return witnessed(work, *part)
