"""An explained order in words, 80 columns wide, and as JSON."""

from __future__ import annotations

import datetime
import math
import shlex
import textwrap
from collections.abc import Iterable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from btcframe.api import Action, TraderState
from btcframe.explain.chain import orders
from btcframe.explain.values import Answered, Decided, Explained, Feature, Features, Filled, Line
from btcframe.report.words import counted, number, significant
from btcframe.types import OrderReason, OrderState, TimeInForce, duration_name

WIDTH = 80
LABEL = 11
LISTED = 40
"""Orders that a list in words holds, the last ones; JSON has all."""
LEAST_USUAL = 12
"""Features that a story holds, unless all are asked for."""

_SIDES = {1: "buy", -1: "sell", 0: "no side"}
_TIFS = {
    TimeInForce.GTC: "",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.POST_ONLY: "post-only",
}


def plain(told: Explained) -> dict[str, Any]:
    """The same as values for JSON: names for codes, null for what was not known."""
    value: dict[str, Any] = _plain(vars(told))
    names: tuple[tuple[str, str, type[IntEnum]], ...] = (
        ("decided", "action", Action), ("decided", "tif", TimeInForce), ("answered", "state", OrderState),
        ("answered", "why", OrderReason),
    )  # fmt: skip
    for part, field, codes in names:
        for one in value[part]:
            one[field] = _name(codes, one[field])
    if value["seen"]["state"] is not None:
        value["seen"]["state"] = _name(TraderState, value["seen"]["state"])
    for one in value["fills"]:
        one["markouts"] = {duration_name(horizon): bps for horizon, bps in one["markouts"]}
    return value


