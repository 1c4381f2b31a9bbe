"""kill -9 of the writer at any moment: the table equals every acknowledged row, exactly once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_servers import Postgres
from stores.every_row import on, read, rows, same

from btcframe.stores.timescale import Timescale

N = 2000
"""Rows of a batch."""

WRITER = f"""
import sys
sys.path.insert(0, sys.argv[1])
from btcframe.stores.timescale import Timescale
from stores.every_row import on, rows

store = Timescale("127.0.0.1", int(sys.argv[2]), "postgres", "postgres", schema=sys.argv[3], sslmode="disable")
for n in range(int(sys.argv[4]), 1_000):
    store.write("b", "t", rows({N} * n, {N}))
    print(n, flush=True)
"""


def _written_until_killed(store: Timescale, first: int, pick: random.Random) -> int:
    """Write batches from `first` on in another process, kill it; the last batch that was acknowledged."""
    arguments = (str(Path(__file__).parents[1]), str(store.port), store.schema, str(first))
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = first - 1
        for _ in range(pick.randrange(1, 4)):
            told = int(process.stdout.readline())
        for _ in range(pick.randrange(400_000)):  # somewhere in the writing of the next one
            pass
        process.send_signal(signal.SIGKILL)
        return max([told, *map(int, process.stdout.read().split())])


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.drill)])
def test_a_writer_killed_at_any_moment(postgres_server: Postgres, numbers: Iterator[int], kills: int) -> None:
    pick = random.Random(kills)
    store = on(postgres_server.port, next(numbers))
    acknowledged = -1
    for _ in range(kills):
        # the writer begins with the last batch again: it cannot know whether the next one is in
        acknowledged = max(acknowledged, _written_until_killed(store, max(acknowledged, 0), pick))
    assert acknowledged >= 0
    # what was not acknowledged is there whole or not at all; the one after it may be
    store.write("b", "t", rows(N * (acknowledged + 1), N))
    total = N * (acknowledged + 2)
    store.seal("b", {"tables": {"t": total}})
    assert same(read(store, "b"), rows(0, total))
