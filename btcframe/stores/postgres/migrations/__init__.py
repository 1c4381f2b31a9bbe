"""How the fixed tables of a schema come to this version: alembic, without a file of settings.

A revision is a file in `versions`, reviewed SQL, never edited after it is released; `schema_version.REVISIONS` lists them.
"""

from __future__ import annotations

import logging
import threading

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from btcframe.stores.postgres.schema_version import HEAD, REVISIONS, newer, revision

_ONE = threading.Lock()
"""alembic keeps what it works on in module variables, so one thread of a process migrates at a time."""


def upgrade(connection: sa.Connection, schema: str, to: str = HEAD) -> list[str]:
    """Run what is missing up to a revision, in the transaction of the connection; the schema must exist.

    The caller holds the lock of the schema.

    Returns
    -------
    list of str
        The revisions that were run, in order.

    Raises
    ------
    StoreError
        If a newer btcframe migrated the schema.
    """
    found = revision(connection, schema)
    if found and found not in REVISIONS:
        raise newer(found, schema)
    after = REVISIONS.index(found) + 1 if found else 0
    missing = list(REVISIONS[after : REVISIONS.index(to) + 1])
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every step, and so do we
    config = Config()
    config.set_main_option("script_location", "btcframe.stores.postgres:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, schema=schema)
    with _ONE:
        if found == REVISIONS[0]:  # perhaps made before there were migrations: then it is noted now
            command.stamp(config, found)
        if missing:
            command.upgrade(config, to)
    return missing
