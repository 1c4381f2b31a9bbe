"""The right to make a build is a lock of a session: what happens when the session is cut, and what every session asks."""

from __future__ import annotations

import dataclasses
import select
import threading

import psycopg
import pytest
from database_servers import Postgres
from stores.every_row import read, rows, same

from btcframe.errors import StoreError
from btcframe.stores.postgres.connection import connect
from btcframe.stores.timescale import Timescale


def cut(server: Postgres, where: str) -> int:
    """End those of our sessions that match, as a proxy, a network or an administrator may; how many there were."""
    with server.connect() as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "  # type: ignore[arg-type]
            f"WHERE application_name = 'btcframe' AND {where}"
        ).fetchall()
    return len(ended)


def test_a_claim_that_is_cut_in_the_middle_costs_nothing(plain: Timescale, postgres_server: Postgres) -> None:
    """The next one has the claim at once; both write the build, in turns, and seal it: each row is there once."""
    batches = [rows(part * 100, 100) for part in range(4)]
    manifest = {"tables": {"t": 400}}
    with plain.claim("b", lambda: pytest.fail("nobody else has it")):
        plain.write("b", "t", batches[0])
        assert cut(postgres_server, "state = 'idle'") == 1
        with plain.claim("b", lambda: pytest.fail("the claim outlived its connection")):
            plain.discard("b")  # as every build begins
            plain.write("b", "t", batches[0])
            for batch in batches[1:]:
                plain.write("b", "t", batch)  # the first one goes on, not knowing
                plain.write("b", "t", batch)
            plain.seal("b", manifest)
        plain.seal("b", manifest)
    assert same(read(plain, "b"), rows(0, 400))


def test_what_a_second_builder_discarded_is_never_sealed(plain: Timescale, postgres_server: Postgres) -> None:
    with plain.claim("b", lambda: None):
        plain.write("b", "t", rows(0, 100))
        cut(postgres_server, "state = 'idle'")
        with plain.claim("b", lambda: None):
            plain.discard("b")
            plain.write("b", "t", rows(100, 100))
        with pytest.raises(
            StoreError, match="build b is not whole: t holds 100 rows, 200 were written"
        ) as caught:
            plain.seal("b", {"tables": {"t": 200}})
    assert "Another process" in caught.value.hint and caught.value.next == "Run it again."


def test_who_waits_for_a_claim_is_told_when_the_connection_is_cut(
    plain: Timescale, postgres_server: Postgres
) -> None:
    waits, failed = threading.Event(), []

    def second() -> None:
        try:
            with plain.claim("b", waits.set):
                pytest.fail("somebody else has it")
        except StoreError as error:
            failed.append(error)

    with plain.claim("b", lambda: pytest.fail("nobody else has it")):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(60)
        while cut(postgres_server, "wait_event_type = 'Lock'") == 0:
            assert thread.is_alive()  # it has said that it will wait, and is about to
        thread.join(60)
    (error,) = failed
    assert "build b cannot be claimed: terminating connection" in error.what and error.next
    with plain.claim("b", lambda: pytest.fail("it was given back")):
        pass


def test_a_claim_outlives_what_cuts_idle_sessions(plain: Timescale, postgres_server: Postgres) -> None:
    """A server may end sessions that do nothing; a claim does nothing for as long as a build takes."""
    waits = threading.Event()

    def second() -> None:
        with plain.claim("b", waits.set):
            pass

    with postgres_server.connect() as admin:  # it keeps what it began with
        admin.execute("ALTER DATABASE postgres SET idle_session_timeout = '100ms'")
        try:
            with plain.claim("b", lambda: pytest.fail("nobody else has it")):
                with postgres_server.connect() as idle:
                    select.select([idle.pgconn.socket], [], [], 60)  # until the server has cut this one
                    with pytest.raises(psycopg.OperationalError, match="idle-session timeout"):
                        idle.execute("SELECT")
                thread = threading.Thread(target=second)
                thread.start()
                assert waits.wait(60)  # the claim is still held
            thread.join(60)
        finally:
            admin.execute("ALTER DATABASE postgres RESET idle_session_timeout")


def test_every_session_has_its_limits(plain: Timescale, postgres_server: Postgres) -> None:
    access = dataclasses.replace(plain, statement_timeout="7s", lock_timeout="3s", host="127.0.0.1")._access()
    names = {
        "statement_timeout": "7s",
        "lock_timeout": "3s",
        "idle_in_transaction_session_timeout": "10min",
        "idle_session_timeout": "0",
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "6",
    }
    with connect(access, autocommit=True) as connection:
        for name, value in names.items():
            assert connection.execute(f"SHOW {name}").fetchone() == (value,), name  # type: ignore[arg-type]
        asked = {option.keyword: option.val for option in connection.pgconn.info if option.val}
    assert {asked[name.encode()] for name in ("keepalives_idle", "tcp_user_timeout")} == {b"30", b"90000"}


def test_an_old_server_is_refused(plain: Timescale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psycopg.ConnectionInfo.server_version", 130_023)
    with pytest.raises(StoreError, match="the server is PostgreSQL 13, and this store needs 14 or later"):
        plain.builds()
