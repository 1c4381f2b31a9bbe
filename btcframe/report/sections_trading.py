"""The parts of a report about money: key figures, the rule, equity, trades, costs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from btcframe.report import figures_trading as figures
from btcframe.report import sections_execution
from btcframe.report.conclusion import HOLDINGS, MIN_BLOCKS, MIN_TRIPS, MOST_BLOCKS, NO, OPEN, YES, worth
from btcframe.report.elements import Child, Html, join, listed, paragraphs, table, tag
from btcframe.report.findings import Findings, Session
from btcframe.report.metrics import Estimate
from btcframe.report.page import Section, empty, key_figures
from btcframe.report.plots import drawn
from btcframe.report.returns import MIN_HOURS
from btcframe.report.trading import nothing_sent
from btcframe.report.words import counted, number, percent, rounded, share, significant, span_text
from btcframe.types import NS

FEWEST = 20
"""Fills from which on their slippage is drawn; fewer are told by the table."""

NO_INTERVAL = "too little data for an interval"

COLOUR = {YES: "yes", NO: "no", OPEN: "open"}


def unit(text: str, name: str) -> Html:
    """A number and what it is counted in."""
    return join(text, " ", tag("span", name, class_="unit"))


def interval(e: Estimate) -> str:
    """The 95 % interval in words; that there is too little data for one where there is none."""
    if math.isnan(e.value):
        return ""
    _, low, high = rounded(e)
    return f"95 %: {low} to {high}" if low else NO_INTERVAL


def sections(found: Findings) -> Iterator[Section]:
    """All of them; where nothing was traded, one that says so."""
    session = found.session
    if session is None:
        yield Section("trading", "Trading", empty(found.missing["session"]))
        return
    yield Section("figures", "In numbers", _in_numbers(found, session))
    yield Section("rule", "The rule", _rule(found, session))
    if not session.metrics.fills:
        yield Section("equity", "Trading", _untraded(found, session))
        yield from sections_execution.sections(found, session)
        return
    yield Section("equity", "Equity", drawn(figures.money(found, session)))
    views = [drawn(figures.price(found, session, found.price))] if found.price else []
    views += [drawn(figures.close_up(found, session, found.close))] if found.close else []
    yield Section("trades", "Trades", join(*views))
    yield Section("costs", "Costs", _costs(found, session))
    yield from sections_execution.sections(found, session)


def why_untraded(session: Session) -> str:
    """Why a session has no fills."""
    m = session.metrics
    if not m.orders:
        return nothing_sent(m)
    return f"{counted(m.orders, 'order')} sent, and none was filled."


def _untraded(found: Findings, session: Session) -> Html:
    price = drawn(figures.price(found, session, found.price)) if found.price else None
    return join(
        empty(f"{why_untraded(session)} So there is no equity curve, no cost and no slippage to show."), price
    )


def _in_numbers(found: Findings, session: Session) -> Html:
    m, quote, e = session.metrics, found.market.money, session.evidence
    digits = found.market.digits
    hourly = found.verdict.hourly
    items: list[tuple[str, Child, Child]] = [
        (
            "Net result",
            unit(number(m.net, digits, sign=True), quote),
            f"{share(m.net / session.cash)} of {number(session.cash, digits - 2)} {quote}",
        )
    ]
    if m.fills:
        per_hour = hourly.value if math.isfinite(hourly.value) else m.net / max(e.span_ns / NS / 3600, 1e-9)
        items += [
            (
                "Net per hour",
                unit(rounded(hourly._replace(value=per_hour))[0], quote),
                interval(hourly) or NO_INTERVAL,
            ),
            ("Before fees and funding", unit(number(m.gross, digits, sign=True), quote), "gross result"),
            ("Fees", unit(number(m.fees, digits), quote), _funding(m.funding, session, found)),
            (
                "Deepest drawdown",
                unit(number(m.max_drawdown, digits), quote),
                f"{share(m.max_drawdown / session.cash, sign=False)} of the cash at the start",
            ),
        ]
    items.append(("Orders sent", number(m.orders, 0), f"{m.denied:,} denied, {counted(m.fills, 'fill')}"))
    if m.trades:
        items += [
            ("Round trips", number(m.trades, 0), f"held for {span_text(int(m.holding_s * NS))} on average"),
            ("Round trips that paid", percent(session.paid.value, 1), _share(session.paid)),
            (
                "Net per round trip",
                unit(rounded(session.per_trip)[0], quote),
                interval(session.per_trip),
            ),
        ]
    if m.fills:
        per_day = m.turnover / max(e.span_ns / NS / 86_400, 1e-9)
        items += [
            (
                "Position held",
                percent(m.exposure, 1),
                f"of {span_text(e.span_ns)} with a model",
            ),
            ("Turnover", unit(significant(m.turnover, sign=False), "× cash"), _per_day(per_day, e.span_ns)),
            ("Maker share", percent(m.maker_share, 1), "of the traded notional"),
            ("Fill ratio", percent(m.fill_ratio, 1), "of what was sent, by size"),
            _slippage_figure(session),
        ]
    return join(key_figures(items), _annual(session), _open(found, session))


def _funding(paid: float, session: Session, found: Findings) -> str:
    if not len(session.tables["funding"]):
        return "no funding was due"
    return f"and funding {number(paid, found.market.digits, sign=True)} {found.market.money}"


def _share(e: Estimate) -> str:
    if math.isnan(e.low):
        return NO_INTERVAL
    return f"95 %: {percent(e.low, 1)} to {percent(e.high, 1)}"


def _per_day(per_day: float, span_ns: int) -> str:
    if span_ns < 86_400 * NS:
        return "over the whole session"
    return f"{significant(per_day, sign=False)} × a day"


def _slippage_figure(session: Session) -> tuple[str, Child, Child]:
    taker = session.metrics.maker_share < 0.5
    e = session.taker if taker else session.maker
    name = "Slippage, taker" if taker else "Slippage, maker"
    return name, unit(rounded(e)[0], "bps a fill"), interval(e)


def _annual(session: Session) -> Html:
    a = session.annual
    if a is None:
        days = MIN_HOURS // 24
        if session.hours >= MIN_HOURS:
            return tag(
                "p",
                "Sharpe, Sortino and Calmar ratio are not defined: the hourly returns are all 0, or equity fell to 0.",
            )
        return tag(
            "p",
            f"Sharpe, Sortino and Calmar ratio and annual volatility need at least {days} days of trading "
            f"(this is {span_text(session.evidence.span_ns)}): below that, their errors are larger than any plausible "
            "value.",
            class_="empty",
        )
    rows = [
        ("Volatility a year", percent(a.volatility.value, 1), _share(a.volatility)),
        ("Sharpe ratio", rounded(a.sharpe)[0], interval(a.sharpe)),
        ("Sortino ratio", rounded(a.sortino)[0], interval(a.sortino)),
        ("Calmar ratio", rounded(a.calmar)[0], interval(a.calmar)),
    ]
    caption = (
        f"From {session.hours:,} hourly returns of equity, 8,766 hours a year, no riskless rate; intervals from a "
        "bootstrap of whole days."
    )
    return table(("", "value", "interval"), rows, caption)


def _open(found: Findings, session: Session) -> Html | None:
    if not session.metrics.open_lots:
        return None
    size = session.instrument.size(session.metrics.open_lots)
    return tag(
        "p",
        f"At the end {number(size, 6, sign=True).rstrip('0').rstrip('.')} {found.market.base} were still held, valued at "
        "the last mid: closing them would cost spread and fee, and that is in no figure here.",
    )


def _rule(found: Findings, session: Session) -> Html:
    e, verdict = session.evidence, found.verdict
    answer = tag("strong", verdict.answer, class_=COLOUR[verdict.answer])
    _, low, _ = rounded(verdict.hourly)
    blocks = (
        f"{e.active} of {counted(len(e.results), 'block')} of {span_text(e.block_ns)}"
        if e.results
        else "not one block fits"
    )
    rows: list[tuple[Child, ...]] = [
        ("Blocks in which the account moved", blocks, f"at least {MIN_BLOCKS}"),
        *([("Independent blocks they are worth", number(worth(np.array(e.results)), 0), "")] if low else []),
        ("Round trips", number(e.trips, 0), f"at least {MIN_TRIPS}"),
        (
            f"Lower bound of the net per hour, {found.market.money}",
            low or "not asked",
            "above 0",
        ),
    ]
    figure = drawn(figures.blocks(found, session)) if len(e.results) > 1 and e.active else None
    return join(
        table(("", "found", "needed for a yes"), rows, join("Verdict: ", answer, ".")),
        figure,
        paragraphs(
            f"The traded time is cut into equal blocks, {MOST_BLOCKS} at most, none shorter than an hour or than "
            f"{HOLDINGS} mean holding times. Too few blocks or round trips: not enough data. Otherwise yes if the lower "
            "95 % bound of the mean result of a block is above 0 (the lower of Student's t and the studentised "
            "bootstrap; blocks that resemble their neighbours count as fewer), else no.",
            "The rule knows this one run. The best of twenty settings says yes without any edge in up to four cases of "
            "ten: choose first, then look.",
        ),
    )


def _costs(found: Findings, session: Session) -> Html:
    m, quote = session.metrics, found.market.money
    cash = session.cash
    at_mids = m.gross + m.slippage
    settled = session.tables["funding"]

    def row(name: Child, value: float) -> tuple[Child, ...]:
        return name, number(value, found.market.digits, sign=True), share(value / cash)

    rows: list[tuple[Child, ...]] = [
        row("Result at the mids decided on", at_mids),
        row("Slippage", -m.slippage),
        row("Result before fees and funding", m.gross),
        row("Fees", -m.fees),
        row("Funding", -m.funding) if len(settled) else ("Funding", "none was due", ""),
        row(tag("strong", "Net result"), m.net),
    ]
    fills = session.tables["fills"]
    maker = int((fills["maker"] == 1).sum())
    notional = m.turnover * cash
    kinds: list[tuple[Child, ...]] = [
        (name, f"{n:,}", percent(share, 1), rounded(e)[0] if n else "none", interval(e) or "none")
        for name, n, share, e in (
            ("Taker", len(fills) - maker, 1 - m.maker_share, session.taker),
            ("Maker", maker, m.maker_share, session.maker),
        )
    ]
    return join(
        table(("", quote, "of the cash"), rows, "From what was expected to what was left."),
        table(
            ("", "fills", "of the notional", "slippage, bps", "interval"),
            kinds,
            f"{number(notional, found.market.digits - 2)} {quote} traded, {significant(m.turnover, sign=False)} × the cash; fees "
            f"{number(m.fees / notional * 1e4)} bps of it.",
        ),
        drawn(figures.slippage(session)) if len(fills) >= FEWEST else None,
        listed(
            [
                "Slippage: price of the fill against the arrival mid, that of the book its order was decided on or last "
                "amended with; means are weighted by notional. It holds half the spread, the depth taken and what the "
                "market did on the way.",
                "Maker slippage below 0 is the part of the spread that was earned; what the market does after the fill "
                "is in the result and in the markouts, not in the slippage.",
            ]
        ),
    )
