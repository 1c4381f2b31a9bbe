"""`verify`, `status` and `compact` of the store on a server: what they find, and that they change nothing."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from database_servers import Postgres
from stores.every_row import START, read, rows, same

from btcframe.api import Administered, Verified
from btcframe.errors import StoreError
from btcframe.stores.postgres import status
from btcframe.stores.timescale import Timescale
from btcframe.types import NS

SQL = Callable[..., None]


@pytest.fixture
def built(plain: Timescale) -> Timescale:
    """Two sealed builds of different columns, and an open one."""
    plain.write("a", "t", rows(0, 100))
    plain.write("a", "u", rows(0, 50, name=pa.repeat("x", 50)))
    plain.seal("a", {"tables": {"t": 100, "u": 50}})
    plain.write("b", "t", rows(50, 100, g=pa.array(range(100), pa.float64())))
    plain.seal("b", {"tables": {"t": 100}})
    plain.write("open", "t", rows(0, 7))
    return plain


@pytest.fixture
def sql(built: Timescale, postgres_server: Postgres) -> SQL:
    """Runs statements as somebody who may do everything."""

    def run(*statements: str) -> None:
        with postgres_server.connect() as connection:
            for statement in statements:
                connection.execute(statement.replace("S.", f'"{built.schema}".'))  # type: ignore[arg-type]

    return run


def test_nothing_is_found_where_nothing_is_wrong(built: Timescale) -> None:
    assert isinstance(built, Administered)
    assert list(built.verify()) == [
        Verified("a", "t", 100, ()),
        Verified("a", "u", 50, ()),
        Verified("b", "t", 100, ()),
    ]
    assert list(built.verify("b")) == [Verified("b", "t", 100, ())]


def test_on_timescaledb(hyper: Timescale) -> None:
    hyper.write("a", "t", rows(0, 100, step=60 * NS))
    hyper.seal("a", {"tables": {"t": 100}})
    assert list(hyper.verify()) == [Verified("a", "t", 100, ())]
    (table,) = [t for t in hyper.status().tables if t.name == "t"]
    assert (table.rows, table.exact, table.packed) == (100, True, 0)
    assert table.pieces == 2  # 100 minutes in chunks of an hour
    assert "compress" in table.policies
    assert "2." in hyper.status().facts["TimescaleDB"]
    assert [c.pieces[0] for c in hyper.compact() if c.table == "t"] == [2]
    assert same(read(hyper, "a"), rows(0, 100, step=60 * NS))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM S.t WHERE build = 'a' AND f = 2", "it holds 99 rows, and 100 were sealed"),
        ("UPDATE S.t SET row_time = row_time + INTERVAL '1 us' WHERE build = 'a' AND f < 3",
         "8 rows have a row_time that is not their row_ns"),
        ("UPDATE S.t SET g = 1 WHERE build = 'a' AND f = 2", "1 rows have values in columns that the build does not have"),
        ("ALTER TABLE S.t DROP COLUMN f CASCADE", "column f is gone"),
        ("ALTER TABLE S.t DROP CONSTRAINT t_pkey; INSERT INTO S.t (build, row_time, row_ns, symbol, f) "
         "SELECT build, row_time, row_ns, symbol, f FROM S.t WHERE build = 'a' AND f = 2",
         "1 rows have a key that is there already"),
        ("DROP TABLE S.t", "it holds 0 rows, and 100 were sealed"),
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_what_is_wrong_is_found(built: Timescale, sql: SQL, statement: str, found: str) -> None:
    sql(*statement.split("; "))
    (table,) = [v for v in built.verify("a") if v.table == "t"]
    assert found in table.findings
    (other,) = [v for v in built.verify("a") if v.table == "u"]
    assert other.findings == ()
    assert built.status().builds  # which tells what it can, whatever is gone


def test_a_page_that_is_damaged(built: Timescale, sql: SQL, postgres_server: Postgres) -> None:
    """A bit flipped on the server's disk: data checksums, the default of PostgreSQL 18, tell."""
    sql("CHECKPOINT")
    with postgres_server.connect() as connection:
        asked = connection.execute("SELECT pg_relation_filepath(%s::regclass)", (f'"{built.schema}".t',))
        file = postgres_server._data / asked.fetchone()[0]  # type: ignore[index]
    postgres_server.stop()
    content = bytearray(file.read_bytes())
    content[5000] ^= 4
    file.write_bytes(content)
    postgres_server.start()
    (table,) = [v for v in built.verify("a") if v.table == "t"]
    (finding,) = table.findings
    assert finding.startswith("a page is damaged: ")
    assert [v.findings for v in built.verify("a") if v.table == "u"] == [()]


def test_builds_that_cannot_be_verified(built: Timescale) -> None:
    for name in ("c", "open"):
        with pytest.raises(StoreError, match=f"there is no whole build {name}"):
            built.verify(name)


def test_status_tells_rows_bytes_and_builds(built: Timescale, monkeypatch: pytest.MonkeyPatch) -> None:
    found = built.status()
    assert found.revision == found.head
    assert (
        found.facts["server"].startswith("PostgreSQL ")
        and "not in this database" in found.facts["TimescaleDB"]
    )
    counted = {t.name: (t.rows, t.exact, t.pieces) for t in found.tables}
    assert (
        counted["t"] == (207, True, 1) and counted["u"] == (50, True, 1) and counted["builds"] == (2, True, 1)
    )
    assert counted["fills"] == (0, True, 1) and all(t.bytes > 0 for t in found.tables)
    first, last = START + 123, START + 99 * NS + 123
    assert [(b.build, b.sealed, b.rows, b.first_ns, b.last_ns) for b in found.builds] == [
        ("a", True, 150, first, last),
        ("b", True, 100, first + 50 * NS, last + 50 * NS),
        ("open", False, 7, first, first + 6 * NS),
    ]
    built.compact()
    monkeypatch.setattr(status, "COUNTED", 0)  # as if every table were too large to count
    estimated = {t.name: (t.rows, t.exact) for t in built.status().tables}
    assert estimated["t"] == (207, False)


def test_compact_gives_back_what_deleted_rows_held(built: Timescale) -> None:
    built.write("gone", "t", rows(0, 20_000))
    built.discard("gone")
    (table,) = [c for c in built.compact() if c.table == "t"]
    assert table.bytes[1] < table.bytes[0] and table.pieces == (1, 1)
    assert same(read(built, "a"), rows(0, 100))
