"""The same store in another process: what the checks of concurrency and of crashes need."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from btcframe.testing.checks import ContractError, NotApplicable, name_of
from btcframe.testing.stores.rows import TABLE, table

PATIENCE_S = 120
"""A process that has not ended by then is killed: its store hangs."""

_START = (
    "import sys; sys.path[:] = {path!r}\n"
    "from btcframe.testing.stores.elsewhere import main; main({store!r}, {task!r}, {arguments!r})"
)


class Elsewhere:
    """A process that works on the store; what it says comes line by line.

    Parameters
    ----------
    store : Store       for messages
    process : Popen
    """

    def __init__(self, store: Any, process: subprocess.Popen[str]) -> None:
        self._store, self._process = store, process

    def go(self) -> None:
        """Let it begin: until then it has only opened the store."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """The next line. Raises ContractError if the process ended, or was killed because it hung."""
        assert self._process.stdout is not None
        told = self._process.stdout.readline().strip()
        if not told:
            raise self._ended()
        return told

    def kill(self) -> list[str]:
        """kill -9; what it had said and nobody had read yet."""
        assert self._process.stdout is not None
        self._process.kill()
        return self._process.stdout.read().split()

    def end(self) -> None:
        """Let it end. Raises ContractError if it fails."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait():
            raise self._ended()

    def _ended(self) -> ContractError:
        assert self._process.stderr is not None
        code = self._process.wait()
        said = self._process.stderr.read().strip().splitlines()
        return ContractError(
            f"{name_of(self._store)} in another process: {said[-1] if said else f'it ended with code {code}'}",
            "Processes may open, write and read one store at a time; errors are StoreError, and nothing hangs.",
        )


@contextlib.contextmanager
def elsewhere(store: Any, task: str, *arguments: Any) -> Iterator[Elsewhere]:
    """A process that opens the same store and does one of the tasks below.

    Raises
    ------
    NotApplicable
        If another process cannot open the store.
    """
    if not dataclasses.is_dataclass(store):
        raise NotApplicable("it is no dataclass of settings: another process cannot open the same store")
    code = _START.format(
        path=sys.path, store=pickle.dumps(store).hex(), task=task, arguments=json.dumps(arguments)
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        late = threading.Timer(PATIENCE_S, process.kill)
        late.start()
        try:
            if process.stdout.readline() != "open\n":
                said = process.stderr.read().strip().splitlines()
                raise NotApplicable(
                    f"another process cannot open the store: {said[-1] if said else 'it died'}"
                )
            yield Elsewhere(store, process)
        finally:
            late.cancel()
            process.kill()


def main(store: str, task: str, arguments: str) -> None:
    """What the process does."""
    opened = pickle.loads(bytes.fromhex(store))
    _say("open")
    sys.stdin.readline()
    try:
        TASKS[task](opened, *json.loads(arguments))
    except Exception as error:  # noqa: BLE001 - a stranger's store may fail in any way: it is told in one line
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")


def _say(what: object) -> None:
    print(what, flush=True)


def claim(store: Any, build: str) -> None:
    """Claim a build, and hold it until the input is closed."""
    with store.claim(build, lambda: _say("waits")):
        _say("has it")
        sys.stdin.read()


def write(store: Any, build: str, parts: list[list[int]]) -> None:
    """Write rows from…to−1, part by part, telling the number of each part that was acknowledged."""
    for number, (start, stop) in enumerate(parts):
        store.write(build, TABLE, table(start, stop))
        _say(number)


def peak(store: Any, build: str, since: int) -> None:
    """Read a build, after its rows from `since` on as a warm-up; tell its rows and by how many bytes the process grew."""
    for _ in store.scan(build, TABLE, since=since):  # libraries and buffers are there now
        pass
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, rows = _peak(), 0
    for batch in store.scan(build, TABLE):
        rows += batch.num_rows
    _say(rows)
    _say(_peak() - before)


def _peak() -> int:
    """Most memory that this process has held, bytes."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


TASKS: dict[str, Callable[..., None]] = {"claim": claim, "write": write, "peak": peak}
