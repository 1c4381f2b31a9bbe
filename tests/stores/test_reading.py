"""Reading from a server: what a scan makes it do."""

from __future__ import annotations

import psycopg
import pyarrow as pa
import pytest
from stores.every_row import START, read, rows

from btcframe.stores.postgres.reading import question
from btcframe.stores.timescale import Timescale
from btcframe.types import NS

MINUTE = 60 * NS


def plan(store: Timescale, since: int | None = None, until: int | None = None) -> str:
    """What the server would do for a scan of column f of table t, build b."""
    with psycopg.connect(
        host=store.host, port=store.port, user=store.user, dbname=store.database
    ) as connection:
        connection.execute("SET LOCAL enable_sort = off")
        told = connection.execute(
            b"EXPLAIN " + question(store.schema, "b", "t", ["f"], since, until).as_bytes()
        )
        return "\n".join(line for (line,) in told)


def chunks(plan: str) -> int:
    """How many chunks it reads."""
    return sum("Scan" in line and "_hyper_" in line for line in plan.splitlines())


def test_a_ranged_scan_reads_only_the_chunks_it_is_in(hyper: Timescale) -> None:
    hyper.write("b", "t", rows(0, 300, step=MINUTE))  # five hours, chunk=1h
    hyper.seal("b", {"tables": {"t": 300}})
    hour = 60 * MINUTE
    assert chunks(plan(hyper)) == 5
    assert chunks(plan(hyper, START + hour, START + 3 * hour - 1)) == 2
    assert chunks(plan(hyper, since=START + 4 * hour)) == 1
    assert chunks(plan(hyper, until=START + hour)) == 2  # the microsecond that the bound is in belongs to it


def stamps(store: Timescale, since: int, until: int) -> list[int]:
    """row_ns of the rows in a range."""
    return [
        ns for batch in store.scan("b", "t", ["row_ns"], since, until) for ns in batch["row_ns"].to_pylist()
    ]


@pytest.mark.parametrize("first", [0, 59, 60, 61])
def test_bounds_are_exact_to_the_nanosecond(hyper: Timescale, first: int) -> None:
    hyper.write("b", "t", rows(0, 120, step=MINUTE))
    hyper.seal("b", {})
    stamp = START + first * MINUTE + 123
    assert stamps(hyper, stamp, stamp + 1) == [stamp]
    assert stamps(hyper, stamp - MINUTE + 1, stamp) == []
    assert stamps(hyper, stamp + 1, stamp + MINUTE) == []


def test_columns_that_are_null_throughout_and_texts_of_one_length(plain: Timescale) -> None:
    """What all rows of a piece have in common is read in one go; here one column of each kind is."""
    given = rows(
        0, 50, none=pa.nulls(50, pa.float64()), side=pa.array(["buy"] * 50), some=pa.array([1.5, None] * 25)
    )
    plain.write("b", "t", given)
    plain.seal("b", {})
    for columns in (["none"], ["side", "none", "f"], ["some", "side"], given.column_names):
        got = read(plain, "b", columns=columns)
        got.validate(full=True)
        assert repr(got.to_pydict()) == repr(given.select(columns).to_pydict())


def test_a_range_without_rows_gives_none(plain: Timescale) -> None:
    plain.write("b", "t", rows(0, 5))
    plain.seal("b", {})
    assert list(plain.scan("b", "t", since=START + 100 * NS)) == []
