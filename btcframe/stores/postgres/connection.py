"""Connections to a PostgreSQL server, and its errors in our words.

*Architecture Invariant*: no password passes through here. libpq, PostgreSQL's own library, takes it from PGPASSWORD or
from the file ~/.pgpass, so no config, manifest, log or message can hold it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import psycopg
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from btcframe.errors import RefusedError, StoreError

_DETAIL = 300
"""Characters of the server's message that are shown."""

_UNREACHABLE = (
    ("password", "Set PGPASSWORD, or write a line for this server into ~/.pgpass."),
    ('database "', "Make it: createdb. Or name another: store.database=…"),
    ('role "', "Make the role (createuser), or name another: store.user=…"),
    ("pg_hba.conf", "The server's pg_hba.conf admits no such connection."),
    (
        "SSL",
        "Encryption is set by store.sslmode; the server may have none, or a certificate of another authority.",
    ),
    ("certificate", "Name the authority that signed the server's certificate: store.sslrootcert=…"),
    ("too many", "All connections of the server are taken: wait, or raise its max_connections."),
    ("resolve host", "Is the name right? store.host=…"),
)
"""What libpq says where a connection fails, which has no code, and the cure."""

_CURES = {
    "42501": "This role lacks a right; what to grant: btcframe db roles store=timescale … "
    "A job of TimescaleDB that another role made becomes the owner's by btcframe db migrate.",
    "3F000": "The schema is gone: another program may have dropped it.",
    "42P01": "A table is gone: another program may have dropped it.",
    "53100": "The server's disk is full: free some space there.",
    "53200": "The server is out of memory.",
    "53300": "All connections of the server are taken: wait, or raise its max_connections.",
    "54000": "A row of PostgreSQL fits a page of 8 kB, about 1,000 numbers: use fewer columns (select=…).",
    "54011": "A table of PostgreSQL has 1,600 columns at most: use fewer, or another schema.",
    "55P03": "Another session holds a lock for longer than store.lock_timeout.",
    "57014": "It took longer than store.statement_timeout, or somebody canceled it.",
    "25006": "The server takes no writes: it is a standby.",
}
"""By SQLSTATE. Source: PostgreSQL documentation, appendix A."""

_LASTING = ("22", "23", "54")
"""Classes of SQLSTATE that lie in the rows themselves: bad data, broken constraints, more than a table can hold."""


OLDEST = 140_000
"""The first PostgreSQL that has all that is used here, as libpq counts versions."""

_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 6, "tcp_user_timeout": 90_000}
"""Whether the server is still there, asked by our kernel: libpq's keywords, s and ms."""

_SETTINGS = {
    "idle_in_transaction_session_timeout": 600_000,  # a writer that was stopped keeps its locks no longer, ms
    "idle_session_timeout": 0,  # a claim is idle for hours
    "tcp_keepalives_idle": 30,  # the server's side: the locks of a machine that vanished go, instead of after hours
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 6,
}
"""What every session of ours asks of the server, whatever its own defaults are."""


class Access(NamedTuple):
    """Which server, database and schema, and how long to wait.

    Parameters
    ----------
    parameters : mapping     libpq's keywords; none of them is secret
    schema : str
    statement_ms, lock_ms : int    how long one statement, and waiting for a lock, may take
    """

    parameters: Mapping[str, str | int]
    schema: str
    statement_ms: int
    lock_ms: int

    def __str__(self) -> str:
        p = self.parameters
        user = f"{p['user']}@" if "user" in p else ""
        return f"{user}{p['host']}:{p['port']}/{p['dbname']}, schema {self.schema}"


@contextlib.contextmanager
def session(access: Access, what: str) -> Iterator[sa.Connection]:
    """A connection and one transaction on it: committed at the end, rolled back by an error.

    Parameters
    ----------
    access : Access
    what : str          what cannot be done if an error comes up, for its message

    Raises
    ------
    StoreError
        If the server cannot be reached, refuses, fails or goes away.
    """
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: connect(access), poolclass=NullPool)
    with reported(access, what), engine.begin() as connection:
        yield connection


def driver(connection: sa.Connection) -> psycopg.Connection:
    """The psycopg connection below, for COPY."""
    below = connection.connection.driver_connection
    if not isinstance(below, psycopg.Connection):
        raise TypeError(f"the connection is {type(below).__name__}, not psycopg's")
    return below


def connect(access: Access, *, autocommit: bool = False) -> psycopg.Connection:
    """A connection of its own, with the timeouts set, that finds out about a dead peer within a minute or two."""
    connection = psycopg.connect(**access.parameters, **_ALIVE, application_name="btcframe")  # type: ignore[arg-type]
    with contextlib.ExitStack() as opened:
        opened.callback(connection.close)
        if (version := connection.info.server_version) < OLDEST:
            raise StoreError(
                f"the server is PostgreSQL {version // 10_000}, and this store needs {OLDEST // 10_000} or later",
                where=str(access),
            )
        settings = _SETTINGS | {"statement_timeout": access.statement_ms, "lock_timeout": access.lock_ms}
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
        connection.commit()
        connection.autocommit = autocommit
        opened.pop_all()
    return connection


@contextlib.contextmanager
def reported(access: Access, what: str) -> Iterator[None]:
    """Turn the server's and the libraries' errors into ours."""
    try:
        yield
    except (psycopg.Error, sa.exc.DBAPIError) as error:
        theirs = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        code = theirs.sqlstate if isinstance(theirs, psycopg.Error) else None
        told = theirs.diag.message_primary if isinstance(theirs, psycopg.Error) else None
        detail = " ".join((told or str(theirs)).split()).removeprefix("connection failed: ")
        kind = RefusedError if code and code[:2] in _LASTING else StoreError
        raise kind(
            f"{what}: {detail[:_DETAIL]}{'…' * (len(detail) > _DETAIL)}",
            where=str(access),
            hint=_CURES.get(code, "") if code else _unreachable(detail),
            next="What is written is safe: put it right and run it again.",
        ) from error


def _unreachable(detail: str) -> str:
    for words, cure in _UNREACHABLE:
        if words in detail:
            return cure
    return "Is the server running there, and does the network reach it? store.host=… store.port=…"
