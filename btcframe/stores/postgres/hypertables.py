"""What TimescaleDB adds to a table of rows: chunks, their compression, retention, and aggregates that it keeps.

`settle` brings one table to what the settings say, whatever they said before; a new table and `btcframe db migrate`
go the same way. The jobs that do it are TimescaleDB's own policies.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from psycopg import sql

from btcframe.errors import StoreError
from btcframe.stores.postgres import aggregates
from btcframe.stores.postgres.connection import driver
from btcframe.types import duration_name

_KEY = ("build", "row_ns", "symbol")


_WORDS = {
    "policy_refresh_continuous_aggregate": "refreshed",
    "policy_compression": "compressed",
    "policy_retention": "dropped",
}
"""TimescaleDB's policies, in the order in which they are run by hand: rows are aggregated before they go."""


class Layout(NamedTuple):
    """How tables of rows are kept.

    Parameters
    ----------
    chunk_us : int          microseconds that a chunk of a hypertable spans
    compress_us : int       age at which chunks are compressed; 0: never
    keep_us : int           age at which raw rows go; 0: never
    periods_us : tuple of int    lengths of the buckets of their aggregates
    refresh_us : int        how often TimescaleDB brings these up to date
    """

    chunk_us: int
    compress_us: int = 0
    keep_us: int = 0
    periods_us: tuple[int, ...] = ()
    refresh_us: int = 600_000_000


def has_timescale(connection: sa.Connection) -> bool:
    """Whether the database has the extension."""
    return _one(connection, "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')") is True


def has_policies(connection: sa.Connection) -> bool:
    """Whether it has all of TimescaleDB: the edition under Apache's licence has chunks and no more."""
    return bool(_one(connection, "SELECT current_setting('timescaledb.license', true)") == "timescale")


def apply(connection: sa.Connection, schema: str, layout: Layout) -> list[str]:
    """Bring every table of rows to what the settings say; what was done, a line each.

    A table that was made before the extension becomes a hypertable, which copies its rows and keeps others out
    meanwhile. Nothing that holds data is dropped: chunks keep their length and stay compressed, and an aggregate that
    the settings do not name any more stays as it is.

    Raises
    ------
    StoreError
        If the server's TimescaleDB cannot do what the settings ask for.
    """
    tables = driver(connection).execute(
        "SELECT c.table_name FROM information_schema.columns c JOIN information_schema.tables t "
        "USING (table_schema, table_name) WHERE table_schema = %s AND t.table_type = 'BASE TABLE' "
        "AND c.column_name IN ('build', 'row_ns', 'symbol', 'row_time') "
        "GROUP BY c.table_name HAVING count(*) = 4 ORDER BY c.table_name",
        (schema,),
    )
    return [line for (table,) in tables.fetchall() for line in settle(connection, schema, table, layout)]


def check_possible(connection: sa.Connection, schema: str, layout: Layout) -> None:
    """Refuse settings that ask for what the server cannot do. Raises StoreError."""
    if not layout.compress_us:
        return
    if has_timescale(connection):
        if has_policies(connection):
            return
        raise StoreError(
            "store.compress_after needs the community edition of TimescaleDB; the server's is the Apache one",
            where=f"schema {schema}",
            hint="It has chunks, but no compression, policies and continuous aggregates.",
            next="Install timescaledb under its own licence on the server, or leave compress_after empty.",
        )
    raise StoreError(
        "store.compress_after needs TimescaleDB, which this database does not have",
        where=f"schema {schema}",
        hint="Plain PostgreSQL keeps rows as they are.",
        next="CREATE EXTENSION timescaledb, as a superuser, or leave compress_after empty.",
    )


def settle(connection: sa.Connection, schema: str, table: str, layout: Layout) -> list[str]:
    """Bring one table to what the settings say; what was done, a line each."""
    check_possible(connection, schema, layout)
    done: list[str] = []
    if has_timescale(connection):
        done += _chunks(connection, schema, table, layout)
        if has_policies(connection):
            done += _compression(connection, schema, table, layout)
            if table == aggregates.TABLE:
                done += _policy(connection, schema, table, "retention", "drop_after", layout.keep_us)
    if table == aggregates.TABLE:
        done += _aggregates(connection, schema, layout)
    return [f"{table}: {what}" for what in done]


def policies(connection: sa.Connection, schema: str, table: str) -> str:
    """What is done to a table and its aggregates by itself, in words; "" for nothing."""
    return ", ".join(job.words for job in _jobs(connection, schema, table))


def due(connection: sa.Connection, schema: str, table: str) -> list[int]:
    """The jobs of a table and its aggregates, for `CALL run_job`, in the order in which nothing is lost."""
    return [job.id for job in _jobs(connection, schema, table)]


