"""Whatever befalls requests, answers, streams and the process: in the end ours is theirs, and nothing was sent twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scripted_venue import Watched
from stormy_venue import Storm, Time

from btcframe.api import Action, Intent
from btcframe.trading.audit import Table
from btcframe.trading.orders import Orders as Book
from btcframe.types import EVENT, ORDER, OrderState, TimeInForce
from btcframe.venues.real.journal import Journal, journal_of
from btcframe.venues.real.keeper import Keeper
from btcframe.venues.real.line import LineError
from btcframe.venues.real.office import Office, Request
from btcframe.venues.real.orders import Orders
from btcframe.venues.real.records import Asked
from btcframe.venues.real.recovery import recover
from btcframe.venues.real.times import Times
from btcframe.venues.timed import TimedReports

SYMBOL = "BTC/USDT:USDT"


class Trading:
    """One session: the trader's own books of its orders, an office and its keeper, and random decisions.

    `left` steps of orders' lives later the process is killed; never where it is 0.
    """

    def __init__(self, storm: Storm, journal: Journal, name: str, left: int) -> None:
        self.storm, self.journal, self.name, self.draw = storm, journal, name, storm.draw
        self.watched = Watched(storm.time)  # type: ignore[arg-type]
        self.reports = TimedReports(storm.time.now)
        self.office = Office(storm, journal, Orders(self.reports.put), self.watched.host, Times(), self._step)
        self.keeper = Keeper(self.office, storm.streams)
        self.book = Book(Table(ORDER), SYMBOL)
        self.asked: dict[int, Asked] = {}
        self.ended: dict[int, tuple[OrderState, int]] = {}
        self.wrong: list[str] = []
        self.lots, self._left = 0, left
        self._seen: dict[int, int] = {}  # which of its prices and sizes each order was told to have last
        storm.written = lambda link: bool(journal._all("SELECT 1 FROM orders WHERE link = ?", link))

    def _step(self, _: str) -> None:
        self._left -= 1
        if not self._left:
            raise SystemExit

    async def begin(self) -> None:
        """Start, as often as it takes: where the exchange does not answer, a start is refused."""
        for name in self.storm.streams:
            self.office.start(self.keeper.follow(name))
        while True:
            try:
                self.lots = (await recover(self.keeper, opening=True)).holding.lots
                break
            except LineError:
                await asyncio.sleep(0.5)
        self.office.start(self.keeper.look_after())

    def hear(self) -> None:
        """What the venue has told."""
        _, (orders, fills, _) = self.reports.advance(np.empty(0, EVENT), self.storm.time.ns)
        for n, lots in zip(fills["order_id"].tolist(), (fills["side"] * fills["lots"]).tolist(), strict=True):
            if self.book.get(n) is None:
                self.wrong.append(f"a fill of order {n}, which does not work")
            self.lots += lots
        self.book.report(orders, lambda what, hint: self.wrong.append(f"{what} {hint}"))
        for n, state, filled, *place in orders[
            ["order_id", "state", "filled_lots", "ticks", "lots"]
        ].tolist():
            if OrderState(state).final:
                self.ended[n] = OrderState(state), filled
                continue
            link = self.asked[n].link
            places = self.storm.places(link, 0 if link in self.storm.unsure else self._seen.get(n, 0))
            since = next((k for k, had in places if had == tuple(place)), None)
            if since is None:
                self.wrong.append(f"order {n} never was at {place}, or is there no longer: {places}")
            else:
                self._seen[n] = since  # what is told later is not of earlier

    def decide(self) -> None:
        """One random decision, as a trader may make it."""
        draw, now_ns = self.draw, self.storm.time.ns
        works = [order for order in self.book.working if order.state != OrderState.PENDING_CANCEL]
        what, ticks = draw.random(), draw.randint(599_000, 601_000)
        lots = draw.randint(1, 30) if draw.random() < 0.95 else 200_000  # more than the exchange takes
        if what < 0.5 or not works:
            side, tif = draw.choice((1, -1)), draw.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC))
            n = self.book.add(
                Intent(Action.SUBMIT, side, lots, ticks, tif), now_ns, 0, -1, OrderState.SUBMITTED
            )
            self.asked[n] = Asked(f"bf{self.name}-{n}", n, side, ticks, lots, tif, False, now_ns)
            action = Action.SUBMIT
        else:
            n = draw.choice(works).order_id
            action = Action.CANCEL if what < 0.75 else Action.AMEND
            if action is Action.CANCEL:
                self.book.canceling(n, now_ns)
            else:
                self.book.amending(n, ticks, lots, now_ns)
        self.office.take(Request(action, self.asked[n], ticks, lots))

    async def live(self, seconds: float, *, decide: bool) -> None:
        """Hear, and decide or not, for a while."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(self.draw.uniform(0.01, 0.4))
            self.hear()
            if decide:
                self.decide()

    def undisturbed(self) -> None:
        """The journal is what happened, nobody was alarmed, and nothing was told that cannot be."""
        assert (self.watched.stops, self.wrong, self.storm.wrong) == ([], [], [])
        assert self.journal.position == self.storm.lots
        known = {exec_id for (exec_id,) in self.journal._all("SELECT exec_id FROM fills")}
        assert known == {execution.exec_id for _, execution in self.storm.fills}

    def agreed(self) -> None:
        """Every order stands as the trader was told, or is over as it was told; so does what it holds."""
        assert self.lots == self.storm.lots
        for n, asked in self.asked.items():
            stand, ours = self.storm.stand(asked.link), self.book.get(n)
            if ours is not None:
                assert stand is not None and not stand.state.final, (ours, stand)
                seen = stand.ticks, stand.lots, stand.filled
                assert (ours.ticks, ours.lots, ours.filled_lots) == seen, (ours, stand)
                assert ours.state != OrderState.PENDING_CANCEL
            else:
                became = (stand.state, stand.filled) if stand else (OrderState.REJECTED, 0)
                assert self.ended[n] == became, (asked, stand)


