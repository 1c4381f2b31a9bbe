"""The parts of a report on regimes: which method tells more, what followed each regime, how steady, how alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from btcframe.report import figures_regimes
from btcframe.report.cells import estimate
from btcframe.report.elements import Child, Html, join, listed, paragraphs, stacked, table, tag
from btcframe.report.metrics import MIN_BLOCKS, Estimate
from btcframe.report.page import Section, folded
from btcframe.report.plots import drawn
from btcframe.report.words import counted, number, percent, rounded
from btcframe.types import duration_name

Found = Mapping[str, Any]


def sections(found: Found) -> list[Section]:
    """All of them, in order."""
    return [
        Section("worth", "Which tells more", _worth(found)),
        Section("regimes", "What followed", _followed(found)),
        Section("picture", "Picture", join(drawn(figures_regimes.price(found)), drawn(figures_regimes.stretch(found)))),
        Section("steady", "How steady", _steady(found)),
        Section("alike", "How alike", _alike(found)),
        Section("method", "Method", _method(found)),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------- which tells more


def _worth(found: Found) -> Html:
    horizons = [duration_name(h) for h in found["horizons_ns"]]
    longest = horizons[found["longest"]]
    head = (
        "method",
        f"variance told, {longest}",
        f"{found['first']} adds to it",
        *(f"IC, {h}" for h in horizons),
    )
    rows = [
        (
            m["name"] if m["name"] == m["plugin"] else stacked(m["name"], m["plugin"]),
            _share(estimate(m["explained"])),
            _points(found["added"].get(m["name"])),
            *(_plain(estimate(ic), 3) for ic in m["ic"]),
        )
        for m in sorted(found["methods"], key=lambda m: -_or_least(m["explained"]["value"]))
    ]
    caption = (
        f"Share of the variance of ln volatility over the {longest} after a row that the regime told beforehand; "
        f"points of percent that {found['first']} adds where both regimes are known; correlation of what the regime promised with "
        "the return. Out of sample, 95 % intervals; the best first."
    )
    judged = found["judged_rows"][found["longest"]]
    return join(
        table(head, rows, caption),
        listed(found["verdict"]["sentences"]),
        tag(
            "p",
            f"{judged:,} of {found['test_rows']:,} test rows are judged: every method has a regime there, and what "
            f"followed is known.",
        ),
    )


# ---------------------------------------------------------------------------------------------- what followed


def _followed(found: Found) -> Html:
    h = found["longest"]
    name = duration_name(found["horizons_ns"][h])
    head = (
        "method",
        "regime",
        "rows",
        "visits",
        "mean dwell",
        f"volatility, {name}",
        f"mean return, {name}",
        "middle half",
    )
    rows = [
        (
            m["name"],
            r["label"],
            _rows_share(r["share"]),
            f"{r['visits']:,}",
            _dwell(r),
            _plain(estimate(r["followed"][h]["volatility"]), sign=False),
            _plain(estimate(r["followed"][h]["mean"])),
            _half(r["followed"][h]["quantiles"]),
        )
        for m in found["methods"]
        for r in m["regimes"]
    ]  # fmt: skip
    caption = (
        f"Out of sample. Volatility is realised over the {name} after a row, bps; the return's mean and the middle half of its "
        "values, bps; dwell in rows, the median in small print. 95 % intervals, where "
        f"{MIN_BLOCKS} blocks of time hold the regime."
    )
    return join(
        table(head, rows, caption, text=2),
        _pair(drawn(figures_regimes.followed(found, "volatility")), drawn(figures_regimes.followed(found, "mean"))),
        *(folded(f"Over {duration_name(ns)}", _over(found, k)) for k, ns in enumerate(found["horizons_ns"])),
    )  # fmt: skip


def _over(found: Found, h: int) -> Html:
    """The label distribution after each regime over one horizon."""
    head = (
        "method",
        "regime",
        "rows",
        "volatility",
        "mean return",
        "5 %",
        "25 %",
        "median",
        "75 %",
        "95 %",
        "rose",
    )
    rows = []
    for m in found["methods"]:
        for r in m["regimes"]:
            f = r["followed"][h]
            quantiles = [number(q, 1, sign=True) for q in f["quantiles"]] or ["–"] * 5
            cells = (_plain(estimate(f["volatility"]), sign=False), _plain(estimate(f["mean"])))
            rose = percent(f["up"], 1) if f["up"] is not None else "–"
            rows.append((m["name"], r["label"], f"{f['rows']:,}", *cells, *quantiles, rose))
    return table(head, rows, "Returns after each regime, bps: quantiles, and the share above 0.", text=2)


# ------------------------------------------------------------------------------------------------ how steady


def _steady(found: Found) -> Html:
    later = found["later"]
    head = (
        "method",
        "changes per 1,000 rows",
        "visits",
        "mean dwell",
        "rows without",
        f"revised {later} rows later",
    )
    rows = [
        (
            m["name"],
            _number(m["flicker"], 2),
            f"{m['visits']:,}",
            f"{_number(m['mean_dwell'], 0)} rows",
            f"{m['unknown']:,}",
            _revised(m["revised"]),
        )
        for m in found["methods"]
    ]
    caption = f"Revised: the share of labels that are others when the same row is asked for again with {later} more rows known."
    return join(
        table(head, rows, caption),
        drawn(figures_regimes.dwell(found)),
        _pair(*(drawn(figures_regimes.transitions(found, m)) for m in found["methods"])),
    )


def _revised(revised: Found) -> Child:
    if revised["why"]:
        return str(revised["why"])
    return _share(estimate(revised))


# ------------------------------------------------------------------------------------------------- how alike


def _alike(found: Found) -> Html:
    rows: list[tuple[Child, ...]] = [
        (f"{p['first']} and {p['second']}", *_agreement(p["agreement"])) for p in found["pairs"]
    ]
    rows += [
        (f"{m['name']} and the true state", *_agreement(m["truth"])) for m in found["methods"] if m["truth"]
    ]
    if not rows:
        return tag("p", "One method alone has nothing to agree with.")
    by_name = {m["name"]: m for m in found["methods"]}
    tables = (
        folded(
            f"{p['first']} by {p['second']}",
            _contingency(
                p["agreement"]["counts"], p["first"], by_name[p["first"]]["labels"], by_name[p["second"]]["labels"]
            ),
        )
        for p in found["pairs"]
    )  # fmt: skip
    true = (
        folded(
            f"{m['name']} by the true state",
            _contingency(m["truth"]["counts"], m["name"], m["labels"], [f"state {k}" for k in range(len(m["truth"]["counts"][0]))]),
        )
        for m in found["methods"]
        if m["truth"]
    )  # fmt: skip
    caption = "Adjusted Rand index: 1 for the same division of the rows, about 0 by chance. Mutual information: 1 where either tells the other."
    return join(
        table(("labels", "rows", "adjusted Rand index", "normalised mutual information"), rows, caption),
        *tables, *true,
    )  # fmt: skip


def _agreement(told: Found) -> tuple[Child, ...]:
    rows = sum(map(sum, told["counts"]))
    return f"{rows:,}", _number(told["rand"], 3), _number(told["information"], 3)


def _contingency(counts: Sequence[Sequence[int]], name: str, labels: Sequence[str], others: Sequence[str]) -> Html:  # fmt: skip
    rows = []
    for label, row in zip(labels, counts, strict=True):
        total = sum(row)
        rows.append((label, f"{total:,}", *(percent(n / total) if total else "–" for n in row)))
    return table((name, "rows", *others), rows, "Share of each regime's rows that the other calls so.")


# ---------------------------------------------------------------------------------------------------- method


def _method(found: Found) -> Html:
    folds, later = len(found["starts_ns"]), found["later"]
    longest = duration_name(found["horizons_ns"][found["longest"]])
    return paragraphs(
        f"Each method is fitted on the training rows of {counted(folds, 'fold')}, purged of what reaches into the test window, "
        "and labels the window that follows with its memory fresh, as a session does in which it is promoted. A row's regime "
        "is the likeliest one.",
        f"Variance told: R² = 1 − Σ(v − p)²/Σ(v − b)² with v = ½ ln(mean r² + {found['quiet']:g}²) over the {longest} after a row, p the "
        "mean of v that the row's regime had in the training rows, and b that of all training rows. Below 0 the regime is worse "
        "than knowing nothing; more regimes do not raise it by themselves. IC: correlation about zero of the return with the "
        "mean return of the row's regime in the training rows.",
        "Of two methods one is better where the 95 % interval of the difference, drawn together, lies on one side of 0. Intervals "
        "are block-bootstrap (studentised, symmetric): blocks of at least five horizons, at most 100, because neighbouring rows share "
        f"most of what follows them; none below {MIN_BLOCKS} blocks. Twenty settings tried until one wins are not covered by it.",
        f"Revised: a method that offers hindsight is asked for the same row again {later} rows later, as it would have answered "
        "had it known them.",
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------- cells


def _plain(e: Estimate, digits: int | None = None, *, sign: bool = True) -> Child:
    """A value with its interval under it."""
    if e.value != e.value:
        return "–"
    if digits is not None:
        value, low, high = (number(v, digits, sign=sign) for v in e)
        low, high = (low, high) if e.low == e.low else ("", "")
    else:
        value, low, high = rounded(e, sign=sign)
    return stacked(value, f"{low} … {high}" if low else "")


def _share(e: Estimate) -> Child:
    if e.value != e.value:
        return "–"
    interval = f"{percent(e.low, 1)} … {percent(e.high, 1)}" if e.low == e.low else "too few blocks"
    return stacked(percent(e.value, 1), interval)


def _points(told: Found | None) -> Child:
    """A difference of two shares, in points of percent."""
    if told is None or told["value"] is None:
        return "–"
    value, low, high = (number(100 * v, 1, sign=True) for v in estimate(told))
    return stacked(value, f"{low} … {high}" if told["low"] is not None else "")


def _rows_share(share: float | None) -> str:
    return percent(share, 1) if share is not None else "–"


def _dwell(regime: Found) -> Child:
    if not regime["visits"]:
        return "–"
    return stacked(number(regime["dwell"]["mean"], 0), number(regime["dwell"]["quantiles"][2], 0))


def _half(quantiles: Sequence[float]) -> str:
    return (
        f"{number(quantiles[1], 1, sign=True)} … {number(quantiles[3], 1, sign=True)}" if quantiles else "–"
    )


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else number(value, digits)


def _or_least(value: float | None) -> float:
    return -1e9 if value is None else value


def _pair(*figures: Html) -> Html:
    return tag("div", *figures, class_="pair")
