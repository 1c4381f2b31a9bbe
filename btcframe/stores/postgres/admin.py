"""`btcframe db init`, `migrate` and `compact` on a server."""

from __future__ import annotations

import sqlalchemy as sa
from psycopg import sql

from btcframe.api import Compacted
from btcframe.errors import StoreError
from btcframe.stores.postgres.aggregates import TABLE as RAW
from btcframe.stores.postgres.catalogue import as_owner, lock, make_schema, owner_of
from btcframe.stores.postgres.connection import Access, connect, reported, session
from btcframe.stores.postgres.hypertables import Layout, apply, check_possible, due
from btcframe.stores.postgres.migrations import upgrade
from btcframe.stores.postgres.retention import cut
from btcframe.stores.postgres.schema_version import ready, revision
from btcframe.stores.postgres.status import pieces, tables


def init(access: Access, layout: Layout) -> list[str]:
    """Make the schema and its fixed tables; what was made.

    Raises
    ------
    StoreError
        If the settings ask for what the server cannot do.
    """
    with session(access, "the schema cannot be made") as connection:
        check_possible(connection, access.schema, layout)
        return [
            f"revision {name} of schema {access.schema}" for name in make_schema(connection, access.schema)
        ]


def migrate(access: Access, layout: Layout) -> list[str]:
    """Bring the fixed tables to this revision, and all tables to what the settings say; what was done.

    Two at a time take turns, and the second finds nothing to do.

    Raises
    ------
    StoreError
        If there is nothing to migrate yet, or a newer btcframe did already.
    """
    with session(access._replace(statement_ms=0), "the schema cannot be migrated") as connection:
        lock(connection, f"tables of {access.schema}")
        if not revision(connection, access.schema):
            raise StoreError(
                "there is nothing to migrate yet", where=str(access), next="Make it: btcframe db init …"
            )
        as_owner(connection, access.schema)
        done = [f"revision {name} of schema {access.schema}" for name in upgrade(connection, access.schema)]
        return done + apply(connection, access.schema, layout)


def compact(access: Access, layout: Layout) -> list[Compacted]:
    """Do what the settings say of old rows now, give back what deleted rows held, and count anew for the planner.

    On TimescaleDB its own jobs do the first; on plain PostgreSQL nothing but this does. Readers and writers go on.

    Raises
    ------
    StoreError
        If this role may not, or the server fails.
    """
    what = "the tables cannot be compacted"
    patient = access._replace(statement_ms=0)
    with session(patient, what) as connection:
        names = tables(connection, access.schema) if ready(connection, access.schema) else []
        before = {name: pieces(connection, access.schema, name) for name in names}
        jobs = {name: due(connection, access.schema, name) for name in names}
    if not names:
        return []
    with session(patient, what) as connection:
        owner = owner_of(connection, access.schema)
        as_owner(connection, access.schema)
        _check_rights(connection, access)
        gone = cut(connection, access.schema, layout)
    with reported(access, what), connect(patient, autocommit=True) as below:
        if owner is not None:
            below.execute("SELECT set_config('role', %s, false)", (owner,))
        for name in names:  # neither takes a transaction
            for job in jobs[name]:
                below.execute("CALL run_job(%s)", (job,))
            below.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(access.schema, name)))
        below.execute("RESET ROLE")  # behind a pooler the server's session goes on, for others
    with session(patient, what) as connection:
        after = {name: pieces(connection, access.schema, name) for name in names}
    return [
        Compacted(
            name,
            ", ".join(
                [
                    *([f"{gone:,} old rows deleted"] if gone and name == RAW else []),
                    *([f"{len(jobs[name])} job{'s' * (len(jobs[name]) > 1)} run"] if jobs[name] else []),
                    "vacuumed and analysed",
                ]
            ),
            (before[name].chunks, after[name].chunks),
            (before[name].bytes, after[name].bytes),
        )
        for name in names
    ]


def _check_rights(connection: sa.Connection, access: Access) -> None:
    """Refuse a role that is not the tables' owner: the server would skip its VACUUM with no more than a warning."""
    strange = connection.execute(
        sa.text(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = :schema AND c.relkind = 'r' AND NOT pg_has_role(c.relowner, 'USAGE') "
            "AND NOT pg_has_role('pg_database_owner', 'USAGE') ORDER BY c.relname LIMIT 1"
        ),
        {"schema": access.schema},
    ).scalar_one_or_none()
    if strange is not None:
        raise StoreError(
            f"the tables cannot be compacted: table {strange} is another role's",
            where=str(access),
            hint="Who owns the tables may, and who is a member of the role that does, as a writer is.",
            next="btcframe db roles store=timescale …",
        )
