"""A recorded session once more: its market, its promotions and what it was told, through the same pipeline and trader.

With the session's own venue it gives the same intents to the bit (`btcframe replay`), where that was an exchange with
what it said then; with another one it tells what the same decisions would have come to there (`sensitivity`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from btcframe.api import RealVenue, Venue, Wakes
from btcframe.errors import DataError
from btcframe.pipeline import Pipeline
from btcframe.pipeline.recorded import RecordedFeed, recorded_feed
from btcframe.run import Run
from btcframe.session_log import CommandItem, Item, SessionLog
from btcframe.sessions.recorded_venue import Recorded
from btcframe.sessions.session import RESTORE, SESSION, of_log, open_pipeline, open_trader, restored_from
from btcframe.sessions.warm_start import WARM_START, started_from
from btcframe.trading.onlookers import TOLD
from btcframe.trading.trader import Trader

_NOT_TOLD = (*TOLD, WARM_START, RESTORE)
"""Commands that are no commands to the trader: they were done before its first event, or see `TOLD`."""


def play_again(
    session: Run,
    *,
    tables: Path | None = None,
    venue: Venue | None = None,
    advance: Callable[[int], None],
    whole: bool = True,
) -> Trader:
    """Play the session in `session.dir` again, to its end or to that of its log.

    Parameters
    ----------
    session : Run               with the config of its manifest
    tables : Path, optional     where its tables are put; None: they stay in memory
    venue : Venue, optional     another one than the session's
    advance : callable          told how many events were consumed
    whole : bool                whether a log that ends before its session did is refused

    Returns
    -------
    Trader
        It has finished, and is closed.

    Raises
    ------
    DataError, ModelError, PluginError
        If it cannot be played.
    ReplayError
        If the source gives other events than were recorded.
    """
    directory = session.dir
    log = SessionLog(directory / SESSION)
    promotions = of_log(log, directory, session.catalog)
    if whole and not log.complete:
        raise DataError(
            "the session log ends before the session did", where=str(log.path),
            hint="It has no closing line: the file was cut, or is not this run's.",
        )  # fmt: skip
    told: list[Item] = []
    with contextlib.ExitStack() as stack:
        feed, pipeline = stack.enter_context(
            as_it_began(session, log, told.append, session.component("policy").wakes)
        )
        account = restored_from(log)
        gateway = None
        if venue is None and isinstance(session.component("venue"), RealVenue):
            gateway = Recorded(log, account["ledger"]["position_lots"] if account else 0)
        trader = open_trader(
            session, pipeline, promotions, tables=tables, account=account, venue=venue, gateway=gateway
        )
        stack.enter_context(contextlib.closing(trader))
        for batch in feed:
            _obey(trader, told)
            trader.consume(batch.events)
            advance(len(batch.events))
        _obey(trader, told)
        trader.finish(flatten=session.config["backtest"]["flatten"])
    return trader


@contextlib.contextmanager
def as_it_began(
    session: Run, log: SessionLog, on_item: Callable[[Item], None], wakes: Wakes | None = None
) -> Iterator[tuple[RecordedFeed, Pipeline]]:
    """The market of a recorded session, and the pipeline that it began with; the market is closed at the end.

    Parameters
    ----------
    session : Run             with the config of its manifest
    log : SessionLog          its log
    on_item : callable        told every item that is not market data, see `RecordedFeed`
    wakes : Wakes, optional   None: whole batches

    Raises
    ------
    DataError, ReplayError
        See `play_again`.
    """
    source = session.catalog.build("source", log.header["source"])
    with contextlib.closing(recorded_feed(log, source, seed=session.seed, on_item=on_item)) as feed:
        pipeline = open_pipeline(session, feed.instrument, wakes)
        if (start := started_from(log, session.dir)) is not None:
            pipeline.restore(start.memory)
        yield feed, pipeline


def _obey(trader: Trader, told: list[Item]) -> None:
    """Tell the trader what the session's was told; the feed hands over items at their place in the order."""
    for item in told:
        if isinstance(item, CommandItem) and item.name not in _NOT_TOLD:
            trader.command(item.name, **item.data)
    told.clear()
