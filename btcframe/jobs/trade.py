"""A session: a live market through the pipeline and the trader, in paper, for as long as it is asked to last."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass

from btcframe.config import duration
from btcframe.errors import ConfigError, DataError
from btcframe.learning.building import build_id
from btcframe.live.opening import Opened, opened, sealed
from btcframe.live.session_line import ending
from btcframe.live_sources import is_live
from btcframe.pipeline.row_sources import needs_book
from btcframe.report.trading import TradingMetrics, describe_trading, summarize
from btcframe.report.words import counted
from btcframe.run import Run
from btcframe.sessions.recording import until_stopped
from btcframe.sessions.session import SESSION, TABLES, first_worth, since_known
from btcframe.trading.audit import digests, fingerprint
from btcframe.watch.watching import listening, watching

PAPER = ("sim",)
"""Venues that send nothing to anybody."""


@dataclass(frozen=True)
class Traded:
    """What a session did.

    Parameters
    ----------
    stopped : str               why it ended: asked, duration, end
    metrics : TradingMetrics
    fingerprint : str           sha256 of what a replay must give again
    """

    stopped: str
    metrics: TradingMetrics
    fingerprint: str


def main(run: Run) -> Traded:
    """Trade until `trade.duration` is over, the source ends, or Ctrl-C. Whatever ends it, it can be gone on with.

    Raises
    ------
    ConfigError
        If the venue would send real orders, the source has no book, or it is told how long to record.
    DataError, ModelError, PluginError, StoreError
    """
    only_paper(run)
    _not_a_recording(run)
    source = run.component("source")
    needs_book(source, run.config["source"]["plugin"], "trading needs one")
    with listening(run.config["trade"]["metrics"]) as endpoint, opened(run, source) as done:
        run.say(_beginning(run, done))
        session = done.session
        with contextlib.ExitStack() as stack:
            stop = stack.enter_context(until_stopped())
            stack.enter_context(watching(run.dir, session, endpoint))
            with run.console.watch() as show:
                limit_ns = duration(run.config, "trade", "duration")
                stopped = session.run(done.batches, stop, show, limit_ns, live=is_live(source))
            session.end(flatten=run.config["backtest"]["flatten"])
    return _ended(run, done, stopped)


def only_paper(run: Run) -> None:
    """Refuse a venue that would send real orders."""
    venue = run.config["venue"]["plugin"]
    if venue not in PAPER:
        raise ConfigError(
            f"btcframe trade is on paper only: venue {venue} would send real orders",
            where="venue",
            hint="Real orders ask for more than a config: a later btcframe will have them confirmed.",
            next="btcframe trade venue=sim …",
        )


def _not_a_recording(run: Run) -> None:
    """Refuse a length that nothing would look at: a session that never ends is no small mistake."""
    if duration(run.config, "record", "duration"):
        asked = run.config["record"]["duration"]
        raise ConfigError(
            f"record.duration={asked} is how long btcframe record lasts, not a session",
            hint="Of the section record a session looks at sync, part and every: how its log is kept.",
            next=f"btcframe trade trade.duration={asked} …",
        )


def _beginning(run: Run, done: Opened) -> str:
    """What begins, in a few lines."""
    about, config = done.session.about(), run.config
    cash = f"{float(config['backtest']['cash']):,.0f} in cash"
    lines = [
        f"Paper session of {about['symbol']}: source {about['source']}, policy {about['policy']}, venue {about['venue']}"
    ]
    if done.promotion is None:
        lines.append(
            "  No model (trained=runs/…): nothing is predicted, and a policy that needs it sends nothing"
        )
    else:
        noise = ", a MOCK: its predictions are noise" if done.promotion.mock else ""
        lines.append(f"  Model {about['model']}{noise}")
        lines += [f"    {done.note}"] * bool(done.note)
    if done.account is None:
        lines.append(f"  Account: {cash}, nothing held")
    else:
        lots = done.account["ledger"]["position_lots"]
        held = f"{lots:+,} lots held" if lots else "nothing held"
        lines.append(f"  Account: as it was in {config['warm_start']}, {held}")
    if cause := done.session.cause:
        lines.append(f"  It begins stopped, as it was: {cause}")
        lines.append(f"    Go on: btcframe session resume {shlex.quote(str(run.dir))}")
    lines.append("  Ctrl-C ends it; how it stands, and its kill switch: btcframe session status | halt")
    return "\n".join(lines)


def _ended(run: Run, done: Opened, stopped: str) -> Traded:
    """What a session that is closed did, in the manifest and in words."""
    instrument, plain, tables = done.feed.instrument, done.session.plain(), since_known(done.audit.tables())
    if not plain["counters"]["trader"]["rows"]:
        connection = plain["counters"].get("connection", {})
        if connection and not connection["connections"]:
            raise DataError(
                f"the market was never reached: {counted(connection['failed'], 'attempt')} to connect failed",
                where="source",
                hint="Its REST answered, its socket did not: a proxy, or another address (source.ws=…).",
            )
        raise DataError(
            "no row was closed: there was no whole book, or it did not last",
            where="source",
            hint="A session needs a snapshot and more than one row's time (clock.every).",
        )
    cash = first_worth(tables["equity"]["equity"])
    metrics, store = summarize(tables, instrument, cash), sealed(run, done)
    promoted = [text.decode() for text in dict.fromkeys(tables["promotions"]["digest"].tolist()) if text]
    promotion = done.promotion
    told = metrics._asdict() | {
        "fingerprint": fingerprint(tables),
        "tables": digests(run.dir / TABLES),
        "session": SESSION,
        "models": promoted,
        "symbol": instrument.symbol,
        "build": promotion.model.build if promotion and promotion.model else None,
        "cash": cash,
        "stopped": stopped,
        "rows": build_id(done.identity),
        **plain,
    }
    run.manifest.setdefault("results", {})["trade"] = {k: None if v != v else v for k, v in told.items()}
    run.say(describe_trading(metrics, tables, instrument, cash))
    run.say(ending(plain, stopped, promotion is not None, store, run.config["lane"]["memory"]))
    return Traded(stopped, metrics, told["fingerprint"])