def plain_orders(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The orders of a session as values for JSON."""
    return [_plain(line) | {"state": _name(OrderState, line.state)} for line in lines]


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def describe(told: Explained, *, every: bool = False) -> str:
    """The story of an order for a terminal, no line longer than `WIDTH` columns.

    Parameters
    ----------
    told : Explained
    every : bool        all features that are told, in place of the `LEAST_USUAL`
    """
    first = told.decided[0]
    base, quote = _units(told)
    head = _wrapped(f"Order {told.order_id}: {_wanted(first, base, quote)}. {_became(told, base)}", "")
    about = f"{told.symbol}, {told.ids.run}" + ("" if told.status == "complete" else f", {told.status}")
    parts = [
        [*head, *_wrapped(about, "")],
        _labelled("Seen", _seen(told, base, quote)),
        _labelled("Features", _features(told.features, every)),
        _labelled("Predicted", _predicted(told)),
        _labelled("Decided", _decision(first, base, quote)),
        _history(told, base, quote),
        _labelled("Exchange", _heard(told)) if told.heard else [],
        _labelled("Result", _result(told, base, quote)),
        *(_labelled(label, [value]) for label, value in _ids(told)),
    ]
    if told.status == "running":
        parts.append(_wrapped("The session runs: its last moments are not in its files yet.", ""))
    return "\n".join(line for part in parts for line in part)


def describe_orders(directory: Path) -> str:
    """The orders of a session, one a line, the last `LISTED` of them.

    Raises
    ------
    DataError
        See `explain.left_by`.
    """
    lines = orders(directory)
    if not lines:
        return f"No order was asked for in {directory}."
    rows = [
        (
            str(line.order_id), _time(line.ns)[:-3], _SIDES[line.side], f"{line.size:g}",
            "market" if line.price is None else number(line.price), f"{line.filled:g}", _state(line.state),
            line.veto or line.reason,
        )
        for line in lines[-LISTED:]
    ]  # fmt: skip
    rows.insert(0, ("order", "decided, UTC", "", "size", "price", "filled", "state", "why"))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    right = {0, 3, 4, 5}
    text = [
        " ".join(
            cell.rjust(width) if k in right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    if len(lines) > LISTED:
        text.append(f"The last {LISTED} of {len(lines):,}; all of them: --json")
    text.append(f"One of them: btcframe session explain {lines[-1].order_id} {shlex.quote(str(directory))}")
    return "\n".join(line.rstrip() for line in text)


# --------------------------------------------------------------------------------------------------- the parts


def _seen(told: Explained, base: str, quote: str) -> list[str]:
    seen = told.seen
    late = (seen.ns - told.ids.row_ns) / 1e6
    lines = [f"{_time(seen.ns)} UTC, {late:,.1f} ms after the row's end"]
    if math.isfinite(seen.mid):
        lines.append(
            f"bid {number(seen.bid)}, ask {number(seen.ask)}, spread {significant(seen.spread_bps, sign=False)} bps"
        )
    else:
        lines.append("no usable book")
    more = [f"quality {seen.quality:.3g}"] if math.isfinite(seen.quality) else []
    more += [f"book {seen.age_ns / 1e6:,.1f} ms old"] if seen.age_ns is not None else []
    more += [f"regime {seen.regime}"] if seen.regime else ["no regime"]
    lines.append(", ".join(more))
    if seen.state is None:
        return [*lines, "the account at that row is not in the files yet"]
    held = f"{seen.position:+g} {base}" if seen.position else "no position"
    return [*lines, f"{held}, equity {number(seen.equity)} {quote}, trader {_name(TraderState, seen.state)}"]


def _features(told: Features | None, every: bool) -> list[str]:
    """A heading, and a line for each."""
    if told is None:
        return ["ask with --features: the market is played again up to that row"]
    columns = told.columns if every else told.columns[:LEAST_USUAL]
    most = f"the least usual {len(columns)} of {len(told.columns)}"
    head = most if len(columns) < len(told.columns) else "all, the least usual first"
    lines = [f"{head}; beside them, of the {counted(told.rows, 'row')} before:"]
    rows = [("", "value", "median", "less", ""), *(_feature(one) for one in columns)]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    for name, *numbers, unit in rows:
        cells = [name.ljust(widths[0]), *(n.rjust(w) for n, w in zip(numbers, widths[1:], strict=True)), unit]
        lines.append("  ".join(cells))
    return lines + [f"off: {name}: {why}" for name, why in told.off.items()]


def _feature(one: Feature) -> tuple[str, ...]:
    usual = significant(one.usual, sign=False) if math.isfinite(one.usual) else ""
    less = f"{one.below:.1%}" if math.isfinite(one.below) else ""
    return one.name, significant(one.value, sign=False), usual, less, one.unit


def _predicted(told: Explained) -> list[str]:
    lines = []
    for p in told.predicted:
        text = f"{duration_name(p.horizon_ns):>5}  {significant(p.mean)} bps"
        text += f", up {p.p_up:.0%}" if math.isfinite(p.p_up) else ""
        text += f", {significant(p.low)} to {significant(p.high)}" if math.isfinite(p.low + p.high) else ""
        lines.append(text)
    return lines or ["nothing: there was no model"]


def _decision(first: Decided, base: str, quote: str) -> list[str]:
    lines = [f"{_wanted(first, base, quote)}{_because(first.reason)}"]
    if first.cut:
        lines.append(f"cut to {first.sent:g} {base} by {first.cut}" if first.sent else f"cut by {first.cut}")
    lines.append(f"vetoed: {first.veto}" if first.veto else "no veto")
    return lines


def _history(told: Explained, base: str, quote: str) -> list[str]:
    """What happened, in order of our knowing it; columns: since the decision, at the venue since it, what."""
    start = told.seen.ns
    # at one moment: sent, heard, and then what was made of it
    # what we asked for stands there as decided: our own note that a cancel is on its way says nothing new
    answers = [a for a in told.answered if a.venue_ns or a.state != OrderState.PENDING_CANCEL]
    events = [
        (a.ns, 2 * (a.state != OrderState.SUBMITTED), a.venue_ns, _answer(a, base, quote)) for a in answers
    ]
    events += [(f.ns, 1, f.venue_ns, _fill(f, base, quote)) for f in told.fills]
    events += [(one.ns, 3, None, _later(one, base, quote)) for one in told.decided[1:]]
    lines = [f"{'we knew':>11} {'at the venue':>13}"]
    for ns, _, venue_ns, text in sorted(events, key=lambda event: event[:2]):
        lead = f"{_since(ns - start):>11} {_since(venue_ns - start) if venue_ns else '':>13}  "
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False
        )
    return lines


def _heard(told: Explained) -> list[str]:
    """What passed between us and the exchange; JSON has it word by word."""
    return [f"{_since(one.ns - told.seen.ns)}  {one.text}" for one in told.heard]


def _later(one: Decided, base: str, quote: str) -> str:
    what = (
        "cancel" if one.action == Action.CANCEL else f"amend to {one.asked:g} {base} {_at(one.price, quote)}"
    )
    cut = f", cut by {one.cut}" if one.cut else ""
    return f"{what}{_because(one.reason)}{cut}" + (f"; vetoed: {one.veto}" if one.veto else "")


def _answer(a: Answered, base: str, quote: str) -> str:
    text = "sent" if a.state == OrderState.SUBMITTED else _state(a.state)
    if a.why:
        text += f" ({_name(OrderReason, a.why).lower().replace('_', ' ')})"
    if a.state in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL):
        text += f": {a.filled:g} of {a.size:g} {base} filled, {_at(a.price, quote)}"
    return text


def _fill(f: Filled, base: str, quote: str) -> str:
    text = (
        f"fill of {f.size:g} {base} {_at(f.price, quote)}, {'maker' if f.maker else 'taker'}, fee {f.fee:.4g}"
    )
    if math.isfinite(f.slippage_bps):
        text += f", slippage {significant(f.slippage_bps)} bps"
    if math.isfinite(f.queue_s):
        text += f", {f.queue_s:.3g} s in the queue"
    known = [f"{duration_name(h)} {significant(bps)}" for h, bps in f.markouts if math.isfinite(bps)]
    return text + (f"; markouts, bps: {', '.join(known)}" if known else "")


def _result(told: Explained, base: str, quote: str) -> list[str]:
    total = sum(f.size for f in told.fills)
    lines = []
    if total:
        price = sum(f.size * f.price for f in told.fills) / total
        fee = sum(f.fee for f in told.fills)
        lines.append(f"{total:g} {base} at {number(price)} {quote} on average, fees {fee:.4g}")
        known = [f for f in told.fills if math.isfinite(f.slippage_bps)]
        if known:
            slippage = sum(f.size * f.slippage_bps for f in known) / sum(f.size for f in known)
            lines.append(f"slippage {significant(slippage)} bps of the mid decided on")
    else:
        lines.append("nothing was filled")
    answer = next((a for a in told.answered if a.venue_ns), None)
    if answer is not None and answer.venue_ns is not None:
        there, back = answer.venue_ns - told.seen.ns, answer.ns - answer.venue_ns
        lines.append(f"latency: {_since(there)} to the venue, {_since(back)} back")
    if told.fills:
        lines.append(f"first fill {_since(told.fills[0].venue_ns - told.seen.ns)} after the decision")
    return lines


def _ids(told: Explained) -> list[tuple[str, str]]:
    ids = told.ids
    stands = "none" if ids.prediction is None else f"predictions[{ids.prediction}]"
    model = [("Model", ids.model or "none"), *([("", ids.name)] if ids.name else [])]
    return [
        ("Config", ids.config),
        ("Code", ids.code),
        ("Commit", ids.commit or "not a checkout"),
        *model,
        ("Build", ids.build or "none"),
        ("Row", f"{ids.row_ns}, prediction {stands}"),
    ]


# --------------------------------------------------------------------------------------------------- wording


def _units(told: Explained) -> tuple[str, str]:
    """What sizes and prices are counted in."""
    base, _, rest = told.symbol.partition("/")
    quote = rest.partition(":")[0] or "quote"
    return (f"contracts of {quote}" if told.contract == "inverse" else base or "base"), quote


def _wanted(one: Decided, base: str, quote: str) -> str:
    kind = [_TIFS.get(TimeInForce(one.tif), "") if one.tif in set(TimeInForce) else f"tif {one.tif}"]
    kind += ["reduce-only"] if one.reduce_only else []
    extra = "".join(f", {word}" for word in kind if word)
    return f"{_SIDES.get(one.side, '?')} {one.asked:g} {base} {_at(one.price, quote)}{extra}"


def _at(price: float | None, quote: str) -> str:
    return "at the market" if price is None else f"at {number(price, _digits(price))} {quote}"


def _digits(price: float) -> int:
    return max(2, len(f"{price:.10g}".partition(".")[2]))


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _became(told: Explained, base: str) -> str:
    if told.decided[0].veto:
        return "Denied, never sent."
    end = told.answered[-1]
    if end.state == OrderState.FILLED:
        return "Filled."
    return f"{_state(end.state).capitalize()}, {end.filled:g} of {end.size:g} {base} filled."


def _state(state: int) -> str:
    return _name(OrderState, state).lower().replace("_", " ")


def _name(codes: type[IntEnum], code: int) -> str:
    """Name of a code; the number itself where this version does not know it."""
    return codes(code).name if code in set(codes) else str(code)


def _since(ns: int) -> str:
    """A length of time with its sign, three digits of it at least."""
    for unit, length in (("s", 1e9), ("ms", 1e6)):
        if abs(ns) >= length:
            return f"{ns / length:+,.3f} {unit}" if unit == "s" else f"{ns / length:+,.1f} {unit}"
    return f"{ns / 1e3:+,.1f} us" if ns else "0 ms"


def _time(ns: int) -> str:
    moment = datetime.datetime.fromtimestamp(ns // 10**9, datetime.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{ns % 10**9 // 1000:06d}"


def _labelled(label: str, lines: Iterable[str]) -> list[str]:
    out = []
    for line in lines:
        out += textwrap.wrap(line, WIDTH - LABEL, subsequent_indent="  ", break_on_hyphens=False)
    return [f"{label if not n else '':<{LABEL}}{line}".rstrip() for n, line in enumerate(out)]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
