"""The parts of a report about execution: orders and fills, when, beside another run, and at another venue."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from btcframe.api import TraderState
from btcframe.report import figures_execution as figures
from btcframe.report.buckets import Buckets
from btcframe.report.elements import Child, Html, join, listed, paragraphs, stacked, table, tag
from btcframe.report.execution import MIDDLE_NS, Execution
from btcframe.report.findings import Findings, Session
from btcframe.report.markouts import HORIZONS_NS, Markout
from btcframe.report.measures import Measures, of_metrics
from btcframe.report.page import Section, empty, folded
from btcframe.report.plots import drawn
from btcframe.report.trading import nothing_sent, said
from btcframe.report.varied import Varied
from btcframe.report.words import counted, number, percent, rounded, significant, span_text
from btcframe.types import duration_name

NONE = "none"

STOPS = 20
"""Stops of the trader that are told one by one."""

_ADDED = (
    "What was earned and paid in each regime, as it was found at the time. The change of equity between two rows counts "
    "to the first of them, and so do the fills heard of in between: the parts add up to the whole."
)


def sections(found: Findings, session: Session) -> Iterator[Section]:
    """All of them; some say only why there is nothing to show."""
    if len(session.tables["intents"]):
        yield Section("orders", "Orders and fills", _orders(found, session))
    if session.metrics.fills:
        yield Section("when", "By regime and hour", _when(found, session))
    if found.beside is not None or "beside" in found.missing:
        yield Section("beside", "Beside another run", _beside(found))
    yield Section("sensitivity", "At another venue", _sensitivity(found, session))


# ------------------------------------------------------------------------------------------- orders and fills


def _orders(found: Findings, session: Session) -> Html:
    stopped = join(_vetoes(session), _stops(session))
    if not session.metrics.orders:
        return join(empty(nothing_sent(session.metrics)), stopped)
    e = session.execution
    rows: list[tuple[Child, ...]] = [
        (
            name, f"{s.orders:,}", f"{s.whole:,}", f"{s.part:,}", f"{s.none:,}", f"{s.refused:,}",
            percent(s.ratio, 1) if s.orders else NONE,
        )
        for name, s in (("May rest (GTC, post-only)", e.resting), ("May not (IOC, FOK, market)", e.taking))
        if s.orders
    ]  # fmt: skip
    head = ("", "orders", "filled", "in part", "not at all", "of those refused", "fill ratio")
    return join(
        table(head, rows, "What became of the orders that were sent. The fill ratio is by size."),
        _queue(e),
        *_markouts(session, e),
        _gone(found, session),
        stopped,
    )


def _vetoes(session: Session) -> Html | None:
    """What was not let through, or not whole, by who said so."""
    intents = session.tables["intents"]
    rows: list[tuple[Child, ...]] = [
        (tag("code", code), f"{denied:,}", f"{cut:,}") for code, (denied, cut) in said(intents).items()
    ]
    if not rows:
        return None
    caption = f"Rules and filters that spoke, of {counted(len(intents), 'intent')}: denied, or made smaller or reduce-only."
    return table(("", "denied", "cut"), rows, caption)


def _stops(session: Session) -> Html | None:
    """When and why the trader stopped opening, or stopped."""
    stops = session.tables["stops"]
    if not len(stops):
        return None
    rows: list[tuple[Child, ...]] = [
        (str(row["ns"].astype("datetime64[ns]").astype("datetime64[s]")).replace("T", " "),
         TraderState(int(row["state"])).name.lower(), row["code"].decode(errors="replace"),
         row["why"].decode(errors="replace"))
        for row in stops[:STOPS]
    ]  # fmt: skip
    more = f"; the first {STOPS} of {len(stops):,}" if len(stops) > STOPS else ""
    return table(
        ("UTC", "state", "cause", "why"), rows, f"When the trader stopped opening, or stopped{more}.", text=4
    )


def _queue(e: Execution) -> Html | None:
    rows: list[tuple[Child, ...]] = [
        (name, *(f"{significant(s, sign=False)} s" for s in spread))
        for name, spread in (("Until its fill", e.queue.filled), ("Until it was given up", e.queue.unfilled))
        if math.isfinite(spread[1])
    ]
    if not rows:
        return tag(
            "p", "No order stood in a queue: none was filled as maker, and none was given up.", class_="empty"
        )
    return table(
        ("", "shortest tenth", "median", "longest tenth"),
        rows,
        "How long an order stood in its place at the venue: the time below which a tenth, half and nine tenths of them "
        "lie. A change of price, or more size, is a new place.",
    )


def _markouts(session: Session, e: Execution) -> Iterator[Html | None]:
    """Means by horizon, as a table and drawn."""
    if not session.metrics.fills:
        return
    rows: list[tuple[Child, ...]] = []
    for maker in (False, True):
        mine = [m for m in e.markouts if m.maker == maker and m.fills]
        if mine:
            rows.append(("Maker" if maker else "Taker", *map(_markout, mine)))
    yield table(
        ("", *(f"after {duration_name(h)}, bps" for h in HORIZONS_NS)),
        rows,
        "Markout: how far the mid was above the price of a buy, or below that of a sell, a while after we knew of the "
        "fill. Positive is good, before fees; means are weighted by notional.",
    )
    if any(math.isfinite(m.mean.value) for m in e.markouts):
        yield drawn(figures.markouts(session))


def _markout(m: Markout) -> Child:
    if not m.known:
        return "known of no fill"
    value, low, high = rounded(m.mean)
    interval = f"95 %: {low} to {high}" if low else "too little for an interval"
    return stacked(value, f"{interval}, {m.known:,} of {counted(m.fills, 'fill')}")


def _gone(found: Findings, session: Session) -> Html:
    """Exposure and time under water, in a sentence each."""
    held, quote = session.execution.held, found.market.money
    if math.isnan(held.long):
        return paragraphs("There was no row with a model.")
    under = (
        f"The longest time below an earlier peak of equity was {span_text(held.under)}."
        if held.under
        else "Equity never fell below an earlier peak."
    )
    return listed(
        [
            f"Long in {percent(held.long, 1)} of the traded rows, short in {percent(held.short, 1)}; the position was "
            f"worth {number(held.mean, found.market.digits)} {quote} on average and "
            f"{number(held.most, found.market.digits)} {quote} at most.",
            under,
        ]
    )


# ---------------------------------------------------------------------------------------------------- when


def _when(found: Findings, session: Session) -> Html:
    e = session.execution
    names = [*e.regimes, "no regime"]
    hours = [f"{hour:02d}:00" for hour in range(24)]
    told = e.by_hour
    several = np.count_nonzero(told.rows) > 1
    return join(
        _buckets(found, "regime", names, e.by_regime, _ADDED),
        drawn(figures.by_hour(found, session)) if several else None,
        folded(
            "Every hour of the day",
            _buckets(found, "hour, UTC", hours, told, "The same by the hour of the day, UTC."),
        ),
    )


def _buckets(found: Findings, what: str, names: Sequence[str], b: Buckets, caption: str) -> Html:
    digits = found.market.digits
    rows: list[tuple[Child, ...]] = [
        (
            names[k], f"{b.rows[k]:,}", percent(b.held[k] / b.rows[k] if b.rows[k] else math.nan),
            number(b.net[k], digits, sign=True), number(b.fees[k], digits), f"{b.fills[k]:,}",
            percent(b.maker[k] / b.notional[k]) if b.notional[k] else NONE, _bps(b.slippage[k]), _bps(b.markout[k]),
        )
        for k in np.flatnonzero((b.rows > 0) | (b.fills > 0)).tolist()
    ]  # fmt: skip
    money = found.market.money
    head = (
        what, "rows", "held", f"net, {money}", f"fees, {money}", "fills", "maker", "slippage, bps",
        f"markout {duration_name(MIDDLE_NS)}, bps",
    )  # fmt: skip
    return table(head, rows, caption)


def _bps(value: float) -> str:
    return significant(value) if math.isfinite(value) else NONE


# ------------------------------------------------------------------------------------- beside, and elsewhere


def _beside(found: Findings) -> Html:
    b = found.beside
    if b is None:
        return empty(f"The other run cannot be laid over this one: {found.missing['beside']}")
    mine, theirs = b.measures
    names = ("this run", b.name)
    rows = [
        (name, here, there, _difference(key, mine, theirs, found.market.digits))
        for (key, name, here), (_, _, there) in zip(_told(mine, found), _told(theirs, found), strict=True)
    ]
    parted = (
        tag("pre", b.difference)
        if b.difference
        else tag("p", f"Both decided the same: {counted(b.intents[0], 'intent')}, field by field.")
    )
    return join(
        table(
            ("", *names, "difference"),
            rows,
            f"This run ({found.manifest['verb']}) and {b.name} ({b.verb}, venue {b.venue}) over the "
            f"{counted(b.rows, 'row')} they share, {span_text(b.span[1] - b.span[0])}; each from its equity at the "
            f"first of them. They held the same position in {percent(b.agreed, 1)} of these rows.",
        ),
        drawn(figures.overlaid(found, b)),
        tag("h3", "Where their intents first differ"),
        parted,
    )


def _told(m: Measures, found: Findings) -> list[tuple[str, str, str]]:
    """Measures as (field, name, value)."""
    money, digits = found.market.money, found.market.digits
    return [
        ("net", f"Net, {money}", number(m.net, digits, sign=True)),
        ("gross", f"Before fees and funding, {money}", number(m.gross, digits, sign=True)),
        ("fees", f"Fees, {money}", number(m.fees, digits)),
        ("funding", f"Funding paid, {money}", number(m.funding, digits)),
        ("max_drawdown", f"Deepest drawdown, {money}", number(m.max_drawdown, digits)),
        ("exposure", "Position held", percent(m.exposure, 1)),
        ("orders", "Orders sent", f"{m.orders:,}"),
        ("fills", "Fills", f"{m.fills:,}"),
        ("fill_ratio", "Fill ratio", percent(m.fill_ratio, 1)),
        ("maker_share", "Maker share", percent(m.maker_share, 1)),
        ("slippage", "Slippage, bps", _bps(m.slippage)),
        ("markout", f"Markout {duration_name(MIDDLE_NS)}, bps", _bps(m.markout)),
    ]


def _difference(key: str, mine: Measures, theirs: Measures, digits: int) -> str:
    value = getattr(theirs, key) - getattr(mine, key)
    if not math.isfinite(value):
        return NONE
    if key in ("exposure", "fill_ratio", "maker_share"):
        return f"{number(100 * value, 1, sign=True)} points"
    if key in ("slippage", "markout"):
        return significant(value) if abs(value) > 1e-6 else "0"
    return number(value, 0 if isinstance(value, int) else digits, sign=True)


def _sensitivity(found: Findings, session: Session) -> Html:
    if found.varied is None:
        why = found.missing.get("sensitivity")
        return empty(
            f"The variations cannot be read: {why}"
            if why
            else join(
                "One venue, one latency, one queue: the result above is one number of many. What it would be at others: ",
                tag("code", f"btcframe report {found.name} --sensitivity"),
                " plays the session again a dozen times.",
            )
        )
    base = of_metrics(session.metrics, session.tables, session.instrument)
    every = [("as it was set", base), *((v.variation.name, v.measures) for v in found.varied)]
    nets = [m.net for _, m in every]
    money, digits = found.market.money, found.market.digits
    rows: list[tuple[Child, ...]] = [
        (
            tag("strong", name) if m is base else name, number(m.net, digits, sign=True), number(m.fees, digits),
            f"{m.fills:,}", percent(m.fill_ratio, 1), percent(m.maker_share, 1), _bps(m.slippage), _bps(m.markout),
        )
        for name, m in every
    ]  # fmt: skip
    gains = sum(net > 0 for net in nets)
    return join(
        tag(
            "p",
            f"Net between {number(min(nets), digits, sign=True)} and {number(max(nets), digits, sign=True)} {money} at "
            f"{len(nets)} venues that differ in one setting each, above 0 at {gains} of them.",
        ),
        drawn(figures.varied(found, every)),
        table(
            (
                "venue",
                f"net, {money}",
                f"fees, {money}",
                "fills",
                "fill ratio",
                "maker",
                "slippage, bps",
                f"markout {duration_name(MIDDLE_NS)}, bps",
            ),
            rows,
            "The recorded session, played again with one setting of the venue changed; policy and models are the same, "
            "their decisions follow what became of their orders.",
        ),
        _settings(found.varied),
    )


def _settings(varied: Sequence[Varied]) -> Html:
    rows: list[tuple[Child, ...]] = [
        (
            v.variation.name,
            tag("code", " ".join(f"venue.{k}={_word(x)}" for k, x in v.variation.settings.items())),
        )
        for v in varied
    ]
    return folded(
        "What was changed", table(("venue", "settings"), rows, "Overrides of the session's config.", text=2)
    )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
