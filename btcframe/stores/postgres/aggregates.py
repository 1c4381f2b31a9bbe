"""Raw rows by the minute and by the hour, for dashboards: open, high, low and close of the mid, spread, depth, quality.

One definition for every server: on TimescaleDB a continuous aggregate, kept up to date by a job of the server and
completed by the rows that came since; elsewhere a plain view of the same name, columns and numbers, computed when it
is asked for.

A bucket of the time b and the length p has the rows with b <= row_time < b + p. A row is stamped with its end.
"""

from __future__ import annotations

from collections.abc import Iterable

from btcframe.types import LEVELS, duration_name

TABLE = "l2_rows"
"""The table that is aggregated; `btcframe.learning.stored_rows` has its columns."""

_SIZES = {side: [f"{side}_sz_{k}" for k in range(1, LEVELS + 1)] for side in ("bid", "ask")}

NEEDED = (
    "flags", "mid", "mid_high", "mid_low", "bid_px_1", "ask_px_1", "buy_volume", "sell_volume", "quality",
    *_SIZES["bid"], *_SIZES["ask"],
)  # fmt: skip
"""Columns without which there is nothing to aggregate."""


def name_of(period_us: int) -> str:
    """Of the aggregate of a period: l2_rows_1m."""
    return f"{TABLE}_{duration_name(1000 * period_us)}"


def definition(source: str, period_us: int, *, continuous: bool) -> str:
    """The query of an aggregate.

    A number that a row does not have (NaN) counts nowhere; where no row has it, the aggregate is null.

    Parameters
    ----------
    source : str         the quoted table
    period_us : int      length of a bucket
    continuous : bool    for TimescaleDB

    Returns
    -------
    str
        Columns build, symbol, bucket; open, high, low, close (quote); spread_mean, spread_max (bps of the mid);
        bid_depth, ask_depth (base, all levels of a row, mean); quality (0 to 1, mean); volume (base, bought and sold);
        rows.
    """
    # both begin their weeks on this Monday
    width = f"INTERVAL '{period_us} microseconds'"
    bucket = (
        f"time_bucket({width}, row_time)"
        if continuous
        else f"date_bin({width}, row_time, TIMESTAMPTZ '2000-01-03 00:00:00+00')"
    )
    mid = _known("mid")
    spread = f"10000 * ({_known('ask_px_1')} - {_known('bid_px_1')}) / {mid}"
    columns = {
        "open": f"(array_agg(mid ORDER BY row_ns) FILTER (WHERE {mid} IS NOT NULL))[1]",
        "high": f"max(greatest({mid}, {_known('mid_high')}))",
        "low": f"min(least({mid}, {_known('mid_low')}))",
        "close": f"(array_agg(mid ORDER BY row_ns DESC) FILTER (WHERE {mid} IS NOT NULL))[1]",
        "spread_mean": f"avg({spread})",
        "spread_max": f"max({spread})",
        "bid_depth": f"avg({_depth(_SIZES['bid'])})",
        "ask_depth": f"avg({_depth(_SIZES['ask'])})",
        "quality": f"avg({_known('quality')})",
        "volume": f"sum({_known('buy_volume')} + {_known('sell_volume')})",
        "rows": "count(*)",
    }
    listed = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    return f"SELECT build, symbol, {bucket} AS bucket, {listed} FROM {source} GROUP BY build, symbol, bucket"


def _known(column: str) -> str:
    """The column with null for NaN, which aggregates would give for all."""
    return f"nullif({column}, 'NaN')"


def _depth(sizes: Iterable[str]) -> str:
    """Sum of the levels that are there; null where the best one is not."""
    best, *others = map(_known, sizes)
    return " + ".join([best, *(f"coalesce({size}, 0)" for size in others)])
