"""What goes wrong with a server: killed, cut off, slow, locked, refusing. One clear error, and no row twice or lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from database_servers import Postgres, free_port
from stores.every_row import read, rows, same

from btcframe.errors import StoreError
from btcframe.stores.postgres import writing
from btcframe.stores.timescale import Timescale

CANARY = "canary-5ae81c"


class _Interrupted:
    """Encodes as ever, and does something after so many pieces."""

    def __init__(self, after: int, then: Callable[[], None]) -> None:
        self._left, self._then = after, then

    def __call__(self, kinds: Sequence[str], batch: pa.RecordBatch) -> Iterator[memoryview]:
        for at in range(0, batch.num_rows, 500):
            if self._left == 0:
                self._then()
            self._left -= 1
            yield from _ENCODE(kinds, batch.slice(at, 500))


_ENCODE = writing.encode


@pytest.mark.parametrize(
    "after", [3, *(pytest.param(n, marks=pytest.mark.drill) for n in (0, 1, 2, 4, 5, 6, 7, 8, 9))]
)
def test_a_server_killed_in_the_middle_of_copy_loses_and_doubles_nothing(
    plain: Timescale, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """kill -9 after some pieces of the third batch of five; what was acknowledged is there, once, after the restart."""
    batches = [rows(part * 5000, 5000) for part in range(5)]
    for batch in batches[:2]:
        plain.write("b", "t", batch)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "encode", _Interrupted(after, postgres_server.kill))
        with pytest.raises(StoreError, match="table t cannot be written") as caught:
            plain.write("b", "t", batches[2])
    assert "run it again" in caught.value.next
    postgres_server.start()
    with pytest.raises(StoreError, match="t holds 10,000 rows, 25,000 were written"):
        plain.seal("b", {"tables": {"t": 25_000}})
    for batch in batches[1:]:  # the writer does not know how far it came: it begins earlier
        plain.write("b", "t", batch)
    plain.seal("b", {"tables": {"t": 25_000}})
    assert same(read(plain, "b"), rows(0, 25_000))


def _cut(server: Postgres) -> None:
    """End every other connection, as a network or an administrator may."""
    with server.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'btcframe'"
        )


def test_a_connection_that_is_cut(
    plain: Timescale, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 25 MB: what has left the server when it is cut, and lies in the sockets of both sides, is less
    table = rows(0, 100_000, text=pa.repeat("x" * 200, 100_000))
    with monkeypatch.context() as patch:
        patch.setattr(writing, "encode", _Interrupted(5, lambda: _cut(postgres_server)))
        with pytest.raises(StoreError, match="table t cannot be written"):
            plain.write("b", "t", table)
    plain.write("b", "t", table)
    plain.seal("b", {"tables": {"t": 100_000}})
    scan = plain.scan("b", "t")
    next(scan)
    _cut(postgres_server)
    with pytest.raises(StoreError, match="table t cannot be read"):
        list(scan)
    with plain.claim("c", lambda: pytest.fail("nobody else has it")):
        _cut(postgres_server)
    with plain.claim("c", lambda: pytest.fail("the claim outlived its connection")):
        pass
    assert same(read(plain, "b"), table)


def test_a_lock_of_somebody_else_and_a_server_too_slow(plain: Timescale, postgres_server: Postgres) -> None:
    plain.write("b", "t", rows(0, 10))
    hasty = dataclasses.replace(plain, lock_timeout="50ms")
    with postgres_server.connect() as other, other.transaction():
        other.execute(f'LOCK TABLE "{plain.schema}".t IN ACCESS EXCLUSIVE MODE')  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="lock timeout") as caught:
            hasty.write("b", "t", rows(10, 10))
    assert "store.lock_timeout" in caught.value.hint
    with pytest.raises(StoreError, match="statement timeout") as caught:
        dataclasses.replace(plain, statement_timeout="1ms").write("b", "t", rows(10, 200_000))
    assert "store.statement_timeout" in caught.value.hint
    plain.seal("b", {"tables": {"t": 10}})


@pytest.fixture
def role(plain: Timescale, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Timescale]:
    """The store of a role that needs a password, which the environment has."""
    name = f"role {plain.schema}"
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{CANARY}'")  # type: ignore[arg-type]
    monkeypatch.setenv("PGPASSWORD", CANARY)
    yield dataclasses.replace(plain, user=name)
    with postgres_server.connect() as connection:
        connection.execute(f'DROP OWNED BY "{name}" CASCADE')  # type: ignore[arg-type]


def _refused(store: Timescale, *words: str) -> None:
    """One error that tells all of this, and no password."""
    with pytest.raises(StoreError) as caught:
        store.write("b", "t", rows(0, 10))
    told: Any = str(caught.value)
    for word in words:
        assert word in told
    assert CANARY not in told and "canary" not in told
    assert CANARY not in repr(store)


def test_wrong_password_database_host_and_encryption(
    role: Timescale, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refused(
        dataclasses.replace(role, database="nowhere"), 'database "nowhere" does not exist', "store.database"
    )
    _refused(dataclasses.replace(role, sslmode="require"), "SSL", "store.sslmode")
    _refused(dataclasses.replace(role, port=free_port()), "Connection refused", "store.host")
    _refused(dataclasses.replace(role, host="/nowhere"), "No such file", "store.host")
    monkeypatch.setenv("PGPASSWORD", "canary-wrong")
    _refused(role, "password authentication failed", "PGPASSWORD", "~/.pgpass")
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGPASSFILE", "/nonexistent")
    _refused(role, "no password supplied", "PGPASSWORD")


def test_missing_rights(role: Timescale, plain: Timescale, postgres_server: Postgres) -> None:
    def grant(what: str) -> None:
        with postgres_server.connect() as connection:
            connection.execute(f'GRANT {what} TO "{role.user}"')  # type: ignore[arg-type]

    _refused(role, "permission denied for database", "grant")
    plain.write("a", "t", rows(0, 10))
    plain.seal("a", {"n": 1})
    _refused(role, "permission denied for schema", "grant")
    grant(f'USAGE ON SCHEMA "{role.schema}"')
    with pytest.raises(StoreError, match="permission denied for table"):
        role.builds()
    grant(f'SELECT ON ALL TABLES IN SCHEMA "{role.schema}"')
    assert role.builds() == {"a": {"n": 1}} and same(read(role, "a"), rows(0, 10))
    _refused(role, "permission denied for table", "grant")  # it may read now, and no more
    grant(f'INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{role.schema}"')
    role.write("b", "t", rows(0, 10))  # into tables that are there
    role.seal("b", {"tables": {"t": 10}})
    assert same(read(role, "b"), rows(0, 10))
