"""A comparison of runs as a page: one file, in the look of the reports."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Iterator, Sequence

from btcframe.report.elements import Child, Html, join, listed, paragraphs, table, tag
from btcframe.report.page import Section, document, empty, folded, key_figures
from btcframe.report.plots import Figure, drawn
from btcframe.report.words import counted, number, percent, significant, span_text
from btcframe.runs import figures, figures_settings
from btcframe.runs.comparison import NET, Compared, Comparison
from btcframe.runs.ranking import FORMATS, about, markets, measures_of, names, settings_of, told
from btcframe.runs.tracks import LeftOut
from btcframe.runs.verdict import NOTHING, WINNER, judged, likely

FIRST, ROWS = 10, 200
"""Runs that the table shows at once, and with those behind the fold; the figures have all of them."""

COLOUR = {WINNER: "yes", NOTHING: "no"}


def comparison_page(compared: Compared, asked: Sequence[str]) -> str:
    """The whole page.

    Parameters
    ----------
    compared : Compared
    asked : sequence of str     the directories, as they were typed
    """
    first = compared.markets[0]
    sections: list[Section] = []
    for k, found in enumerate(compared.markets):
        sections += _sections(found, k, alone=len(compared.markets) == 1)
    if compared.left_out:
        sections.append(Section("left-out", "Left out", _left_out(compared.left_out)))
    sections.append(Section("method", "How it is computed", _method(first)))
    version = importlib.metadata.version("btcframe")
    foot = tag(
        "p",
        f"Made by btcframe {version} from {', '.join(asked)}. Drag over a figure to look closer, double-click to go back. "
        "A simulation: no promise about profit.",
    )
    title = f"{first.market.symbol}: {judged(first).answer} · {counted(len(first.rows), 'run')}"
    return document(title, _head(compared), sections, foot)


def _head(compared: Compared) -> Html:
    first = compared.markets[0]
    verdict = judged(first)
    others = list(zip(markets(compared), compared.markets, strict=True))[1:]
    return join(
        tag("p", about(first), class_="origin"),
        tag(
            "h1",
            "What this has found: ",
            tag("strong", verdict.answer, class_=COLOUR.get(verdict.answer, "open")),
            ".",
        ),
        tag("p", verdict.sentence, class_="lead"),
        tag(
            "p",
            "On other markets: ",
            "; ".join(
                f"{name}, {counted(len(found.rows), 'run')}: {judged(found).answer}" for name, found in others
            ),
            ".",
        )
        if others
        else None,
    )


def _sections(found: Comparison, k: int, *, alone: bool) -> Iterator[Section]:
    """The parts about one market; `k` keeps their ids apart."""
    after = "" if alone else f" {k + 1}"
    mark = "" if alone else f"-{k + 1}"
    yield Section(f"luck{mark}", f"Luck or more{after}", _luck(found, mark))
    yield Section(f"ranking{mark}", f"Ranking{after}", _ranking(found, mark))
    if len(found.rows) > 1 and figures_settings.told_apart(found):
        shown = [figures_settings.parallel(found), *figures_settings.heat_maps(found)]
        yield Section(f"settings{mark}", f"Settings{after}", join(*(_figure(f, mark) for f in shown)))
    if found.by == NET:
        pair = tag(
            "div", *(_figure(figures.pareto(found, m), mark) for m in ("drawdown", "turnover")), class_="pair"
        )
        yield Section(f"cost{mark}", f"Return and its price{after}", pair)


def _figure(figure: Figure, mark: str) -> Html:
    return drawn(replaced(figure, mark))


def replaced(figure: Figure, mark: str) -> Figure:
    """A figure whose id no other market's has."""
    return figure._replace(name=f"{figure.name}{mark}")


def _luck(found: Comparison, mark: str) -> Html:
    trials, luck, over, lead = found.trials, found.luck, found.overfitting, found.ahead
    more = trials.known - trials.compared
    unknown = "not told"
    items: list[tuple[str, Child, Child]] = [
        ("Trials on this market", f"{trials.known:,}", f"{trials.compared} here, {more} more that the store knows of" if more else "all of them here"),
        (
            "Above luck, deflated Sharpe",
            unknown if math.isnan(luck.deflated) else likely(luck.deflated),
            "too little moved"
            if math.isnan(luck.deflated)
            else f"{significant(luck.ratio)} a period, luck reaches {significant(luck.hurdle)}",
        ),
        (
            "Overfitting, CSCV",
            percent(over.probability, 1) if over else unknown,
            f"{over.splits:,} splits; noise has 50 %" if over else "too few periods, or runs that did the same",
        ),
        (
            "Lead over the median by chance",
            likely(lead.p) if lead else unknown,
            f"{number(lead.difference, 3, sign=True)} ± {number(1.96 * lead.error, 3)} a period" if lead else "too little moved",
        ),
    ]  # fmt: skip
    warnings = judged(found).warnings
    return join(
        key_figures(items),
        listed(warnings) if warnings else None,
        _figure(figures.logits(found), mark) if over else None,
    )


