"""What `btcframe trade` says: a line while the session lasts, and what became of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from btcframe.report.words import counted
from btcframe.types import NS, duration_name
from btcframe.watch.observed import Observed
from btcframe.watch.status import stands

WAITING = 0.1
"""Share of the lane's memory in use that is worth a word."""


class Line:
    """A session in a line; rates are those since the line before.

    Parameters
    ----------
    now : callable      monotonic, ns
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._began_ns = self._shown_ns = now()
        self._shown = 0

    def of(self, session: Observed) -> str:
        """How it stands: what is not as it should be; time, market, position, equity (and what the day made of it),
        fills, messages a second, and how long 99 of 100 decisions took at most, from our socket on.
        """
        now_ns, counters = self._now(), session.counters()
        frames = int(counters["session"]["frames"] or counters["session"]["events"])
        rate = (frames - self._shown) * NS / max(now_ns - self._shown_ns, 1)
        self._shown, self._shown_ns = frames, now_ns
        told = [f"{span(now_ns - self._began_ns)} {session.about()['symbol']}"]
        signals = session.get_execution_signals()
        if signals is None:
            told += ["waiting for the book", f"{rate:,.0f}/s"]
            return " · ".join([*_troubles(counters), *told])
        told[0] += f" {signals.mid:,.2f}" if signals.usable else " no book"
        trader = counters["trader"]
        fills = int(trader["maker_fills"] + trader["taker_fills"])
        told += [
            f"{signals.position:+,.6g} @ {signals.average_price:,.2f}" if signals.position_lots else "flat",
            f"{signals.equity:,.2f} ({signals.day_profit:+,.2f})",
            counted(fills, "fill"),
            f"{rate:,.0f}/s",
        ]
        if (total := signals.latency.get("total")) is not None:
            told.append(f"p99 {total.p99_ns / 1e6:,.1f} ms")
        stopped = [stands(signals.state.upper(), signals.cause)] if signals.state != "active" else []
        return " · ".join([*stopped, *_model(session.model()), *_troubles(counters), *told])


def _model(told: Mapping[str, Any]) -> list[str]:
    """What is to be known of the model that predicts."""
    found = ["MOCK: the predictions are noise"] if told["mock"] else []
    if told["step"] == "previous":
        found.append(f"the previous model predicts: {told['why']}")
    if told["refused"]:
        found.append("a promotion was refused")
    if told["drifted"]:
        found.append(f"{counted(len(told['drifted']), 'column')} moved")
    return found


def _troubles(counters: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lane, shed, spool, venue = (counters.get(part, {}) for part in ("lane", "shed", "spool", "venue"))
    found = []
    if not venue.get("up", 1):
        found.append("the exchange's private stream is away")
    if venue.get("journal_waiting"):
        found.append("the journal waits for the disk")
    if shed.get("shut"):
        found.append("overloaded: the market is left out")
    if lane["failures"]:
        found.append(f"not written for {counted(lane['failures'], 'attempt')}")
    if spool.get("failures"):
        found.append(f"the store is away, {counted(spool['rows'] + spool['memory'], 'row')} wait")
    return found


def ending(plain: Mapping[str, Any], stopped: str, predicted: bool, store: str, memory: int) -> str:
    """What became of a session, in a few lines, beside what it earned.

    Parameters
    ----------
    plain : mapping     `Session.plain`
    stopped : str       why it ended
    predicted : bool    whether a model predicted
    store : str         what became of the rows for the store, in words
    memory : int        bytes that the lane may hold
    """
    counters, latency = plain["counters"], plain["latency"]
    shed, lane = counters.get("shed", {}), counters["lane"]
    of = counters["session"]
    why = {"asked": "Stopped", "duration": "Over", "end": "The source ended"}[stopped]
    messages = counted(of["frames"], "frame") if of["frames"] else counted(of["events"], "event")
    lines = [
        f"{why} after {span(plain['last_ns'] - plain['first_ns'])}: {messages}, {counted(counters['trader']['rows'], 'row')}"
        + ("" if predicted else "; no model, so nothing was predicted")
    ]
    if (total := latency.get("total")) is not None:
        stages = ", ".join(
            f"{stage} {latency[stage]['p99_ns'] / 1e3:,.0f}"
            for stage in ("wire", "decode", "book", "row", "signal")
            if stage in latency
        )
        lines.append(
            f"From our socket to the decision: p50 {total['p50_ns'] / 1e3:,.0f} µs, p99 {total['p99_ns'] / 1e3:,.0f} µs "
            f"(p99 by stage, µs: {stages})"
        )
    if shed.get("shed") or shed.get("spared"):
        lines.append(
            f"Left out under overload: {counted(shed['shed'], 'message')} in {counted(shed['times'], 'gap')}, "
            f"and {counted(shed['spared'], 'optional one')}"
        )
    if venue := counters.get("venue"):
        lines.append(_asked(venue))
    most = f"at most {lane['most_bytes'] / 1e6:,.1f} MB of {memory / 1e6:,.0f} waited to be written"
    died = f"; its thread was restarted {counted(lane['restarts'], 'time')}" if lane["restarts"] else ""
    lines.append(f"Slow lane: {counted(lane['items'], 'item')}, {most}{died}")
    lines.append(store)
    lines += _models(plain["model"], counters["models"])
    if (plain["model"].get("fitted_ns") or 0) > (plain["first_ns"] or 0):
        lines.append(
            "It was fitted on data that ends after this session began: what it did here proves nothing."
        )
    if plain["contained"]:
        parts = ", ".join(f"{name} ({why})" for name, why in plain["contained"].items())
        lines.append(f"Switched off: {parts}")
    if plain.get("differs"):
        lines.append(f"At the end {plain['differs']}: the venue's count goes into the next session.")
    if plain["state"] != "active":
        lines.append(
            f"The trader is {stands(plain['state'], plain['cause'])}. So will be one that starts from here."
        )
    return "\n".join(lines)


def _asked(venue: Mapping[str, int]) -> str:
    """What passed with an exchange; its counters are `venues.real.counts.COUNTS`, another venue may have none of them."""
    if not venue.get("requests"):
        return "Exchange: nothing was asked of it"
    of = {
        name: venue.get(name, 0)
        for name in ("sent", "requests", "refused", "limited", "unknown", "settled", "lost")
    }
    resolved = f"{of['unknown']:,} of unknown outcome"
    if of["unknown"]:
        done, left = of["settled"] - of["lost"], of["unknown"] - of["settled"]
        open_ = f", {left:,} left to the next session" if left else ""
        resolved += f" ({done:,} found done or over, {of['lost']:,} never arrived{open_})"
    return (
        f"Exchange: {counted(of['sent'], 'order')} sent, {counted(of['requests'], 'request')}: {resolved}, "
        f"{of['limited']:,} refused by the rate limit, {of['refused']:,} for other reasons; "
        f"{counted(venue.get('restored', 0), 'stream reconnect')}, {counted(venue.get('missed', 0), 'fill')} heard late"
        + (
            f"; {counted(owed, 'note')} never got into the journal"
            if (owed := venue.get("journal_waiting"))
            else ""
        )
    )


def _models(told: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    """What became of the models; nothing in a session without one."""
    if not told["step"]:
        return []
    which = f"{told['step']} {told['digest'][:12]}".strip() + (f" ({told['why']})" if told["why"] else "")
    lines = [f"Model at the end: {'MOCK, noise: ' if told['mock'] else ''}{which}"]
    times = [
        f"{name} {counted(counts[name], 'time')}"
        for name in ("promoted", "refused", "fallen")
        if counts.get(name)
    ]
    lines[0] += f"; {', '.join(times)}" if times else ""
    if told["drifted"]:
        moved = ", ".join(f"{name} {psi:.2f}" for name, psi in list(told["drifted"].items())[:5])
        lines.append(
            f"Columns that are not as in training (PSI above 0.25): {len(told['drifted'])}, first {moved}"
        )
    live = [
        f"{duration_name(of['horizon_ns'])} {of['ic']:+.3f} ({of['low']:+.3f} … {of['high']:+.3f})"
        for of in told["ic"]
        if of["low"] is not None
    ]
    lines += [f"Live IC: {', '.join(live)}"] * bool(live)
    return lines


def span(ns: int) -> str:
    """0:12:03."""
    minutes, seconds = divmod(round(ns / NS), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
