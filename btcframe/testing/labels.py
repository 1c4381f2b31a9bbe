"""The contract of a label: it looks ahead, and says exactly how far."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from btcframe.testing import markets
from btcframe.testing.checks import (
    ContractError,
    changed_field,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    first_difference,
    name_of,
)
from btcframe.testing.surroundings import undisturbed
from btcframe.types import NS, Floats, Ints, RowArray, RowFlag

MOST_ROWS = 50_000
"""Rows of one second that a check makes at most; a longer horizon is checked on rows further apart."""


def rows_for(label: Any, *, rough: bool = True, seed: int = 0) -> RowArray:
    """Rows that reach three horizons and more; rough ones miss some rows, as a recording with holes does."""
    n = 600 + min(3 * label.max_horizon_ns // NS, MOST_ROWS)
    rows = markets.rough_rows(n, seed) if rough else markets.clean_rows(n, seed)
    apart = max(1, 3 * label.max_horizon_ns // NS // MOST_ROWS)
    rows["row_ns"] = markets.START_NS + (rows["row_ns"] - markets.START_NS) * apart
    if not rough:
        return rows
    kept = np.random.default_rng([seed, 5]).random(n) > 0.03
    kept[[0, -1]] = True
    holed: RowArray = rows[kept]
    return holed


def _labelled(label: Any, rows: RowArray) -> tuple[Floats, Ints]:
    y, t_end = label.label(rows.copy())
    return y, t_end


def check_shape(label: Any) -> None:
    """One column per horizon; y float64 and t_end int64 [n, h], also for no rows."""
    h = len(label.horizons_ns)
    columns = [c.name for c in label.columns()]
    if len(columns) != h or len(set(columns)) != h:
        raise ContractError(
            f"{name_of(label)} has {h} horizons and the columns {columns}",
            "columns() gives one column per horizon, with names of their own.",
        )
    if label.max_horizon_ns < max(label.horizons_ns):
        raise ContractError(
            f"{name_of(label)}: max_horizon_ns {label.max_horizon_ns} is less than the horizon {max(label.horizons_ns)}",
            "max_horizon_ns bounds every t_end: splits purge by it.",
        )
    for n in (0, 1, 50):
        rows = markets.clean_rows(n)
        y, t_end = _labelled(label, rows)
        if y.shape != (n, h) or t_end.shape != (n, h) or y.dtype != np.float64 or t_end.dtype != np.int64:
            raise ContractError(
                f"{name_of(label)}: for {n} rows, y is {y.dtype} {y.shape} and t_end {t_end.dtype} {t_end.shape}",
                f"Return y float64[{n}, {h}] and t_end int64[{n}, {h}].",
            )


def check_horizon(label: Any) -> None:
    """row_ns < t_end <= row_ns + max_horizon wherever there is a label."""
    rows = rows_for(label)
    y, t_end = _labelled(label, rows)
    ahead = t_end - rows["row_ns"][:, None]
    known = ~np.isnan(y)
    wrong = np.argwhere(known & ((ahead <= 0) | (ahead > label.max_horizon_ns)))
    if len(wrong):
        t, j = wrong[0]
        raise ContractError(
            f"{name_of(label)}: {label.columns()[j].name} at row {t} ends {ahead[t, j]} ns after its row; "
            f"max_horizon_ns is {label.max_horizon_ns}",
            "t_end lies after the row and within max_horizon_ns: splits purge by it.",
        )


def check_nan_at_end(label: Any) -> None:
    """NaN where the rows do not reach t_end, and some labels elsewhere."""
    rows = rows_for(label, rough=False)
    y, t_end = _labelled(label, rows)
    unknowable = ~np.isnan(y) & (t_end > rows["row_ns"][-1])
    if unknowable.any():
        t, j = np.argwhere(unknowable)[0]
        raise ContractError(
            f"{name_of(label)}: {label.columns()[j].name} at row {t} is {y[t, j]}, though its end lies "
            f"{t_end[t, j] - rows['row_ns'][-1]} ns after the last row",
            "Write NaN where the rows end before the label is known.",
        )
    if np.isnan(y).all(axis=0).any():
        raise ContractError(
            f"{name_of(label)} labels no row of an ordinary market",
            "Every horizon has labels where the rows reach it.",
        )


def check_within_t_end(label: Any) -> None:
    """Rows after t_end change neither the label nor t_end."""
    rows = rows_for(label)
    row_ns = rows["row_ns"]
    y, t_end = _labelled(label, rows)
    for cut in _cuts(rows):
        # a label that ends between two rows ends before the later one; without that row it may be unknown
        ways = (
            ("changed", markets.other_future(rows, cut), row_ns[cut + 1] - 1),
            ("were taken away", rows[: cut + 1], row_ns[cut]),
        )
        for how, other, known_by in ways:
            y_other, end_other = _labelled(label, other)
            over = t_end[: cut + 1] <= known_by
            before = np.where(over, y[: cut + 1], np.nan), np.where(over, t_end[: cut + 1], 0)
            after = np.where(over, y_other[: cut + 1], np.nan), np.where(over, end_other[: cut + 1], 0)
            found = first_difference(before[0], after[0]) or first_difference(before[1], after[1])
            if found is not None:
                t, j = found
                raise ContractError(
                    f"{name_of(label)} looks past its end: {label.columns()[j].name} at row {t} says it is known "
                    f"{t_end[t, j] - row_ns[t]} ns after its row, by row {cut} at the latest, but when rows "
                    f"after {cut} {how}, {before[0][t, j]} became {after[0][t, j]}",
                    "Set t_end to the time of the last row that is read (by time, not by counting rows), or read less: "
                    "splits purge by t_end, so what lies behind it leaks into training.",
                )


def check_lookback(label: Any) -> None:
    """Rows older than lookback_ns change nothing: a build labels its rows batch by batch."""
    rows = rows_for(label)
    y, t_end = _labelled(label, rows)
    n = len(rows)
    for start in (1, n // 3, n // 2):
        later = rows[start:]
        y_later, end_later = _labelled(label, later)
        reached = (later["row_ns"] - label.lookback_ns >= later["row_ns"][0])[:, None]
        found = first_difference(
            np.where(reached, y[start:], np.nan), np.where(reached, y_later, np.nan)
        ) or first_difference(np.where(reached, t_end[start:], 0), np.where(reached, end_later, 0))
        if found is not None:
            t, j = found
            raise ContractError(
                f"{name_of(label)} reaches back further than it says: {label.columns()[j].name} at row {start + t} is "
                f"{y[start + t, j]}, and {y_later[t, j]} without the rows before {start}, "
                f"{later['row_ns'][t] - rows['row_ns'][start - 1]} ns earlier; lookback_ns is {label.lookback_ns}",
                "Let lookback_ns cover every row before t that is read, by time.",
            )


def _cuts(rows: RowArray) -> list[int]:
    """Rows behind which to change the future: some beside missing rows, where counting rows goes wrong."""
    n = len(rows)
    steps = np.diff(rows["row_ns"])
    holes = np.flatnonzero(steps > steps.min())
    some = holes[:: max(1, len(holes) // 6)]
    beside = {*some.tolist(), *(some + 1).tolist()}
    return sorted({n // 4, n // 2, 3 * n // 4} | {cut for cut in beside if cut < n - 1})


def check_bad_rows(label: Any) -> None:
    """A row without a book has no label; no label is infinite."""
    rows = rows_for(label)
    y, _ = _labelled(label, rows)
    gap = (rows["flags"] & np.uint32(RowFlag.GAP)) != 0
    if (~np.isnan(y[gap])).any():
        t = int(np.flatnonzero(gap & ~np.isnan(y).all(axis=1))[0])
        raise ContractError(
            f"{name_of(label)} writes NaN as {y[t].tolist()}: row {t} has no book",
            "A return from an unknown price is NaN; training leaves such rows out.",
        )
    if np.isinf(y).any():
        t, j = np.argwhere(np.isinf(y))[0]
        raise ContractError(
            f"{name_of(label)} writes infinity at row {t}, column {label.columns()[j].name}", "Write NaN."
        )


def check_deterministic(label: Any) -> None:
    """Same rows, same bits; another market in between changes nothing."""
    rows = rows_for(label)
    again = dataclasses.replace(label)
    y, t_end = _labelled(label, rows)
    _labelled(again, rows_for(label, seed=1))
    y_again, end_again = _labelled(again, rows)
    found = first_difference(y, y_again) or first_difference(t_end, end_again)
    if found is not None:
        raise ContractError(
            f"{name_of(label)} keeps hidden global state or is unseeded: two runs differ at row {found[0]}",
            "A label is a function of the rows.",
        )


def check_input_untouched(label: Any) -> None:
    """The rows are left as they were."""
    rows = rows_for(label)
    handed = rows.copy()
    label.label(handed)
    where = changed_field(rows, handed)
    if where:
        raise ContractError(f"{name_of(label)} changes its input: {where}", "Copy what you change.")


def check_global_state(label: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""
    rows = rows_for(label)
    undisturbed(name_of(label), lambda: _labelled(label, rows))


CHECKS = (
    check_shape,
    check_horizon,
    check_nan_at_end,
    check_within_t_end,
    check_lookback,
    check_bad_rows,
    check_deterministic,
    check_input_untouched,
    check_global_state,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
)