def retention_of(connection: sa.Connection, schema: str, table: str) -> datetime.timedelta | None:
    """The age at which a table's chunks go; None: never."""
    ages = [job.age for job in _jobs(connection, schema, table) if job.kind == "policy_retention"]
    return ages[0] if ages else None


# ----------------------------------------------------------------------------------------------------- steps


def _chunks(connection: sa.Connection, schema: str, table: str, layout: Layout) -> list[str]:
    name, chunk = _quoted(connection, schema, table), _interval(layout.chunk_us)
    if not _is_hypertable(connection, schema, table):
        # the key must have the time that the table is cut by; row_ns decides it, so the key is the same
        _change(
            connection, "ALTER TABLE {} DROP CONSTRAINT {}", (schema, table), (_primary(connection, name),)
        )
        _change(
            connection,
            f"ALTER TABLE {{}} ADD PRIMARY KEY ({', '.join((*_KEY, 'row_time'))})",
            (schema, table),
        )
        _one(
            connection,
            "SELECT create_hypertable(%s::regclass, by_range('row_time', %s), migrate_data => true)::text",
            name,
            chunk,
        )
        return ["is a hypertable"]
    span = _one(
        connection,
        "SELECT time_interval FROM timescaledb_information.dimensions "
        "WHERE hypertable_schema = %s AND hypertable_name = %s AND column_name = 'row_time'",
        schema,
        table,
    )
    if span == chunk:
        return []
    _one(connection, "SELECT set_chunk_time_interval(%s::regclass, %s)::text", name, chunk)
    return [f"new chunks span {_text(chunk)}"]


def _compression(connection: sa.Connection, schema: str, table: str, layout: Layout) -> list[str]:
    enabled = _one(
        connection,
        "SELECT compression_enabled FROM timescaledb_information.hypertables "
        "WHERE hypertable_schema = %s AND hypertable_name = %s",
        schema,
        table,
    )
    if layout.compress_us and not enabled:
        _change(
            connection,
            "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = 'build, symbol', "
            "timescaledb.compress_orderby = 'row_ns')",
            (schema, table),
        )
    return _policy(connection, schema, table, "compression", "compress_after", layout.compress_us)


def _policy(
    connection: sa.Connection, schema: str, table: str, kind: str, field: str, wanted_us: int
) -> list[str]:
    """A policy that does something to chunks of an age; 0: none.

    One of another role than the table's owner, who may not run it, is made anew.
    """
    name, wanted = _quoted(connection, schema, table), _interval(wanted_us) if wanted_us else None
    have, ours = _row(
        connection,
        "SELECT (config ->> %s)::interval, owner = (SELECT relowner FROM pg_class WHERE oid = %s::regclass) "
        "FROM timescaledb_information.jobs "
        "WHERE hypertable_schema = %s AND hypertable_name = %s AND proc_name = %s",
        field,
        name,
        schema,
        table,
        f"policy_{kind}",
    ) or (None, True)
    if have == wanted and ours:
        return []
    if have is not None:
        _one(connection, f"SELECT remove_{kind}_policy(%s::regclass)::text", name)
    if wanted is None:
        return [f"no {kind} any more"]
    _one(connection, f"SELECT add_{kind}_policy(%s::regclass, %s)::text", name, wanted)
    return [f"{kind} of chunks older than {_text(wanted)}"]


def _aggregates(connection: sa.Connection, schema: str, layout: Layout) -> list[str]:
    there = _columns(connection, schema, aggregates.TABLE)
    if not there.issuperset(aggregates.NEEDED):  # somebody's own table of this name
        return []
    continuous = has_timescale(connection) and has_policies(connection)
    done: list[str] = []
    for period_us in layout.periods_us:
        name = aggregates.name_of(period_us)
        kind = _kind_of(connection, schema, name)
        if kind == "view" and continuous:
            _change(connection, "DROP VIEW {}", (schema, name))
            kind = ""
        if not kind:
            head = "CREATE VIEW {} AS "
            if continuous:
                head = (
                    "CREATE MATERIALIZED VIEW {} WITH (timescaledb.continuous, "
                    "timescaledb.materialized_only = false) AS "
                )
            query = aggregates.definition("{}", period_us, continuous=continuous)
            tail = " WITH NO DATA" if continuous else ""
            _change(connection, head + query + tail, (schema, name), (schema, aggregates.TABLE))
            done.append(f"{name} is a {'continuous aggregate' if continuous else 'view'}")
        if continuous:
            done += _refresh(connection, schema, name, period_us, layout)
    return done


