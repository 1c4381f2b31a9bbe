"""The contract of a source that gives closed rows instead of events: bars."""

from __future__ import annotations

from typing import Any

import numpy as np

from btcframe.api import Feed
from btcframe.errors import BtcframeError
from btcframe.testing.checks import ContractError, NotApplicable, name_of
from btcframe.types import ROW, RowArray, RowFlag

ENOUGH = 100_000
"""Rows after which the check stops reading."""


def check_rows(source: Any) -> None:
    """Closed rows: one a period and the same when opened again, prices that can be, and no event among them."""
    if not callable(getattr(source, "row_period_ns", None)):
        raise NotApplicable("the source gives events, not rows")
    try:
        period_ns, rows, again = source.row_period_ns(), _rows(source), _rows(source)
    except BtcframeError as error:
        raise NotApplicable(f"it cannot be opened here: {error.what}") from error
    name = name_of(source)
    if not len(rows):
        raise ContractError(f"{name} ends without a row", "Raise DataError where there is nothing.")
    if rows.tobytes() != again.tobytes():
        raise ContractError(
            f"{name}: opened twice with seed 0 it gives other rows", "Read files in a fixed order."
        )
    wrong = np.flatnonzero(np.diff(rows["row_ns"]) != period_ns)
    if len(wrong):
        i = int(wrong[0]) + 1
        raise ContractError(
            f"{name}: row {i} ends {rows['row_ns'][i] - rows['row_ns'][i - 1]} ns after the one before it, and its "
            f"rows last {period_ns}",
            "A row a period: one of which nothing is known is a GAP row.",
        )
    unknown, gap = np.isnan(rows["mid"]), rows["flags"] & np.uint32(RowFlag.GAP) != 0
    bad = np.flatnonzero((unknown != gap) | (rows["mid"] <= 0) | (rows["mid_high"] < rows["mid_low"]))
    if len(bad):
        row = rows[bad[0]]
        raise ContractError(
            f"{name}: row {bad[0]} cannot be: mid {row['mid']}, high {row['mid_high']}, low {row['mid_low']}, flags "
            f"{int(row['flags'])}",
            "A row has a positive mid, or is flagged GAP and has none.",
        )
    early = np.flatnonzero(rows["age_ns"] < 0)
    if len(early):
        raise ContractError(
            f"{name}: row {early[0]} has an age of {rows['age_ns'][early[0]]} ns",
            "The age is the time from the last bar with a trade to the row's end.",
        )


def _rows(source: Any) -> RowArray:
    """Rows of a source, about the first `ENOUGH`."""
    parts: list[RowArray] = [np.empty(0, ROW)]
    feed: Feed = source.open(seed=0)
    try:
        for batch in feed:
            if batch.rows is None or len(batch.events) or batch.rows.dtype != ROW:
                raise ContractError(
                    f"{name_of(source)} has a row_period_ns, and gives a batch of {len(batch.events)} events and rows "
                    f"of {None if batch.rows is None else batch.rows.dtype}",
                    "A source gives events, or ROW alone.",
                )
            parts.append(batch.rows.copy())
            if sum(map(len, parts)) >= ENOUGH:
                break
    finally:
        feed.close()
        feed.close()  # harmless when done twice
    return np.concatenate(parts)
