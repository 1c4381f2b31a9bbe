"""Raw rows by the minute and the hour: the same numbers on both servers, and those of NumPy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import psycopg
import pytest
from stores.every_row import START

from btcframe.learning.stored_rows import TABLE, to_table
from btcframe.stores.postgres import aggregates
from btcframe.stores.timescale import Timescale
from btcframe.types import NS, ROW, RowArray, RowFlag

COLUMNS = (
    "open", "high", "low", "close", "spread_mean", "spread_max", "bid_depth", "ask_depth", "quality", "volume", "rows",
)  # fmt: skip


def market(n: int, seed: int = 7, step: int = NS, since: int = START) -> RowArray:
    """ROW[n] of a market with every kind of hole in it."""
    random = np.random.default_rng(seed)
    rows = np.zeros(n, ROW)
    rows["row_ns"] = since + step * np.arange(1, n + 1) + 7
    for field in ROW.names or ():
        if ROW[field].base.kind == "f":
            rows[field] = random.uniform(1, 9, rows[field].shape)
    rows["mid"] = 100 + np.cumsum(random.normal(size=n))
    rows["mid_high"], rows["mid_low"] = rows["mid"] + 0.5, rows["mid"] - 0.5
    rows["bid_px"] = rows["mid"][:, None] - random.uniform(0.1, 1, (n, 1)) - np.arange(20)
    rows["ask_px"] = rows["mid"][:, None] + random.uniform(0.1, 1, (n, 1)) + np.arange(20)
    whole = np.ones(n, bool)
    for flag, holes in (
        (RowFlag.GAP, ("mid", "mid_high", "mid_low", "bid_px", "bid_sz", "ask_px", "ask_sz", "buy_volume", "sell_volume")),
        (RowFlag.PARTIAL, ("mid_high", "mid_low", "buy_volume", "sell_volume")),
        (RowFlag.CROSSED, ("mid", "bid_px", "ask_px", "bid_sz", "ask_sz")),
        (RowFlag.ONE_SIDED, ("mid", "ask_px", "ask_sz")),
        (RowFlag.BAR | RowFlag.NO_EVENTS, ("bid_px", "ask_px", "bid_sz", "ask_sz", "mid_high", "mid_low")),
        (RowFlag.NO_EVENTS, ()),
    ):  # fmt: skip
        chosen = whole & (random.random(n) < 0.08)
        whole &= ~chosen
        rows["flags"][chosen] = int(flag)
        for field in holes:
            rows[field][chosen] = np.nan
    rows["bid_sz"][::5, 7:] = np.nan  # a thin book
    gap = slice(n // 2, n // 2 + 3600 * NS // step)  # an hour without anything
    rows["flags"][gap] = int(RowFlag.GAP)
    for field in ROW.names or ():
        if ROW[field].base.kind == "f":
            rows[field][gap] = np.nan
    return rows


def reference(rows: RowArray, period_ns: int) -> dict[int, dict[str, float | None]]:
    """The aggregates, bucket by bucket in seconds since 1970, as one would say them."""
    found: dict[int, dict[str, float | None]] = {}
    buckets = rows["row_ns"] // period_ns
    for bucket in np.unique(buckets):
        r = rows[buckets == bucket]
        mid = r["mid"][~np.isnan(r["mid"])]
        spread = 1e4 * (r["ask_px"][:, 0] - r["bid_px"][:, 0]) / r["mid"]
        volume = r["buy_volume"] + r["sell_volume"]
        depth = {
            side: np.nansum(r[f"{side}_sz"], axis=1)[~np.isnan(r[f"{side}_sz"][:, 0])]
            for side in ("bid", "ask")
        }

        def known(values: Any, how: Any) -> float | None:
            values = values[~np.isnan(values)]
            return float(how(values)) if len(values) else None

        found[int(bucket * period_ns // NS)] = {
            "open": float(mid[0]) if len(mid) else None,
            "high": known(np.concatenate([mid, r["mid_high"]]), np.max),
            "low": known(np.concatenate([mid, r["mid_low"]]), np.min),
            "close": float(mid[-1]) if len(mid) else None,
            "spread_mean": known(spread, np.mean),
            "spread_max": known(spread, np.max),
            "bid_depth": known(depth["bid"], np.mean),
            "ask_depth": known(depth["ask"], np.mean),
            "quality": known(r["quality"], np.mean),
            "volume": known(volume, np.sum),
            "rows": len(r),
        }
    return found


def connect(store: Timescale) -> psycopg.Connection:
    return psycopg.connect(
        host=store.host,
        port=store.port,
        user=store.user,
        dbname=store.database,
        sslmode="disable",
        autocommit=True,
    )


def read(store: Timescale, view: str, build: str, symbol: str = "BTC/USDT:USDT") -> dict[int, dict[str, Any]]:
    asked = (
        f'SELECT extract(epoch FROM bucket)::bigint, {", ".join(COLUMNS)} FROM "{store.schema}".{view} '
        "WHERE build = %s AND symbol = %s ORDER BY bucket"
    )
    with connect(store) as connection:
        found = connection.execute(asked, (build, symbol)).fetchall()  # type: ignore[arg-type]
    return {bucket: dict(zip(COLUMNS, values, strict=True)) for bucket, *values in found}


def check(found: dict[int, dict[str, Any]], expected: dict[int, dict[str, float | None]]) -> None:
    assert list(found) == list(expected)
    for bucket, values in expected.items():
        for name, value in values.items():
            assert found[bucket][name] == (None if value is None else pytest.approx(value, rel=1e-12)), (
                bucket,
                name,
            )


@pytest.fixture(params=["plain", "hyper"])
def server(request: pytest.FixtureRequest) -> Timescale:
    """An empty store on either server."""
    store: Timescale = request.getfixturevalue(request.param)
    return store


def refresh(store: Timescale) -> None:
    """What TimescaleDB's job does, for a server that has no background workers."""
    with connect(store) as connection:
        for (job,) in connection.execute(
            "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_schema = %s "
            "AND proc_name = 'policy_refresh_continuous_aggregate'",
            (store.schema,),
        ).fetchall():
            connection.execute("CALL run_job(%s)", (job,))


