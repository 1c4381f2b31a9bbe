"""Blocks of work shared out among threads.

Kernels release the interpreter's lock, so plain threads do. What a block gives does not depend on who takes it or
when: results have the same bits whatever the number of threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def share_out(work: Callable[[int], None], blocks: int, threads: int) -> None:
    """Call work(0) … work(blocks − 1); each thread takes the next block as soon as it is free."""
    threads = min(threads, blocks)
    if threads <= 1:
        for block in range(blocks):
            work(block)
        return
    todo = itertools.count()

    def take() -> None:
        while (block := next(todo)) < blocks:
            work(block)

    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(take) for _ in range(threads - 1)]
        take()
        for other in others:
            other.result()
