"""Empty stores of every kind; servers are started once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_servers import Postgres, postgres, timescale
from stores.every_row import Make, on

from btcframe.api import Store
from btcframe.stores.delta import Delta
from btcframe.stores.timescale import Timescale


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def timescale_port() -> Iterator[int]:
    """The port of a TimescaleDB server."""
    with timescale() as port:
        yield port


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Numbers for schemas: each test has its own."""
    return itertools.count()


@pytest.fixture
def plain(postgres_server: Postgres, numbers: Iterator[int]) -> Timescale:
    """An empty store on plain PostgreSQL."""
    return on(postgres_server.port, next(numbers))


@pytest.fixture
def hyper(timescale_port: int, numbers: Iterator[int]) -> Timescale:
    """An empty store on TimescaleDB, with compression."""
    return on(timescale_port, next(numbers), chunk="1h", compress_after="1d")


@pytest.fixture(params=["delta", "postgres", "timescale"])
def make(request: pytest.FixtureRequest, tmp_path: Path, numbers: Iterator[int]) -> Make:
    """Makes empty stores of one kind; a test that asks for it runs for every kind."""
    if request.param == "delta":
        return lambda: Delta(str(tmp_path / f"lake{next(numbers)}"))
    if request.param == "postgres":
        port = request.getfixturevalue("postgres_server").port
    else:
        port = request.getfixturevalue("timescale_port")
    return lambda: on(port, next(numbers))


@pytest.fixture
def store(make: Make) -> Store:
    """An empty store of each kind."""
    return make()