def test_minutes_and_hours_are_those_of_numpy_on_both_servers(server: Timescale) -> None:
    rows, other = market(9000), market(500, seed=8, step=NS // 2)
    server.write("b", TABLE, to_table(rows, "BTC/USDT:USDT"))
    server.write("b", TABLE, to_table(other, "ETH/USDT:USDT"))
    server.write("c", TABLE, to_table(other, "BTC/USDT:USDT"))
    for view, period in (("l2_rows_1m", 60 * NS), ("l2_rows_1h", 3600 * NS)):
        expected = reference(rows, period)
        assert any(bucket["open"] is None for bucket in expected.values()) == (view == "l2_rows_1m")
        check(read(server, view, "b"), expected)
        check(read(server, view, "b", "ETH/USDT:USDT"), reference(other, period))
        check(read(server, view, "c"), reference(other, period))


def test_rows_that_come_later_are_seen_at_once_or_after_the_next_refresh(hyper: Timescale) -> None:
    """Newer ones at once: the view adds what is not aggregated yet. Older ones, of another build, after a refresh."""
    # a bucket that only begins with the last row is brought in by the refresh after the next: none ends so here
    first, then = market(3010), market(3000, since=START + 3010 * NS)
    hyper.write("b", TABLE, to_table(first, "BTC/USDT:USDT"))
    refresh(hyper)
    with connect(hyper) as connection:
        kept = "SELECT count(*) FROM {} WHERE build = 'b'".format(
            *connection.execute(
                "SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name) "
                "FROM timescaledb_information.continuous_aggregates WHERE view_schema = %s AND view_name = 'l2_rows_1m'",
                (hyper.schema,),
            ).fetchone()  # type: ignore[misc]
        )
        assert connection.execute(kept).fetchone() == (len(reference(first, 60 * NS)),)  # type: ignore[arg-type]
    hyper.write("b", TABLE, to_table(then, "BTC/USDT:USDT"))
    refresh(hyper)
    check(read(hyper, "l2_rows_1m", "b"), reference(np.concatenate([first, then]), 60 * NS))
    hyper.write("older", TABLE, to_table(first, "BTC/USDT:USDT"))
    assert read(hyper, "l2_rows_1m", "older") == {}
    refresh(hyper)
    check(read(hyper, "l2_rows_1m", "older"), reference(first, 60 * NS))


def test_a_table_of_that_name_with_other_columns_has_none(server: Timescale) -> None:
    server.write("b", TABLE, to_table(market(10), "BTC").select(["row_ns", "symbol", "mid"]))
    with connect(server) as connection:
        asked = "SELECT count(*) FROM pg_views WHERE schemaname = %s"
        assert connection.execute(asked, (server.schema,)).fetchone() == (0,)


def test_which_there_are_is_a_setting(server: Timescale) -> None:
    dataclasses.replace(server, aggregates=("5m", "2d")).write(
        "b", TABLE, to_table(market(4000), "BTC/USDT:USDT")
    )
    check(read(server, "l2_rows_5m", "b"), reference(market(4000), 300 * NS))
    with connect(server) as connection:
        names = connection.execute(
            "SELECT viewname FROM pg_views WHERE schemaname = %s ORDER BY 1", (server.schema,)
        ).fetchall()
    assert names == [("l2_rows_2d",), ("l2_rows_5m",)]


def test_all_columns_that_are_read_are_columns_of_raw_rows() -> None:
    assert set(aggregates.NEEDED) <= set(to_table(market(1), "x").column_names)
    assert aggregates.TABLE == TABLE
