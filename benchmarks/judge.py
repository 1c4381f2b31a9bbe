"""Claim: the simulated venue matches at least half as fast as hftbacktest, on the same events with the same orders.

Parity is the judge's: no fill differs without a cause. Both are timed inside their process, in turns, when everything
is compiled and read, and with all requests waiting before the start. Our reports are held back until the end, so that
the kernel runs in one go, as hftbacktest's does; beside it, what it is when Python takes every report at its moment, as
the trader does. hftbacktest keeps two books, the venue's and the trader's; it is timed with the venue's alone, too,
which is all that ours keeps.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from judge import environment, markets, ours, script, trial, verdict

from benchmarks.frame import ROOT, Timing, ratio, skip, table
from btcframe.types import EventArray, StateArray, duration_ns

MODEL = trial.MODELS[0]
AT_TRADER = np.uint64(1 << 30)
TURNS = 7
HELD = "1d"
"""A report latency longer than any market here."""

WHAT = ["order_id", "venue_ns", "ticks", "lots", "fee", "side", "maker"]
"""Fields of FILL that do not say when we knew."""


def match(market: markets.Market, commands: np.ndarray, report_latency: str) -> tuple[float, StateArray]:
    """Seconds our venue takes with the requests waiting, and its fills."""
    venue = replace(trial.venue(MODEL), report_latency=report_latency)
    gateway = venue.open(market.instrument, seed=0)
    for command in commands:
        ours.send(gateway, command)
    events, until, heard = market.events, int(market.events["local_ts"][-1]), []
    start = time.perf_counter()
    while len(events):
        taken, reports = gateway.advance(events, until)
        events = events[taken:]
        heard.append(reports.fills)
    seconds = time.perf_counter() - start
    heard.append(gateway.advance(events, until + duration_ns(report_latency))[1].fills)
    return seconds, np.concatenate(heard)


def far(events: EventArray, orders: int) -> np.ndarray:
    """Orders that stand from the start, and are never filled."""
    commands = script.write(events, seed=1, orders=orders, mix=script.Mix(1, 0, 0, 0, 0, 0))
    commands = commands[commands["action"] == 1]
    commands["ns"] = commands["ns"][0]
    commands["ticks"] = np.where(commands["side"] > 0, commands["ticks"] // 2, commands["ticks"] * 2)
    return commands


def check(judge: environment.Judge, asked: trial.Put) -> verdict.Verdict:
    """The judge's verdict; the fills that are timed are those it has seen, told later."""
    market, commands, _ = asked
    own = ours.run(market.events, commands, trial.venue(MODEL).open(market.instrument, seed=0))
    _, held = match(market, commands, HELD)
    assert own[WHAT].tolist() == held[WHAT][: len(own)].tolist()  # the last are not told before the end
    found = trial.trial(judge, asked, MODEL)
    assert "" not in found.causes
    return found


def at_venue_alone(judge: environment.Judge, asked: trial.Put) -> Path:
    """The same without the trader's book."""
    data = np.load(asked.place / "data.npy")
    data["ev"] &= ~AT_TRADER
    return judge.put(data, asked.commands)


def compare(judge: environment.Judge, market: markets.Market) -> None:
    scripts = {
        "1 working": far(market.events, 1),
        "10 working": far(market.events, 10),
        "400 of every kind": script.write(market.events, seed=1, orders=400),
        "4,000 of every kind": script.write(market.events, seed=1, orders=4_000),
    }
    request = trial.request(MODEL, market.instrument)
    rows = []
    for name, commands in scripts.items():
        asked = trial.put(judge, market, commands)
        alone = at_venue_alone(judge, asked)
        found = check(judge, asked)
        times = [
            (
                match(market, commands, HELD)[0],
                match(market, commands, f"{trial.RESPONSE_NS}ns")[0],
                judge.ask(asked.place, request, watch=False).seconds,
                judge.ask(alone, request, watch=False).seconds,
            )
            for _ in range(TURNS + 1)
        ][1:]
        mine, stopping, theirs, theirs_alone = (Timing(t) for t in zip(*times, strict=True))
        n = len(market.events)
        rows.append(
            (
                name, f"{found.identical:,} of {found.identical + len(found.differences):,}", mine.rate(n),
                stopping.rate(n), theirs.rate(n), ratio(mine, theirs), theirs_alone.rate(n), ratio(mine, theirs_alone),
            )
        )  # fmt: skip
    table(
        f"Matching: {market.name}, {len(market.events):,} events",
        "orders", "identical", "ours", "… and each report", "hftbacktest", "× it", "its venue alone", "× that",
        rows=rows, note="Events per second. Queue risk_averse, constant latency; above 1× ours is faster.",
    )  # fmt: skip


def main() -> None:
    try:
        python = environment.interpreter()
    except environment.MissingError as error:
        skip(str(error))
        return
    with environment.judge(python) as judge:
        for name in markets.MADE:
            compare(judge, markets.made(name))
        folder = ROOT.parent / "shared/market-data"
        if not folder.is_dir():
            skip(f"the recorded sessions; there is no {Path('..') / folder.relative_to(ROOT.parent)}")
            return
        for name in markets.RECORDED:
            compare(judge, markets.recorded(name, folder))