async def session(t: Trading, seconds: float) -> None:
    """A session through a storm, and what must be so before and after it."""
    try:
        await t.begin()
        assert t.storm.working == []
        t.undisturbed()
        await t.live(seconds, decide=True)
        t.storm.wild = False
        await t.live(45.0, decide=False)
        t.undisturbed()
        t.agreed()
    finally:
        await t.office.close()


def weathered(seed: int, path: Path, sessions: int) -> Counter[str]:
    """Some sessions on one account, one after the other, most of them killed; what was counted of them."""
    draw, time = random.Random(seed), Time()
    storm, counts = Storm(draw, time), Counter[str]()
    with asyncio.Runner(loop_factory=time.loop) as runner:
        loop = runner.get_loop()
        market = [loop.create_task(storm.trade()), loop.create_task(storm.rage())]
        for number in range(sessions):
            storm.begin()
            left = draw.randint(1, 250) if number < sessions - 1 and draw.random() < 0.8 else 0
            with journal_of(path / "account.sqlite", SYMBOL) as journal:
                journal._db.execute("PRAGMA synchronous = OFF")  # nobody pulls a plug here

                async def main(
                    left: int = left, name: str = f"{seed:06}{number:06}", journal: Journal = journal
                ) -> None:
                    t = Trading(storm, journal, name, left)
                    try:
                        await session(t, draw.uniform(3, 25))
                    finally:
                        counts.update(t.office.counts)

                try:
                    runner.run(main())
                except SystemExit:
                    counts["killed"] += 1
                    journal._owed.clear()  # what was not on the disk
                    journal._db.close()
                    for task in asyncio.all_tasks(loop).difference(market):
                        task.cancel()
        for task in market:
            task.cancel()
    return counts


def test_in_the_end_ours_is_theirs(tmp_path: Path) -> None:
    counts = Counter[str]()
    for seed in range(12):
        try:
            (path := tmp_path / str(seed)).mkdir()
            counts += weathered(seed, path, 3)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
    assert min(counts[name] for name in ("requests", "unknown", "lost", "dropped", "missed", "killed")) > 0, (
        counts
    )


@pytest.mark.drill
@pytest.mark.parametrize("seed", range(1000, 1500))
def test_in_the_end_ours_is_theirs_at_length(tmp_path: Path, seed: int) -> None:
    weathered(seed, tmp_path, 6)
