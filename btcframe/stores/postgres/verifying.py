"""`btcframe db verify` on a server: every table of a build, read by the server in the order of its key, in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from btcframe.api import Verified
from btcframe.errors import StoreError, did_you_mean
from btcframe.stores.postgres.aggregates import TABLE as RAW
from btcframe.stores.postgres.builds import manifests, written
from btcframe.stores.postgres.catalogue import OURS, columns_of
from btcframe.stores.postgres.connection import Access, session
from btcframe.stores.postgres.hypertables import Layout
from btcframe.stores.postgres.retention import dropped
from btcframe.stores.postgres.schema_version import ready

_DAMAGED = {"XX001": "a page is damaged", "XX002": "an index is damaged", "58030": "the disk fails"}
"""By SQLSTATE: what the server says of rows that it cannot read. Source: PostgreSQL documentation, appendix A."""


def verify(access: Access, build: str | None, layout: Layout) -> Iterator[Verified]:
    """Compare every table of one sealed build, or of all, with what was sealed.

    Raises
    ------
    StoreError
        If there is no such build, or it is not sealed.
    """
    with session(access, "the list of builds cannot be read") as connection:
        if not ready(connection, access.schema):
            raise StoreError(
                "there is nothing to verify yet", where=str(access), next="Make it: btcframe db init …"
            )
        sealed = manifests(connection, access.schema)
    if build is not None and build not in sealed:
        raise StoreError(
            f"there is no whole build {build}",
            where=str(access),
            hint=did_you_mean(build, sealed) or "This store holds no build yet.",
            next="btcframe db status store=timescale …",
        )
    return (
        verified
        for name in (sealed if build is None else [build])
        for verified in _build(access, name, sealed[name], layout)
    )


def _build(access: Access, build: str, manifest: dict[str, object], layout: Layout) -> Iterator[Verified]:
    with session(access, f"build {build} cannot be looked up") as connection:
        columns = written(connection, access.schema, build)
    counts = manifest.get("tables")
    expected = counts if isinstance(counts, dict) else {}
    for table in dict.fromkeys([*columns, *expected]):
        yield _table(access, build, table, columns.get(table, []), expected.get(table), layout)


def _table(
    access: Access, build: str, table: str, columns: Sequence[str], sealed: int | None, layout: Layout
) -> Verified:
    # a build may be read for longer than a batch is written
    with session(access._replace(statement_ms=0), f"table {table} cannot be read") as connection:
        there = columns_of(connection, access.schema, table)
        findings = [f"column {name} is gone" for name in columns if name not in there]
        rows = 0
        if there:
            strange = [name for name in there if name not in (*columns, *OURS)]
            try:
                with connection.begin_nested():
                    rows, found = _pass(connection, access.schema, build, table, strange)
            except sa.exc.DBAPIError as error:
                code = getattr(error.orig, "sqlstate", None)
                if code not in _DAMAGED:
                    raise
                return Verified(build, table, 0, (*findings, f"{_DAMAGED[code]}: {error.orig}"))
            findings += found
        gone = None
        if sealed is not None and rows != sealed:
            if table == RAW:
                gone = dropped(connection, access.schema, build, sealed, layout)
            if gone is None:
                findings.append(f"it holds {rows:,} rows, and {sealed:,} were sealed")
        return Verified(build, table, rows, tuple(findings), str(gone or ""))


def _pass(
    connection: sa.Connection, schema: str, build: str, table: str, strange: Sequence[str]
) -> tuple[int, list[str]]:
    """Rows of the build, and what is wrong with them. `strange` are the columns that the build does not have."""
    quote = connection.dialect.identifier_preparer
    name = quote.format_table(sa.table(table, schema=schema))
    values = ", ".join(quote.quote_identifier(column) for column in strange)
    connection.exec_driver_sql("SET LOCAL enable_sort = off")  # the key's index has the order
    counted = connection.exec_driver_sql(
        f"""
        SELECT count(*),
            count(*) FILTER (WHERE row_time <> TIMESTAMPTZ 'epoch' + floor(row_ns / 1000.0)::bigint * INTERVAL '1 us'),
            count(*) FILTER (WHERE twice),
            count(*) FILTER (WHERE strange)
        FROM (
            SELECT row_ns, row_time,
                (row_ns, symbol) = lag((row_ns, symbol)) OVER (ORDER BY row_ns, symbol) AS twice,
                {f"NOT (ROW({values}) IS NULL)" if strange else "false"} AS strange
            FROM {name} WHERE build = %(build)s
        ) AS ordered
        """,
        {"build": build},
    )
    rows, time, twice, foreign = map(int, counted.one())
    found = {
        "have a row_time that is not their row_ns": time,
        "have a key that is there already": twice,
        "have values in columns that the build does not have": foreign,
    }
    return rows, [f"{n:,} rows {what}" for what, n in found.items() if n]
