"""Raw rows that are older than `store.keep_rows`: away with them, and what a build that has lost some still is.

TimescaleDB drops whole chunks by a policy of its own; on plain PostgreSQL `btcframe db compact` deletes the rows. Age
is counted by market time, so a build of an old market loses its raw rows at the next turn. Training tables keep all
theirs, and what is gone is known from them: both have a row for the same times.
"""

from __future__ import annotations

import datetime
from typing import NamedTuple

import sqlalchemy as sa
from psycopg import sql

from btcframe.stores.postgres import aggregates
from btcframe.stores.postgres.connection import driver
from btcframe.stores.postgres.hypertables import Layout, has_policies, has_timescale, retention_of

_TRAINING = "l2_training_data"


class Dropped(NamedTuple):
    """Raw rows that retention took from a build: how many, and the first row_ns that is left, None without any."""

    rows: int
    since_ns: int | None

    def __str__(self) -> str:
        if self.since_ns is None:
            return f"all {self.rows:,} rows were dropped by retention"
        time = datetime.datetime.fromtimestamp(self.since_ns // 1_000_000_000, datetime.UTC)
        return f"{self.rows:,} rows before {time:%Y-%m-%d %H:%M:%S} were dropped by retention"


def cut(connection: sa.Connection, schema: str, layout: Layout) -> int:
    """Delete the raw rows that are too old; how many there were: none where TimescaleDB has a policy for it."""
    if not layout.keep_us or not _exists(connection, schema, aggregates.TABLE):
        return 0
    if has_timescale(connection) and has_policies(connection):
        return 0
    statement = sql.SQL("DELETE FROM {} WHERE row_time < now() - %s").format(
        sql.Identifier(schema, aggregates.TABLE)
    )
    return driver(connection).execute(statement, (_keep(layout),)).rowcount


def dropped(
    connection: sa.Connection, schema: str, build: str, expected: int, layout: Layout
) -> Dropped | None:
    """Why a build has fewer raw rows than it was sealed with, if retention explains it.

    It does where the rows that are left are all those of the training table from one time on, and all that is older
    was old enough.

    Parameters
    ----------
    connection : Connection
    schema, build : str
    expected : int       raw rows that were written
    layout : Layout      for plain PostgreSQL, where nothing but the settings tells how old raw rows may be

    Returns
    -------
    Dropped or None
        None where rows are missing otherwise, or none is.
    """
    keep = retention_of(connection, schema, aggregates.TABLE) or (_keep(layout) if layout.keep_us else None)
    if keep is None or not _exists(connection, schema, _TRAINING):
        return None
    statement = sql.SQL(
        "WITH kept AS (SELECT min(row_ns) AS since, count(*) AS rows FROM {raw} WHERE build = %(build)s) "
        "SELECT kept.since, kept.rows, count(*), count(*) FILTER (WHERE kept.since <= row_ns), "
        "coalesce(max(row_time) FILTER (WHERE kept.since IS NULL OR row_ns < kept.since) < now() - %(keep)s, false) "
        "FROM {training}, kept WHERE build = %(build)s GROUP BY kept.since, kept.rows"
    ).format(raw=sql.Identifier(schema, aggregates.TABLE), training=sql.Identifier(schema, _TRAINING))
    found = driver(connection).execute(statement, {"build": build, "keep": keep}).fetchone()
    if found is None:
        return None
    since, rows, trained, trained_since, old = found
    if not old or trained != expected or trained_since != rows:
        return None
    return Dropped(expected - rows, since)


def _keep(layout: Layout) -> datetime.timedelta:
    return datetime.timedelta(microseconds=layout.keep_us)


def _exists(connection: sa.Connection, schema: str, table: str) -> bool:
    return bool(sa.inspect(connection).has_table(table, schema=schema))
