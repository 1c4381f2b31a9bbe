"""Writing to a server: rows are counted in the transaction that writes them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from stores.every_row import read, rows, same

from btcframe.errors import StoreError
from btcframe.stores.postgres.connection import session
from btcframe.stores.records import TABLES
from btcframe.stores.timescale import Timescale


def counted(store: Timescale) -> dict[tuple[str, str], int]:
    """Rows by build and table, as the store keeps them."""
    with session(store._access(), "it cannot be read") as connection:
        found = connection.exec_driver_sql(
            f'SELECT build, table_name, rows FROM "{store.schema}".build_tables'
        )
        return {(build, table): n for build, table, n in found}


def test_every_new_row_is_counted_once(plain: Timescale) -> None:
    for first, n in ((0, 50), (0, 50), (30, 50), (200, 10), (100, 5)):
        plain.write("b", "t", rows(first, n))
    plain.write("b", "u", rows(0, 3, more=[1, 2, 3]))
    plain.write("b", "u", rows(0, 3))
    plain.write("other", "t", rows(0, 7))
    assert counted(plain) == {("b", "t"): 95, ("b", "u"): 3, ("other", "t"): 7}
    plain.discard("other")
    plain.write("other", "t", rows(0, 2))
    assert counted(plain)["other", "t"] == 2
    with pytest.raises(StoreError, match="t holds 95 rows, 96 were written"):
        plain.seal("b", {"tables": {"t": 96}})
    with pytest.raises(StoreError, match="v holds 0 rows, 1 were written"):
        plain.seal("b", {"tables": {"v": 1}})
    plain.seal("b", {"tables": {"t": 95, "u": 3}})


def test_a_batch_that_fails_counts_for_nothing(plain: Timescale) -> None:
    plain.write("b", "t", rows(0, 5))
    with pytest.raises(StoreError, match="row is too big"):
        plain.write("b", "t", rows(5, 5, **{f"c{j}": [1.0] * 5 for j in range(1200)}))
    assert counted(plain) == {("b", "t"): 5}


def test_rows_written_before_they_were_counted(plain: Timescale) -> None:
    """Of a sealed build the manifest says how many there are; those of an open one are counted when it is migrated."""
    plain.write("whole", "t", rows(0, 20))
    plain.seal("whole", {"tables": {"t": 20}})
    plain.write("open", "t", rows(0, 30))
    plain.write("open", "u", rows(0, 4))
    expected = counted(plain)
    with session(plain._access(), "it cannot be put back") as connection:
        connection.exec_driver_sql(f'SET LOCAL search_path = "{plain.schema}"')
        connection.exec_driver_sql("ALTER TABLE build_tables DROP COLUMN rows")
        connection.exec_driver_sql(f"DROP TABLE {', '.join(TABLES)}")
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(StoreError, match="is of revision 0001"):
        plain.builds()
    plain.migrate()
    assert counted(plain) == expected == {("whole", "t"): 20, ("open", "t"): 30, ("open", "u"): 4}
    plain.write("open", "t", rows(30, 1))
    plain.seal("open", {"tables": {"t": 31, "u": 4}})
    assert same(read(plain, "open"), rows(0, 31)) and same(read(plain, "whole"), rows(0, 20))
