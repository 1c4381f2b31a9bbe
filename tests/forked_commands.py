"""Commands as a user types them, each in a process of its own, without importing everything each time.

One process imports what takes seconds, then forks for every command. What a command is before its first line of Python,
as a pipe's buffers or what the interpreter itself reads, is not seen so: that wants a process from its beginning.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

PATIENCE_S = 300
"""After which a command that is waited for is ended."""

HEAVY = (
    "btcframe.jobs.run",
    "btcframe.sessions.reporting",
    "deltalake",
    "pandas",
    "plotly",
    "pyarrow.dataset",
    "rich.progress",
)
SESSIONS = (
    "ccxt.pro",
    "btcframe.doctor.smoke",
    "btcframe.live.opening",
    "btcframe.sources.bybit.protocol",
    "btcframe.venues.real.gateway",
    "btcframe.jobs.replay",
    "btcframe.jobs.trade",
)
"""What sessions on an exchange need besides."""


def zygote(*modules: str) -> int:
    """Read a command a line, fork a process that runs it, say its number, and when it has ended its exit code.

    It comes back in each forked process, with the exit code of the command.
    """
    from btcframe.cli.hydra_app import register
    from btcframe.plugins import discover

    register(discover())
    for name in (*HEAVY, *modules):
        importlib.import_module(name)
    gc.freeze()  # the pages of what is imported stay shared
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if not (pid := os.fork()):
            return _run(asked)
        print(pid, flush=True)
        if asked["wait"]:
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return 0


def _run(asked: dict[str, Any]) -> int:
    from btcframe.cli.main import main

    os.setsid()
    if asked["wait"]:
        signal.alarm(PATIENCE_S)
    for number, path in enumerate((os.devnull, asked["out"], asked["err"])):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(file, number)
        os.close(file)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    importlib.invalidate_caches()
    sys.argv = asked["command"]
    return main()


class Done(NamedTuple):
    """What a command came to."""

    code: int
    said: str


@dataclass
class Typist:
    """Types commands, in a directory of its own unless it is told another."""

    process: subprocess.Popen[str]
    folder: Path
    environment: Mapping[str, str]
    count: int = 0

    def run(self, *command: str, environment: Mapping[str, str] = MappingProxyType({})) -> Done:
        """Run a command to its end, with more in its environment."""
        out = self._said(self.count + 1)
        code = self._ended(command, self.folder, {**self.environment, **environment}, out, out)
        return Done(code, out.read_text())

    def completed(
        self, command: Iterable[str], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in another directory and with nothing but this environment."""
        out, err = (self._said(self.count + 1).with_suffix(suffix) for suffix in (".out", ".err"))
        code = self._ended(command, folder, environment, out, err)
        return subprocess.CompletedProcess(list(command), code, out.read_text(), err.read_text())

    def begin(self, *command: str) -> int:
        """Begin a command that goes on by itself; returns its process."""
        out = self._said(self.count + 1)
        return self._ask(command, self.folder, self.environment, out, out, wait=False)

    def said(self, number: int) -> str:
        """What the command of a number has printed so far."""
        return self._said(number).read_text()

    def _said(self, number: int) -> Path:
        return self.folder / f".said{number}"

    def _ended(self, *asked: Any) -> int:
        self._ask(*asked, wait=True)
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def _ask(
        self,
        command: Iterable[str],
        folder: Path,
        environment: Mapping[str, str],
        out: Path,
        err: Path,
        *,
        wait: bool,
    ) -> int:
        self.count += 1
        assert self.process.stdin is not None and self.process.stdout is not None
        asked = {
            "command": list(command), "folder": str(folder), "environment": dict(environment),
            "out": str(out), "err": str(err), "wait": wait,
        }  # fmt: skip
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def typist(folder: Path, *modules: str, **environment: str) -> Iterator[Typist]:
    """Somebody who types commands in a folder; modules are imported beforehand, besides what every run needs."""
    given = {**os.environ, "COLUMNS": "200", **environment}
    given.setdefault("XDG_CACHE_HOME", str(folder / ".cache"))
    tests = str(Path(__file__).parent)
    code = (  # these tests' own modules are not for the commands
        f"import sys; sys.path.insert(1, {tests!r}); import forked_commands; del sys.path[1]; "
        "sys.exit(forked_commands.zygote(*sys.argv[1:]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, *modules],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=given,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield Typist(process, folder, given)
        finally:
            process.stdin.close()
            killer = threading.Timer(30, process.kill)
            killer.start()
            process.wait()
            killer.cancel()