def _refresh(connection: sa.Connection, schema: str, name: str, period_us: int, layout: Layout) -> list[str]:
    """The policy that keeps an aggregate up to date.

    Where raw rows go, it looks only at what they still cover: to refresh a bucket without rows would empty it.
    """
    since = _interval(layout.keep_us) if layout.keep_us else None
    wanted = (since, _interval(period_us), _interval(layout.refresh_us))
    relation = _quoted(connection, schema, name)
    have = _row(
        connection,
        "SELECT (config ->> 'start_offset')::interval, (config ->> 'end_offset')::interval, schedule_interval, "
        "owner = (SELECT relowner FROM pg_class WHERE oid = %s::regclass) "
        "FROM timescaledb_information.jobs WHERE hypertable_schema = %s AND hypertable_name = %s "
        "AND proc_name = 'policy_refresh_continuous_aggregate'",
        relation,
        schema,
        name,
    )
    if have == (*wanted, True):
        return []
    if have:
        _one(connection, "SELECT remove_continuous_aggregate_policy(%s::regclass)::text", relation)
    _one(
        connection,
        "SELECT add_continuous_aggregate_policy(%s::regclass, %s::interval, %s, %s)::text",
        relation,
        *wanted,
    )
    return [f"{name} is refreshed every {_text(wanted[2])}"]


# -------------------------------------------------------------------------------------------------- questions


class _Job(NamedTuple):
    """A policy: its number, which it is, of which table or view, how often it runs, and from which age on."""

    id: int
    kind: str
    of: str
    every: datetime.timedelta
    age: datetime.timedelta | None

    @property
    def words(self) -> str:
        if self.age is None:
            return f"{self.of} {_WORDS[self.kind]} every {_text(self.every)}"
        return f"{_WORDS[self.kind]} after {_text(self.age)}"


def _jobs(connection: sa.Connection, schema: str, table: str) -> list[_Job]:
    """The policies of a table and of its aggregates, in the order of `_WORDS`."""
    if not has_timescale(connection):
        return []
    found = driver(connection).execute(
        "SELECT job_id, proc_name, hypertable_name, schedule_interval, "
        "coalesce(config ->> 'compress_after', config ->> 'drop_after')::interval "
        "FROM timescaledb_information.jobs WHERE hypertable_schema = %s AND proc_name = ANY(%s) "
        "AND (hypertable_name = %s OR hypertable_name IN (SELECT view_name "
        "FROM timescaledb_information.continuous_aggregates WHERE hypertable_schema = %s AND hypertable_name = %s)) "
        "ORDER BY array_position(%s::text[], proc_name::text), job_id",
        (schema, list(_WORDS), table, schema, table, list(_WORDS)),
    )
    return [_Job(*job) for job in found]


def _is_hypertable(connection: sa.Connection, schema: str, table: str) -> bool:
    return _kind_in(connection, "hypertables", "hypertable_schema", "hypertable_name", schema, table)


def _kind_of(connection: sa.Connection, schema: str, name: str) -> str:
    """Whether it is a "view" or a "continuous" one; "" where there is none of this name."""
    if has_timescale(connection) and _kind_in(
        connection, "continuous_aggregates", "view_schema", "view_name", schema, name
    ):
        return "continuous"
    known = "SELECT EXISTS (SELECT FROM pg_views WHERE schemaname = %s AND viewname = %s)"
    return "view" if _one(connection, known, schema, name) else ""


def _kind_in(connection: sa.Connection, view: str, *columns_and_values: str) -> bool:
    of_schema, of_name, schema, name = columns_and_values
    asked = f"SELECT EXISTS (SELECT FROM timescaledb_information.{view} WHERE {of_schema} = %s AND {of_name} = %s)"
    return _one(connection, asked, schema, name) is True


def _columns(connection: sa.Connection, schema: str, table: str) -> set[str]:
    found = driver(connection).execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
        (schema, table),
    )
    return {name for (name,) in found}


def _primary(connection: sa.Connection, name: str) -> str:
    """The name of a table's primary key."""
    asked = "SELECT conname::text FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'"
    return str(_one(connection, asked, name))


def _quoted(connection: sa.Connection, schema: str, name: str) -> str:
    """A relation's name as the server reads it."""
    return sql.Identifier(schema, name).as_string(driver(connection))


def _interval(us: int) -> datetime.timedelta:
    return datetime.timedelta(microseconds=us)


def _text(interval: datetime.timedelta) -> str:
    """As settings have it: 7d."""
    return duration_name(interval // datetime.timedelta(microseconds=1) * 1000)


def _change(connection: sa.Connection, statement: str, *names: Sequence[str]) -> None:
    """A statement with names in it."""
    driver(connection).execute(sql.SQL(statement).format(*(sql.Identifier(*name) for name in names)))


def _row(connection: sa.Connection, statement: str, *values: Any) -> tuple[Any, ...]:
    """The first row of an answer; () where it has none."""
    return driver(connection).execute(statement, values).fetchone() or ()


def _one(connection: sa.Connection, statement: str, *values: Any) -> Any:
    """The first value of an answer; None where it has none."""
    return next(iter(_row(connection, statement, *values)), None)
