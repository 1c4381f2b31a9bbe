"""How a session stands, in words: `btcframe session status`."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from btcframe.watch.status import Status, stands
from btcframe.watch.switch import standing

CONDITIONS = {
    "stuck": "its process runs, and does nothing: btcframe session halt ends it",
    "died": "its process has gone without a word",
    "elsewhere": "its process is on another machine, in another container, or was before a restart of this one",
    "failed": "see manifest.json",
}
"""What a session's condition means, where one must know."""


_DOUBT = "; the exchange contradicts it: reconcile"


def lines(status: Status) -> list[str]:
    """How a session stands, for a person."""
    told = status.told
    about, signals = told["about"], told["signals"]
    since = datetime.datetime.fromtimestamp(status.started_ns / 1e9, datetime.UTC)
    ran = datetime.timedelta(seconds=(told["written_ns"] - status.started_ns) // 1_000_000_000)
    head = f"{status.directory} · {status.condition}"
    if status.condition in CONDITIONS:
        head += f": {CONDITIONS[status.condition]}"
    shown = [
        head,
        *_lines("about", [f"{name} {value}" for name, value in about.items() if name not in ("id", "model")]),
        _line("id", about["id"]),
        _line("model", _near(about.get("model", "")) or "none"),
        _line("since", f"{since:%Y-%m-%d %H:%M:%S} UTC, {ran}, process {status.process.pid}"),
    ]
    if (halt := standing(status.directory)) is not None and status.condition != "running":
        shown.append(_line("switch", f"halted, {halt.cause}: a session that starts from it begins so"))
    if signals is None:
        return [*shown, _line("state", "nothing was consumed yet")]
    shown.append(_line("state", stands(signals["state"], signals["cause"])))
    shown += [
        _line("heard", f"{_ago(status.silent_ns)}, the book {_ago(_plus(signals['staleness_ns'], status.age_ns))}, "
              f"the last row ended {_ago(_plus(signals['row_age_ns'], status.age_ns))}"),
        _line("book", _book(signals)),
        *_lines("signals", [
            f"pressure {_number(signals['price_pressure'])}", f"slopes {_number(signals['slope_bid'], 4)} bid "
            f"{_number(signals['slope_ask'], 4)} ask", f"urgency {_number(signals['urgency'])}",
            f"quality {_number(signals['quality'])}",
        ]),
        _line("predicts", _predictions(signals)),
        *_model(told.get("model", {}), signals),
        _line("regime", ", ".join(f"{k} {_number(v)}" for k, v in signals["regime"].items()) or "none"),
        _line("holds", _holds(signals) + _DOUBT * (not signals.get("position_known", True))),
        _line("money", f"equity {_number(signals['equity'])}, today {_number(signals['day_profit'])}, "
              f"fees {_number(signals['fees'])}, drawdown {_number(signals['drawdown'], 4)}"),
    ]  # fmt: skip
    shown += [
        _line("latency" if i == 0 else "", f"{stage} p50 {_time(s['p50_ns'])}, p99 {_time(s['p99_ns'])}, n {s['n']:,}")
        for i, (stage, s) in enumerate(signals["latency"].items())
    ]  # fmt: skip
    shown += [_line("switched off", f"{part}: {why}") for part, why in signals["contained"].items()]
    shown += [_line("denied", ", ".join(f"{code} {n:,}" for code, n in told["vetoes"].items()))] * bool(
        told["vetoes"]
    )
    for part, counted in told["counters"].items():
        shown += _lines(part, [_count(name, n) for name, n in counted.items() if n])
    shown += [_line("metrics", told["metrics"])] * bool(told["metrics"])
    shown += [_line("error", told["error"])] * bool(told["error"])
    return shown


def _line(name: str, text: str) -> str:
    return f"  {name:<12} {text}"


def _lines(name: str, told: Iterable[str], width: int = 65) -> list[str]:
    """As many lines as 80 columns ask for; none where there is nothing to tell."""
    texts: list[str] = []
    for text in told:
        if texts and len(texts[-1]) + 2 + len(text) <= width:
            texts[-1] += f", {text}"
        else:
            texts.append(text)
    return [_line("" if i else name, text) for i, text in enumerate(texts)]


def _near(path: str) -> str:
    """A path as it is called from here."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if path and Path(path).is_relative_to(here) else path


def _count(name: str, n: float) -> str:
    return f"{name.removesuffix('_ns')} {_time(int(n))}" if name.endswith("_ns") else f"{name} {n:,}"


def _holds(signals: Mapping[str, Any]) -> str:
    held = (
        f"{signals['position']:g} at {_number(signals['average_price'])}"
        if signals["position"]
        else "nothing"
    )
    working = signals["working"]
    return f"{held}, {working or 'no'} order{'s work' if working != 1 else ' works'}"


def _book(signals: Mapping[str, Any]) -> str:
    if not signals["usable"]:
        return "not usable"
    return (
        f"{signals['bid']:,} × {signals['bid_size']:g} / {signals['ask']:,} × {signals['ask_size']:g}, "
        f"spread {_number(signals['spread_bps'], 3)} bps"
    )


def _predictions(signals: Mapping[str, Any]) -> str:
    if signals["model"] < 0:
        return "nothing: there is no model"
    if all(p["mean_bps"] is None for p in signals["predictions"]):
        return f"nothing yet: what it needs is not known (model {signals['model']})"
    told = [f"{_number(p['mean_bps'])} bps in {_time(p['horizon_ns'])}" for p in signals["predictions"]]
    return f"{', '.join(told)} (model {signals['model']})"


def _model(told: Mapping[str, Any], signals: Mapping[str, Any]) -> list[str]:
    """Which model that is, and how it fares; nothing in a session without one."""
    if not told.get("step"):
        return []
    age_ns = signals["model_age_ns"]
    which = [f"{told['step']} {told['digest'][:12]}".strip()] + ["MOCK: noise"] * told["mock"]
    which += [_data(age_ns)] * (age_ns is not None) + [told["why"]] * bool(told["why"])
    shown = [*_lines("", which), *_lines("refused", [told["refused"]] * bool(told["refused"]))]
    moved = [f"{name} {_number(psi)}" for name, psi in told["drifted"].items()]
    shown += _lines("moved", [told["note"]] if told["note"] else moved or ["no column: all PSI up to 0.25"])
    shown += _lines("missing", [f"{name} {share:.0%}" for name, share in told["missing"].items()])
    live = [
        f"{_number(ic['ic'], 3)} ({_number(ic['low'], 3)} … {_number(ic['high'], 3)}) over {_time(ic['horizon_ns'])}"
        for ic in told["ic"]
        if ic["low"] is not None
    ]
    return shown + _lines("live IC", live or ["too few labels have ended"])


def _data(age_ns: int) -> str:
    if age_ns < 0:
        return f"its data ends {_time(-age_ns)} later: it may know this market"
    return f"its data ended {_ago(age_ns)}"


def _number(value: float | None, digits: int = 2) -> str:
    return "unknown" if value is None else f"{value:,.{digits}f}"


def _plus(ns: int | None, more: int) -> int | None:
    return None if ns is None else ns + more


def _ago(ns: int | None) -> str:
    return "never" if ns is None else f"{_time(ns)} ago"


def _time(ns: int) -> str:
    for size, unit in (
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
    ):
        if ns >= size:
            return f"{ns / size:,.3g} {unit}" if ns < 1000 * size else f"{ns / size:,.0f} {unit}"
    return f"{ns / 1000:,.3g} µs"
