"""Commands as a user types them, each in a process of its own, without importing everything each time.

One process imports what takes seconds, then forks for every command.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

TESTS = Path(__file__).parent


def zygote() -> None:
    """Read a command a line, fork a process that runs it, say its number, and when it has ended its exit code."""
    import ccxt.pro  # noqa: F401 - seconds

    import btcframe.doctor.smoke
    import btcframe.live.opening
    import btcframe.sources.bybit.protocol
    import btcframe.venues.real.gateway  # noqa: F401
    from btcframe.cli.hydra_app import register
    from btcframe.plugins import discover

    register(discover())
    for name in (
        "btcframe.jobs.replay",
        "btcframe.jobs.trade",
        "btcframe.jobs.train",
        "pandas",
        "pyarrow.dataset",
    ):
        importlib.import_module(name)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if not (pid := os.fork()):
            os.environ.update(asked["environment"])
            _run(asked["command"], Path(asked["out"]))
        print(pid, flush=True)
        if asked["wait"]:
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(command: list[str], out: Path) -> None:
    from btcframe.cli.main import main

    code = 1
    try:
        with out.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.setsid()
        sys.argv = command
        code = main()
        sys.stdout.flush()
    finally:
        os._exit(code)


class Done(NamedTuple):
    """What a command came to."""

    code: int
    said: str


@dataclass
class Typist:
    """Types commands in a directory of its own."""

    process: subprocess.Popen[str]
    folder: Path
    count: int = 0

    def run(self, *command: str, environment: Mapping[str, str] = MappingProxyType({})) -> Done:
        """Run a command to its end, with more in its environment."""
        out = self._ask(command, environment, wait=True)
        assert self.process.stdout is not None
        self.process.stdout.readline()
        return Done(int(self.process.stdout.readline()), out.read_text())

    def begin(self, *command: str) -> int:
        """Begin a command that goes on by itself; returns its process."""
        self._ask(command, {}, wait=False)
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def said(self, number: int) -> str:
        """What the command of a number has printed so far."""
        return (self.folder / f".said{number}").read_text()

    def _ask(self, command: tuple[str, ...], environment: Mapping[str, str], *, wait: bool) -> Path:
        self.count += 1
        out = self.folder / f".said{self.count}"
        assert self.process.stdin is not None
        asked = {"command": command, "environment": dict(environment), "out": str(out), "wait": wait}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return out


@contextlib.contextmanager
def typist(folder: Path, **environment: str) -> Iterator[Typist]:
    """Somebody who types commands in a folder."""
    given: dict[str, Any] = {**os.environ, "PYTHONPATH": str(TESTS), "COLUMNS": "200", **environment}
    given.setdefault("XDG_CACHE_HOME", str(folder / ".cache"))
    code = "import forked_commands; forked_commands.zygote()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=given,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield Typist(process, folder)
        finally:
            process.stdin.close()
            killer = threading.Timer(30, process.kill)
            killer.start()
            process.wait()
            killer.cancel()
