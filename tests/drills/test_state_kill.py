"""kill -9 of a process that does nothing but write states: what stands is always a whole one."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from btcframe.sessions.saved_state import read_state

WRITER = """
import sys
from pathlib import Path
import numpy as np
from btcframe.sessions.saved_state import SavedState, write_state

path, n = Path(sys.argv[1]), 0
while True:
    n += 1
    write_state(path, SavedState({"n": n}, n, n, n, {"x": np.full(80_000, n)}))
    print(n, flush=True)
"""


@pytest.mark.parametrize("seed", [1, *(pytest.param(s, marks=pytest.mark.drill) for s in range(2, 51))])
def test_killed_while_it_writes(tmp_path: Path, seed: int) -> None:
    pick = random.Random(seed)
    path = tmp_path / "state"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = 0
        for _ in range(pick.randrange(1, 20)):
            told = int(process.stdout.readline())
        for _ in range(pick.randrange(200_000)):  # somewhere in the writing of the next one
            pass
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
    last = max([told, *map(int, rest)])
    state = read_state(path)
    assert state.events in (last, last + 1)  # the one it told of, or the next, put in its place but not told
    assert state.rows == state.identity["n"] == state.events
    assert (state.memory["x"] == state.events).all()
