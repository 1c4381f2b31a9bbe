"""The start of a session: what an earlier one left is settled, and what the account holds is known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from btcframe.errors import ConfigError
from btcframe.types import OrderState
from btcframe.venues.real.journal import Journal
from btcframe.venues.real.keeper import OVERLAP_NS, Keeper
from btcframe.venues.real.office import ASK_AGAIN, Office
from btcframe.venues.real.orders import Order
from btcframe.venues.real.reconcile import Plan
from btcframe.venues.real.records import PREFIX, Execution, Holding, Stand

SHOWN = 5
"""Orders that a message names at most."""


@dataclass(frozen=True)
class Found:
    """What was found at the start.

    Parameters
    ----------
    holding : Holding
    wallet : float
    fills : tuple of Execution      of earlier sessions, that happened while nobody was here
    numbers : mapping               of their orders, by link
    notes : tuple of str            in words
    """

    holding: Holding
    wallet: float
    fills: tuple[Execution, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


async def recover(keeper: Keeper, opening: bool) -> Found:
    """Settle what an earlier session left: nothing of ours works afterwards, and every fill is known.

    Parameters
    ----------
    keeper : Keeper
    opening : bool      False: orders of ours that are in no journal of this account are canceled, too

    Raises
    ------
    ConfigError
        If there are such orders, or some on another market are not settled, and `opening`.
    LineError
        If the exchange does not answer.
    """
    office = keeper.office
    journal, line = office.journal, office.line
    notes = _elsewhere(journal, opening)
    left = [office.orders.take_over(known) for known in journal.working()]
    fresh = not journal.last_ns and not left
    theirs_ns = office.host.now() - (await line.clock()).offset_ns
    keeper.begin(
        theirs_ns - OVERLAP_NS if fresh else 0
    )  # what was filled before the first session is none of ours
    works = await line.open_orders()
    left += [keeper.adopt(stand) for stand in _strays(works, left, office, opening)]
    notes += await asyncio.gather(*(_ended(office, order) for order in left))
    if persons := sum(not stand.link.startswith(PREFIX) for stand in works):
        notes.append(f"{persons} orders of somebody else work on the account; they are left alone")
    plan, holding, fresh_fills = await _compared(keeper)
    numbers = journal.numbers(e.link for e in fresh_fills)
    fills = tuple(e for e in fresh_fills if e.link in numbers)
    if fills:
        notes.append(f"{len(fills)} fills of an earlier session had been missed")
    notes.append(_adjusted(office, plan, "before the journal began" if fresh else "that no fill explains"))
    if not office.commit():
        notes.append(f"the journal cannot be written: {journal.failure}")
    keeper.began()
    return Found(holding, await line.wallet(), fills, numbers, tuple(filter(None, notes)))


def _elsewhere(journal: Journal, opening: bool) -> list[str]:
    """What is not settled on another market of the account: nobody would look at it while this one is traded."""
    notes = []
    for symbol, links in journal.elsewhere().items():
        said = f"{len(links)} orders on {symbol} are not settled: {', '.join(links[:SHOWN])}"
        if opening:
            raise ConfigError(
                said,
                where="venue",
                hint="An earlier session left them, on the same account.",
                next="Settle them with that session's directory: btcframe session flatten DIR",
            )
        notes.append(said)
    return notes


def _strays(works: tuple[Stand, ...], left: list[Order], office: Office, opening: bool) -> list[Stand]:
    """Working orders of ours that no session is thought to have: given up as lost, or another btcframe's."""
    links = {order.asked.link for order in left}
    strays = [s for s in works if s.link.startswith(PREFIX) and s.link not in links]
    known = office.journal.numbers(s.link for s in strays)
    others = [s.link for s in strays if s.link not in known]
    if others and opening:
        raise ConfigError(
            f"{len(others)} orders of another btcframe work on the account: {', '.join(others[:SHOWN])}",
            where="venue",
            hint="They are not in the account's journal: that was lost or lies elsewhere (venue.journal; btcframe doctor says "
            "where it is looked for), or a trader on another machine is alive.",
            next="Stop it, or find the journal; without either: btcframe session flatten DIR, or cancel them by hand.",
        )
    return strays


async def _compared(keeper: Keeper) -> tuple[Plan, Holding, list[Execution]]:
    """The comparison, taken in; made again for as long as the exchange may take to tell fills of orders that are over:
    without them position and fills may agree, and both be of a moment ago.
    """
    office, fills = keeper.office, list[Execution]()
    until_ns = office.host.now() + 2 * office.times.settle_ns
    while True:
        plan, holding = await keeper.compare()
        fills += keeper.take_in(plan)
        if not len(office.orders) or office.host.now() > until_ns:
            return plan, holding, fills
        await office.times.sleep(ASK_AGAIN)


async def _ended(office: Office, order: Order) -> str:
    """See to it that an earlier session's order is over; what became of it, in words, where that is worth saying."""
    link = order.asked.link
    async with order.turn:
        await office.resolve(order)
        worked = not order.final
        if worked:
            await office.cancel(order)
    if order.stand is not None and order.stand.state is OrderState.REJECTED:
        return f"order {link} never arrived"
    return f"order {link} still worked, and was canceled" if worked else ""


def _adjusted(office: Office, plan: Plan, why: str) -> str:
    """Take the position as the exchange tells it; what that changes, in words."""
    if not plan.difference:
        return ""
    office.journal.adjusted(office.host.now(), plan.difference, why)
    size, more = office.line.units.size(abs(plan.difference)), "more" if plan.difference > 0 else "less"
    return f"the account holds {size} {more} than our fills add up to, {why}"
