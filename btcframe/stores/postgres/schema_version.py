"""Which revision of the fixed tables a schema has; how it comes to this one is in `migrations`.

*Architecture Invariant*: no alembic here. Whoever reads or writes asks `ready`, two small queries.
"""

from __future__ import annotations

import sqlalchemy as sa

from btcframe.errors import StoreError

REVISIONS = ("0001", "0002", "0003")
"""In order; a file each in migrations/versions."""

HEAD = REVISIONS[-1]
"""What this btcframe reads and writes."""

VERSION_TABLE = "alembic_version"


def revision(connection: sa.Connection, schema: str) -> str:
    """The revision of a schema; "" where it holds nothing of ours."""
    there = connection.execute(
        sa.text(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = :schema AND c.relname IN ('builds', :version)"
        ),
        {"schema": schema, "version": VERSION_TABLE},
    )
    names = set(there.scalars())
    if VERSION_TABLE not in names:
        return REVISIONS[0] if "builds" in names else ""  # made before there were migrations
    version = sa.table(VERSION_TABLE, sa.column("version_num"), schema=schema)
    return str(connection.execute(sa.select(version.c.version_num)).scalar_one_or_none() or "")


def ready(connection: sa.Connection, schema: str) -> bool:
    """Whether the schema is made, and of this revision; False where it holds nothing of ours.

    Raises
    ------
    StoreError
        If an older or a newer btcframe made it.
    """
    found = revision(connection, schema)
    check(found, schema)
    return found == HEAD


def check(found: str, schema: str) -> None:
    """Raise StoreError for a revision that this btcframe does not read: an older one, or one it does not know."""
    if found in ("", HEAD):
        return
    if found in REVISIONS:
        raise StoreError(
            f"schema {schema} is of revision {found}, and this btcframe needs {HEAD}",
            hint="It is brought there with all its rows, in one transaction.",
            next=f"btcframe db migrate store=timescale store.schema={schema} …",
        )
    raise newer(found, schema)


def newer(found: str, schema: str) -> StoreError:
    """What to say of a revision from the future."""
    return StoreError(
        f"schema {schema} is of revision {found}, which this btcframe does not know: it is too old for it",
        hint=f"It knows up to {HEAD}; a newer btcframe migrated the schema.",
        next="pip install --upgrade 'btcframe[timescale]', or use another schema: store.schema=…",
    )
