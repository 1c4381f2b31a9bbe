"""A session: a live market through the pipeline and the trader, in paper or at an exchange, for as long as it is asked to."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass

from btcframe.api import RealVenue, Source
from btcframe.config import duration
from btcframe.doctor import Level, checks_for_trading
from btcframe.endpoints import Endpoint
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

PRODUCTION = "production"
"""The alias of the registry whose model may trade real money."""


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
        If the venue cannot be traded on, real money is not confirmed, the source has no book, or it is told how long
        to record.
    DataError, DoctorError, ModelError, PluginError, StoreError
    """
    _not_a_recording(run)
    source = run.component("source")
    check_venue(run, source)
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


def check_venue(run: Run, source: Source) -> None:
    """Refuse a venue that cannot be traded on, and real money that was not meant, before anything is opened.

    Raises
    ------
    ConfigError
        If it is neither the simulated venue nor a real one, its market is not live or another endpoint's, or it trades
        real money and that is not confirmed, or not with the model in production.
    DoctorError
        If it trades real money, and something is not as it must be.
    """
    plugin, venue = run.config["venue"]["plugin"], run.component("venue")
    if plugin in PAPER:
        return
    if not isinstance(venue, RealVenue):
        raise ConfigError(
            f"venue {plugin} cannot be traded on: it neither simulates for a session nor connects to an exchange",
            where="venue",
            hint="A session in paper uses the simulated venue, one at an exchange a venue that has connect().",
            next="btcframe trade venue=sim …",
        )
    if not is_live(source):
        raise ConfigError(
            f"venue {plugin} needs a live market: what source {run.config['source']['plugin']} gives has happened before",
            where="source",
            hint="Orders for a recorded or a made market are the simulated venue's.",
            next="btcframe trade venue=sim …",
        )
    there, here = (getattr(one, "endpoint", None) for one in (venue, source))
    if there is not None and here is not None and there != here and there is not Endpoint.demo:
        raise ConfigError(
            f"the market is that of {here.value}, and the orders would go to {there.value}",
            where="venue.endpoint",
            hint="Prices of one are none of the other.",
            next=f"btcframe trade source.endpoint={there.value} venue.endpoint={there.value} …",
        )
    if venue.real:
        _money_is_meant(run)


def _money_is_meant(run: Run) -> None:
    """Refuse real money unless it is confirmed, the model is the one in production, and doctor finds nothing."""
    if not run.config["trade"]["confirm_live"]:
        raise ConfigError(
            "this session would trade real money, and nobody has confirmed that",
            where="trade.confirm_live",
            hint="First on paper (venue=sim), then on the testnet (venue.endpoint=testnet): docs/first-contact.md.",
            next="When it is meant: btcframe trade trade.confirm_live=true …",
        )
    if run.config["trained"] != PRODUCTION:
        asked = run.config["trained"] or "no model"
        raise ConfigError(
            f"real money is traded on the model in production, not on {asked}",
            where="trained",
            hint="What is promoted has passed the gate; a run's model, and a mock, have not.",
            next=f"btcframe train promote.to={PRODUCTION} …, then trained={PRODUCTION}",
        )
    for finding in checks_for_trading(run.config, run.catalog):
        if finding.level is not Level.OK:
            run.say(f"doctor: {finding.name}: {finding.said}")


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
    about, venue = done.session.about(), run.component("venue")
    kind = "Paper session"
    if isinstance(venue, RealVenue):
        kind = "REAL MONEY: session" if venue.real else "Session"
    lines = [
        f"{kind} of {about['symbol']}: source {about['source']}, policy {about['policy']}, venue {about['venue']}"
    ]
    if done.promotion is None:
        lines.append(
            "  No model (trained=runs/…): nothing is predicted, and a policy that needs it sends nothing"
        )
    else:
        noise = ", a MOCK: its predictions are noise" if done.promotion.mock else ""
        lines.append(f"  Model {about['model']}{noise}")
        lines += [f"    {done.note}"] * bool(done.note)
    lines.append(f"  Account: {_account(run, done)}")
    if cause := done.session.cause:
        lines.append(f"  It begins stopped, as it was: {cause}")
        lines.append(f"    Go on: btcframe session resume {shlex.quote(str(run.dir))}")
    lines.append("  Ctrl-C ends it; how it stands, and its kill switch: btcframe session status | halt")
    return "\n".join(lines)


def _account(run: Run, done: Opened) -> str:
    """What a session begins with."""
    if done.account is None:
        return f"{float(run.config['backtest']['cash']):,.0f} in cash, nothing held"
    lots = done.account["ledger"]["position_lots"]
    held = f"{lots:+,} lots held" if lots else "nothing held"
    since = f"as it was in {run.config['warm_start']}" if run.config["warm_start"] else ""
    if done.recovered is None:
        return f"{since}, {held}"
    equity = done.account["ledger"]["peak_equity"] if not since else None
    worth = f", worth {equity:,.2f}" if equity is not None else f"; limits go on {since}"
    return f"the exchange's, {held}{worth}"


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
