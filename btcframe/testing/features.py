"""The contract of a feature, and of a regime's descriptors, which are columns like any feature's.

Each check takes a component and raises ContractError; none needs pytest.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np

from btcframe.testing import markets, streams
from btcframe.testing.checks import (
    ContractError,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    name_of,
)
from btcframe.testing.streams import Stream
from btcframe.testing.surroundings import undisturbed
from btcframe.types import ROW, RowArray, RowFlag

_MEASURED = tuple(
    f for f in ROW.names or () if ROW[f].base.kind == "f" and f != "quality"
)  # that one is always known

BEFORE = 100
"""Good rows after the longest warm-up before a bad one is injected."""


def stream_of(component: Any) -> Stream:
    """A feature or regime as a stream of its columns."""
    return Stream(
        name_of(component),
        tuple(c.name for c in component.columns()),
        lambda: component.state(markets.INSTRUMENT),
        component.update,
    )


def _again(component: Any) -> Stream:
    """A new, equal instance: it has seen nothing."""
    return stream_of(dataclasses.replace(component))


def warmup_of(component: Any) -> int:
    """Longest warm-up of the columns, rows."""
    return max((c.warmup for c in component.columns()), default=0)


def rows_for(component: Any, *, rough: bool, seed: int = 0) -> RowArray:
    """Synthetic rows, long enough for the component to be warm in most of them."""
    n = 700 + 3 * warmup_of(component)
    return markets.rough_rows(n, seed) if rough else markets.clean_rows(n, seed)


def check_declared_columns(component: Any) -> None:
    """Declared columns have proper, unique names, and are the columns that are written."""
    names = [c.name for c in component.columns()]
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or names.count(name) > 1:
            raise ContractError(
                f"{name_of(component)}: column name {name!r} is not usable: {names}",
                "Names are unique, lower case, letters, digits and underscores: they are columns of a table.",
            )
    streams.check_written(stream_of(component), rows_for(component, rough=False))


def check_range(component: Any) -> None:
    """No value leaves the declared range."""
    for rough in (False, True):
        out = streams.run(stream_of(component), rows_for(component, rough=rough))
        for j, column in enumerate(component.columns()):
            outside = np.flatnonzero((out[:, j] < column.low) | (out[:, j] > column.high))
            if len(outside):
                t = int(outside[0])
                raise ContractError(
                    f"{name_of(component)}: column {column.name} at row {t} is {out[t, j]}, outside its declared "
                    f"range [{column.low:g}, {column.high:g}]",
                    "Declare the range the formula has (Column low, high), or clip where rounding leaves it.",
                )


def check_state(component: Any) -> None:
    """Memory is one structured record of plain numbers."""
    streams.check_state(stream_of(component))


def check_causal(component: Any) -> None:
    """Row t depends on rows up to t."""
    rows = rows_for(component, rough=True)
    n, warm = len(rows), warmup_of(component)
    cuts = sorted({warm + 60, warm + 150, n // 2, n - 100, n - 2})
    streams.check_causal(stream_of(component), rows, markets.other_future, cuts)


def check_chunk_invariant(component: Any) -> None:
    """Any split of the rows gives the same bits."""
    streams.check_chunk_invariant(stream_of(component), rows_for(component, rough=True))


def check_restart(component: Any) -> None:
    """Saved and restored, it goes on as if it had never stopped."""
    streams.check_restart(stream_of(component), _again(component), rows_for(component, rough=True))


def check_deterministic(component: Any) -> None:
    """Same rows, same bits, whoever else runs."""
    one, other = (rows_for(component, rough=True, seed=seed) for seed in (0, 1))
    streams.check_deterministic(stream_of(component), _again(component), one, other)


def check_nan_until_warm(component: Any) -> None:
    """No value before the declared warm-up: not a 0, not a guess."""
    out = streams.run(stream_of(component), rows_for(component, rough=False))
    for j, column in enumerate(component.columns()):
        early = np.flatnonzero(~np.isnan(out[: column.warmup, j]))
        if len(early):
            t = int(early[0])
            raise ContractError(
                f"{name_of(component)}: column {column.name} is {out[t, j]} at row {t}, before its declared "
                f"warm-up of {column.warmup} rows",
                "Write NaN until the formula has all it needs, or declare the smaller warm-up.",
            )


def check_warmup(component: Any) -> None:
    """In a good market the first value comes with the declared row, or later where it awaits something else."""
    out = streams.run(stream_of(component), rows_for(component, rough=False))
    for j, column in enumerate(component.columns()):
        valid = np.flatnonzero(~np.isnan(out[:, j]))
        first = int(valid[0]) if len(valid) else -1
        if first != column.warmup and not (column.awaits and first > column.warmup):
            seen = f"has its first value at row {first}" if len(valid) else "never has a value"
            raise ContractError(
                f"{name_of(component)}: column {column.name} declares a warm-up of {column.warmup} rows and {seen}",
                "Column warmup is the first row that can be valid, counted from 0 at the first row with a good book.",
            )


def check_bad_row_recovery(component: Any) -> None:
    """A bad row costs values, raises nothing, and is forgotten within the warm-up."""
    clean = rows_for(component, rough=False)
    at = warmup_of(component) + BEFORE
    good = streams.steady(stream_of(component), clean)
    for kind in markets.BAD_KINDS:
        rows = clean.copy()
        markets.spoil(rows, kind, at, 3)
        try:
            out = streams.run(stream_of(component), rows)
        except Exception as error:
            raise ContractError(
                f"{name_of(component)} raises on a bad row ({kind}, row {at}): {type(error).__name__}: {error}",
                "A kernel raises nothing: where the formula has no meaning the value is NaN.",
            ) from error
        for j, column in enumerate(component.columns()):
            back = at + 3 + column.warmup
            if column.awaits:  # a bad row may have put it off
                back = max([back, *np.flatnonzero(~np.isnan(out[:, j]))[:1]])
            lost = np.flatnonzero(np.isnan(out[back:, j]) & ~np.isnan(good[back:, j]))
            if len(lost):
                raise ContractError(
                    f"{name_of(component)} does not recover from a bad row ({kind}, rows {at} to {at + 2}): column "
                    f"{column.name} is still NaN at row {back + int(lost[0])}, {column.warmup} rows after the first "
                    "good one",
                    "NaN poisons running sums: count valid entries, and let a bad one leave with its window.",
                )


def check_nan_not_zero(component: Any) -> None:
    """Where all inputs are NaN the value is NaN: a 0 would be a claim."""
    rows = rows_for(component, rough=True)
    out = streams.run(stream_of(component), rows)
    for j, column in enumerate(component.columns()):
        inputs = column.inputs or _MEASURED
        missing = np.ones(len(rows), np.bool_)
        for name in inputs:
            field = rows[name].reshape(len(rows), -1)
            missing &= np.isnan(field).all(axis=1) if field.dtype.kind == "f" else False
        wrong = np.flatnonzero(missing & ~np.isnan(out[:, j]))
        if len(wrong):
            t = int(wrong[0])
            raise ContractError(
                f"{name_of(component)} writes NaN as {out[t, j]:g}: column {column.name} at row {t}, where "
                f"{', '.join(column.inputs) or 'every field'} is NaN (flags {RowFlag(int(rows[t]['flags'])).name})",
                "Write NaN where the inputs are NaN; models and quality checks rely on the difference.",
            )


def check_no_infinity(component: Any) -> None:
    """No infinity, whatever the market does."""
    for seed in (0, 1):
        rows = rows_for(component, rough=True, seed=seed)
        found = np.argwhere(np.isinf(streams.run(stream_of(component), rows)))
        if len(found):
            t, j = found[0]
            raise ContractError(
                f"{name_of(component)} writes infinity: column {component.columns()[j].name} at row {t} "
                f"(flags {RowFlag(int(rows[t]['flags'])).name})",
                "Say what an empty denominator means: 0 where nothing happened, NaN where nothing is known.",
            )


def check_input_untouched(component: Any) -> None:
    """The rows are left as they were."""
    streams.check_input_untouched(stream_of(component), rows_for(component, rough=True))


def check_no_allocation_growth(component: Any) -> None:
    """Single rows leave no memory behind."""
    streams.check_no_growth(stream_of(component), rows_for(component, rough=True))


def check_cost(component: Any) -> dict[str, float]:
    """Not a test: what a row costs, in a batch and alone."""
    return streams.cost(stream_of(component), rows_for(component, rough=False))


COLUMN_CHECKS = (
    check_declared_columns,
    check_range,
    check_state,
    check_causal,
    check_chunk_invariant,
    check_restart,
    check_deterministic,
    check_nan_until_warm,
    check_warmup,
    check_bad_row_recovery,
    check_nan_not_zero,
    check_no_infinity,
    check_input_untouched,
    check_no_allocation_growth,
)
"""What holds for anything that writes columns from rows."""


def check_global_state(component: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""
    rows = rows_for(component, rough=True)
    undisturbed(name_of(component), lambda: streams.run(stream_of(component), rows))


CHECKS = (
    *COLUMN_CHECKS,
    check_global_state,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
    check_cost,
)
