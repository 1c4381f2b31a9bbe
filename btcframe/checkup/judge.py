"""What of a checkup stands out, in words: which columns lack values and why, are constant, wild, moving or alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from btcframe.checkup.clusters import ALIKE, Grouped, grouped, square
from btcframe.checkup.history import History
from btcframe.checkup.numbers import TENTHS, Checked, Checkup
from btcframe.types import LEVELS, NS

COVERED = 0.9
"""Share of the rows with a value below which a column is named."""

CONSTANT = 0.99
"""Share of one value from which on a column is called nearly constant."""

FAR = 1000.0
"""Reach from which on a column is wild: among ten million rows, a tail whose variance is finite gets to about 300."""

GREW = 10.0
"""Factor by which the span of the last three tenths exceeds that of the first three where a column grows."""

STEADILY = 0.9
"""Rank correlation of tenth and span from which on the growth is steady."""

MOVED = 0.7
"""Distance of a tenth from the whole from which on a column has moved; a tenth that shares no value with the rest is 0.9
or a little less away."""

SHIFTED = 0.1
"""Share of the column's usual size that the median of a moved tenth is away from the whole's at least."""

NAMED = 4
"""Columns that a line names; the others are counted."""

LINES = 10
"""Lines of the summary at most."""

TRADE_FIELDS = frozenset(
    ("buy_volume", "sell_volume", "buy_count", "sell_count", "buy_notional", "sell_notional", "max_trade", "signed_cost")
)  # fmt: skip


class Remark(NamedTuple):
    """Something about one column.

    Parameters
    ----------
    kind : str      missing, infinite, outside, wild, growing, constant, moved or alike
    column : str
    words : str     what, with numbers
    why : str       "" where no cause is known
    """

    kind: str
    column: str
    words: str
    why: str


TITLES = {
    "infinite": "infinite values",
    "outside": "outside the declared range",
    "missing": "lacking values",
    "constant": "constant or nearly",
    "wild": "values far out",
    "growing": "growing ever wider",
    "moved": "unlike itself in a tenth of the rows",
    "alike": "alike",
}
"""Kinds of remarks, the gravest first."""


def remarks(found: Checkup) -> list[Remark]:
    """All remarks, the gravest kind first, in the order of the columns."""
    told = [remark for column in found.columns for remark in _of(column, found)]
    order = list(TITLES)
    return sorted(told, key=lambda remark: order.index(remark.kind))


def _of(c: Checked, found: Checkup) -> Iterator[Remark]:
    if c.infinite:
        yield Remark("infinite", c.name, f"in {c.infinite:,} rows", "")
    outside = _outside(c)
    if outside:
        yield Remark("outside", c.name, outside, "")
    if c.known < COVERED * found.rows:
        yield Remark("missing", c.name, f"known in {share(c.known, found.rows)} of the rows", why(c, found))
    if c.low is not None and c.low == c.high:
        yield Remark("constant", c.name, f"always {c.low:.4g}", _why_constant(c, found))
    elif c.most is not None and c.most >= CONSTANT:
        yield Remark(
            "constant", c.name, f"one value in {100 * c.most:.1f} % of the rows", _why_constant(c, found)
        )
    far = reach(c)
    if far > FAR:
        yield Remark("wild", c.name, f"up to {far:,.0f} times its usual size", "")
    times = growth(c)
    if times is not None:
        yield Remark("growing", c.name, f"{times:,.0f} times as wide at the end as at the beginning", "")
    tenth = farthest(c)
    if tenth is not None and has_moved(c, tenth):
        side = "higher" if (c.moved[tenth] or 0.0) > 0 else "lower"
        yield Remark(
            "moved",
            c.name,
            f"{side} in tenth {tenth + 1}: median {c.medians[tenth]:.3g}, else {c.median:.3g}",
            "",
        )


def _outside(c: Checked) -> str:
    low, high = c.limits
    if low is not None and c.low is not None and c.low < low:
        return f"down to {c.low:.4g}, declared from {low:g}"
    if high is not None and c.high is not None and c.high > high:
        return f"up to {c.high:.4g}, declared to {high:g}"
    return ""


def growth(c: Checked) -> float | None:
    """How many times as wide the column is at the end as at the beginning, where it grew steadily; else None.

    Not of a function of the time of day, which a session of minutes sees a corner of.
    """
    if of_time_alone(c):
        return None
    spans = [span for span in c.spans if span is not None]
    if len(spans) < TENTHS or min(spans) <= 0:
        return None
    times = float(np.median(spans[-3:]) / np.median(spans[:3]))
    rank = np.argsort(np.argsort(spans, kind="stable"), kind="stable")
    steady = float(np.corrcoef(rank, np.arange(TENTHS))[0, 1])
    return times if times >= GREW and steady >= STEADILY else None


def farthest(c: Checked) -> int | None:
    """The tenth that differs most from the whole."""
    known = [k for k, moved in enumerate(c.moved) if moved is not None]
    return max(known, key=lambda k: abs(c.moved[k] or 0.0)) if known else None


def reach(c: Checked) -> float:
    """Distance of the farthest value of all rows from the median, in usual sizes; 0 where there is no size."""
    if not c.size or c.median is None or c.low is None or c.high is None:
        return 0.0
    return max(c.high - c.median, c.median - c.low) / c.size


def has_moved(c: Checked, tenth: int) -> bool:
    """Whether a tenth hardly overlaps with the rest, by order and by size; a function of the time of day may."""
    moved, median = c.moved[tenth], c.medians[tenth]
    if of_time_alone(c) or moved is None or median is None or c.median is None:
        return False
    return abs(moved) >= MOVED and abs(median - c.median) >= SHIFTED * (c.size or 0.0)


def of_time_alone(c: Checked) -> bool:
    """Whether the column is a function of the time of day: it must differ from hour to hour."""
    return c.inputs == ("row_ns",)


def share(n: int, rows: int) -> str:
    """A share in percent, 0 and 100 only where it is exactly that."""
    percent = 100 * n / rows if rows else 0.0
    if n in (0, rows):
        return f"{percent:.0f} %"
    return f"{min(max(percent, 0.1), 99.9):.{1 if percent < 1 or percent > 99 else 0}f} %"


# ------------------------------------------------------------------------------------------------------ causes

_CAUSES = {
    "gap": "{n} rows have no book (GAP)",
    "partial": "the flow of {n} rows is unknown, the book came back in them (PARTIAL)",
    "crossed": "the book is crossed in {n} rows (CROSSED)",
    "one_sided": "a side of the book is empty in {n} rows (ONE_SIDED)",
    "flow_cut": "the flow of {n} rows is unknown, a message changed too many prices (FLOW_CUT)",
    "bar": "bars have no book, and of the flow only what was traded (BAR)",
    "absent": "{n} rows lack what it reads",
    "refill": "{n} rows follow within its {warmup} rows on one without book or flow: too little of its window is known",
    "formula": "in {n} rows its formula has no value though all it reads is known",
}


def why(c: Checked, found: Checkup) -> str:
    """The causes of most missing values, the largest first: three at most, none below a twentieth."""
    lacking = found.rows - c.known
    parts = []
    explained = 0
    for cause, n in sorted(c.causes.items(), key=lambda item: -item[1])[:3]:
        if explained >= 0.95 * lacking or n < 0.05 * lacking:
            break
        explained += n
        parts.append(_because(cause, n, c, found))
    return "; ".join(parts)


def _because(cause: str, n: int, c: Checked, found: Checkup) -> str:
    rows = f"{n:,}"
    if cause == "warmup":
        return f"its warm-up takes {c.warmup:,} of the {found.rows:,} rows"
    if cause == "levels":
        sides = [s for s, name in enumerate(("bid_", "ask_")) if any(i.startswith(name) for i in c.inputs)]
        deepest = min(found.deepest[s] for s in sides)
        if deepest < LEVELS and not c.known:
            return f"no row has more than {deepest} levels on a side it reads"
        return f"{rows} rows have fewer than {c.least or LEVELS} levels on a side it reads"
    if cause == "awaits":
        return f"in {rows} rows it still waits for {c.awaits}{_traded(c, found)}"
    return _CAUSES[cause].format(n=rows, warmup=f"{c.warmup:,}")


def _traded(c: Checked, found: Checkup) -> str:
    if not TRADE_FIELDS.intersection(c.inputs):
        return ""
    return (
        f" ({found.volume:,.4g} base coin traded in all)"
        if found.traded
        else " (there is no trade in the rows)"
    )


def _why_constant(c: Checked, found: Checkup) -> str:
    if not found.traded and TRADE_FIELDS.intersection(c.inputs):
        return "there is no trade in the rows"
    if of_time_alone(c):
        return f"it follows the time, and the rows span {(found.last_ns - found.first_ns) / NS:,.0f} s"
    return ""


# ------------------------------------------------------------------------------------------------------ summary


LOWERED = {
    "bookless": "without a usable book",
    "quiet": "bars in which nobody traded",
    "stale": "with a book older than usual",
    "late": "that came later than usual",
    "snapshot": "after a snapshot",
}
"""What lowered the quality of rows, in words."""


def quality(history: History) -> str:
    """How good the rows are, and what lowered it."""
    rows, causes = sum(history.rows), history.causes()
    if not causes:
        return f"quality 1 in all {rows:,} rows"
    told = ", ".join(f"{n:,} {LOWERED[cause]}" for cause, n in causes.items())
    mean = f"{min(history.mean, 0.9999):.4g}"
    return f"quality {mean} on average, below 1 in {share(sum(causes.values()), rows)} of the rows: {told}"


def likeness(found: Checkup) -> Grouped:
    """Columns by likeness, see `clusters.grouped`.

    A function of the time of day is like another one only: whatever trends looks like the hour in a short table.
    """
    rho = square(found.rho)
    timed = np.array([of_time_alone(c) for c in found.columns], bool)
    rho[timed[:, None] != timed] = 0
    return grouped(rho)


def clusters(found: Checkup) -> list[list[str]]:
    """Names of the columns of each cluster."""
    return [[found.columns[j].name for j in group] for group in likeness(found).clusters]


def summary(found: Checkup) -> list[str]:
    """A few lines for the terminal: one where nothing stands out."""
    told = remarks(found)
    groups = clusters(found)
    if not told and not groups:
        return [f"  {len(found.columns)} columns checked: nothing stands out"]
    lines = list(_lines(told))
    if groups:
        lines.append(_alike(groups))
    head = f"  {len(found.columns)} columns checked:"
    if len(lines) > LINES - 1:
        left = len(lines) - (LINES - 2)
        lines = [*lines[: LINES - 2], f"and {left} more remarks: see the page"]
    return [head, *(f"    {line}" for line in lines)]


def joined(told: Sequence[Remark]) -> dict[tuple[str, str], list[Remark]]:
    """Remarks by kind and cause, in their order."""
    same: dict[tuple[str, str], list[Remark]] = {}
    for remark in told:
        same.setdefault((remark.kind, remark.why), []).append(remark)
    return same


def _lines(told: Sequence[Remark]) -> Iterator[str]:
    for (kind, cause), same in joined(told).items():
        what = same[0].words if len({remark.words for remark in same}) == 1 else TITLES[kind]
        yield f"{what}: {names(remark.column for remark in same)}{f' — {cause}' if cause else ''}"


def _alike(groups: Sequence[Sequence[str]]) -> str:
    count = sum(map(len, groups))
    shown = "; ".join(
        " = ".join(group[:NAMED]) + (" …" if len(group) > NAMED else "") for group in groups[:3]
    )
    more = "; …" if len(groups) > 3 else ""
    word = "group" if len(groups) == 1 else "groups"
    return f"alike (rank correlation {ALIKE / 100:.2f} or more): {count} columns in {len(groups)} {word}: {shown}{more}"


def names(columns: Iterable[str]) -> str:
    """A few names, and how many more there are."""
    every = list(columns)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def of_build(manifest: Mapping[str, Any]) -> Checkup | None:
    """The checkup that a build's manifest holds; None where it was made before there was one.

    Raises
    ------
    DataError
        If it is another version's.
    """
    told = manifest.get("checkup")
    return None if told is None else Checkup.from_manifest(told)
