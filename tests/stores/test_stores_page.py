"""docs/stores.md: its SQL runs on both servers, on a schema with a run in it, and its backup comes back."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from database_servers import Postgres
from stores.every_row import START, read, rows, same
from stores.test_aggregates import connect, market

from btcframe.learning.stored_rows import to_table
from btcframe.stores.records import TABLES
from btcframe.stores.timescale import Timescale
from btcframe.types import NS

PAGE = (Path(__file__).parents[2] / "docs/stores.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def queries(block: str) -> Iterator[str]:
    """The statements of a block, with what Grafana puts into them."""
    lines = "\n".join(line for line in block.splitlines() if not line.startswith("--"))
    for statement in filter(str.strip, lines.split(";")):
        timed = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN '2024-07-18' AND '2024-07-19'", statement)
        yield timed.replace("$build", "b").replace("$run", "r")


def one_of_each(schema: pa.Schema) -> pa.Table:
    """A row of a table of records."""
    values: dict[str, Any] = {"string": "x", "int64": START, "double": 0.5, "bool": True}
    row = {field.name: [values[str(field.type)]] for field in schema}
    row |= {"n": [0]} | ({"manifest": ["{}"]} if "manifest" in row else {})
    return pa.table(row, schema).drop_columns("run")


@pytest.fixture(params=["plain", "hyper"])
def store(request: pytest.FixtureRequest) -> Timescale:
    """A build with all its tables and a run with all its records, on either server, in a schema as by default."""
    made: Timescale = request.getfixturevalue(request.param)
    raw = to_table(market(120), "BTC/USDT:USDT")
    kept = raw.select(["row_ns", "symbol", "mid"])
    ones = pa.array(np.ones(120))
    made.write("b", "l2_rows", raw)
    made.write("b", "l2_training_data", kept.append_column("quality", ones).append_column("spread_bps", ones))
    made.write(
        "b",
        "truth",
        kept.select(["row_ns", "symbol"]).append_column("regime", ones).append_column("latent", ones),
    )
    made.seal("b", {"symbol": "BTC/USDT:USDT", "summary": {"rows": 120}})
    for table, schema in TABLES.items():
        made.record("r", table, one_of_each(schema))
    return made


def test_every_query_of_the_page_runs_and_finds_something(store: Timescale) -> None:
    with connect(store) as connection:
        asked = [
            query
            for block in BLOCKS
            for query in queries(block)
            if "DELETE" not in query and "SELECT" in query
        ]
        assert len(asked) >= 13
        for query in asked:
            found = connection.execute(query.replace("btcframe.", f'"{store.schema}".')).fetchall()  # type: ignore[arg-type]
            assert found, query
    assert all(
        f"btcframe.{table}" in PAGE for table in (*TABLES, "builds", "l2_training_data", "truth", "l2_rows")
    )


def test_a_build_goes_as_the_page_says(store: Timescale) -> None:
    store.write("other", "l2_rows", to_table(market(10), "BTC/USDT:USDT"))
    (block,) = (block for block in BLOCKS if "DELETE" in block)
    with connect(store) as connection:
        for query in queries(block):
            connection.execute(query.replace("btcframe.", f'"{store.schema}".'))  # type: ignore[arg-type]
        left = f'SELECT DISTINCT build FROM "{store.schema}".l2_rows'
        assert connection.execute(left).fetchall() == [("other",)]  # type: ignore[arg-type]
    assert store.builds() == {}


def test_a_schema_that_was_dumped_comes_back(
    plain: Timescale, postgres_server: Postgres, tmp_path: Path
) -> None:
    plain.write("b", "t", rows(0, 1000, step=NS))
    plain.seal("b", {"tables": {"t": 1000}})
    programs = postgres_server._programs
    where = ["-h", "127.0.0.1", "-p", str(plain.port), "-U", "postgres"]
    dump = tmp_path / "dump"
    subprocess.run(
        [programs / "pg_dump", *where, "-Fc", "-n", f'"{plain.schema}"', "-f", dump, "postgres"], check=True
    )
    with postgres_server.connect() as connection:
        connection.execute("CREATE DATABASE restored")
    try:
        subprocess.run([programs / "pg_restore", *where, "-d", "restored", dump], check=True)
        restored = dataclasses.replace(plain, database="restored")
        assert same(read(restored, "b"), rows(0, 1000, step=NS))
        assert [found.findings for found in restored.verify()] == [()]
    finally:
        with postgres_server.connect() as connection:
            connection.execute("DROP DATABASE restored")