def _ranking(found: Comparison, mark: str) -> Html:
    measures = measures_of(found)
    called = names(found.rows)
    front = [("Pareto",)] if found.by == NET else []
    head = (
        "",
        "run",
        *(["settings"] if found.settings else []),
        *(FORMATS[m][0] for m in measures),
        "Sharpe",
        *(f[0] for f in front),
    )
    rows: list[tuple[Child, ...]] = [
        (
            str(k + 1),
            join(called[k], tag("small", "the median run") if k == found.median and k else None),
            *([tag("code", settings_of(found, row))] if found.settings else []),
            *(told(m, row.measures[m]) for m in measures),
            number(row.ratio, 3, sign=True),
            *(["front" if row.front else ""] if front else []),
        )
        for k, row in enumerate(found.rows[:ROWS])
    ]
    left = len(found.rows) - ROWS
    caption = (
        f"The best first, by the Sharpe ratio of a period of {span_text(found.period_ns)}"
        f"{'; front: no run is better in return, drawdown and turnover at once' if front else ''}. The number of trials is "
        f"{found.trials.known:,}: the first of so many is the luckiest of them."
    )
    more = f" {left:,} more are left out here; --json has them." if left > 0 else ""
    text, words = (3 if found.settings else 2), (len(head) - 1 if front else -1)
    rest = rows[FIRST:]
    return join(
        _figure(figures.curves(found), mark)
        if found.periods
        else empty("The common time is too short for a curve."),
        table(head, rows[:FIRST], caption, text=text, words=words),
        folded(
            f"{counted(len(rest), 'more run')}",
            table(head, rest, f"The ranking goes on.{more}", text=text, words=words),
        )
        if rest
        else None,
    )


def _left_out(left: Sequence[LeftOut]) -> Html:
    rows = [(tag("code", str(one.run.directory)), one.why) for one in left]
    return table(("run", "why it is not compared"), rows, "Nothing is left out silently.", text=2)


def _method(found: Comparison) -> Html:
    what = (
        "A period's return is the change of equity over it, after costs, as a share of the cash at the start."
        if found.by == NET
        else "A period's value is its part in the IC: T·Σpy of its rows over √(Σp²·Σy²) of all rows; their mean is the IC about zero."
    )
    return paragraphs(
        f"All runs are cut into the same {found.periods} periods of {span_text(found.period_ns)}, over the time that all of them were judged "
        f"on out of sample. {what} They are ranked by mean over standard deviation of these values.",
        "Deflated Sharpe ratio: the probability that the best's true ratio is above the one that the best of so many trials without skill "
        "reaches, for its skewness and kurtosis, or those of all runs where they are worse (Bailey & López de Prado, Journal of Portfolio "
        "Management 40, 2014). Periods that resemble their neighbours count as fewer.",
        "Probability of backtest overfitting, by combinatorially symmetric cross-validation: the periods are cut into S groups; in each of "
        "C(S, S/2) ways to take half of them the best run is looked up in the other half. ω is its rank there over N + 1, λ = ln(ω/(1 − ω)), and "
        "the probability is the share of λ ≤ 0 (Bailey, Borwein, López de Prado & Zhu, Journal of Computational Finance 20, 2016).",
        "Lead over the median: blocks of neighbouring periods are drawn again and again, the same for all runs. What a draw does to the difference "
        "of each run and the median one, over its standard error, is chance; the lead counts where the largest of them rarely reaches it "
        "(White, Econometrica 68, 2000; Romano & Wolf, Econometrica 73, 2005).",
        "The rule: nothing, unless the best is above luck with 95 % probability; a winner, if besides its lead is chance with at most 5 % and "
        "the overfitting at most 5 %; an edge and no winner otherwise.",
    )
