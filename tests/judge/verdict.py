"""Two simulators' fills of the same orders, one by one: identical, or different for a cause that the inputs show.

A cause is never taken from what was filled alone: each has its evidence in the script and in the market, looked for in
the order of `CAUSES`. What has none is unexplained, and fails the drill.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.api import Action
from btcframe.kernels.book import apply, is_sound, new_book
from btcframe.types import EventArray, Ints, Kind, StateArray, TimeInForce

MARKET_TICKS = 100
"""How far from the best hftbacktest's market orders look, ticks."""

CAUSES = {
    "market": "a market order needs more than hftbacktest's 100 ticks from the best",
    "raced": "an amendment met a fill: hftbacktest gives the order the size that was known when it was sent",
    "book": "no book to trade on, when it arrived or while it stood: ours waits or refuses, hftbacktest goes on",
    "deep": "placed below the deepest level known: an unknown queue to us, none to hftbacktest",
}


class Deal(NamedTuple):
    """What was filled of one order at one moment, all levels together.

    Of a taker hftbacktest tells the last level, with its size, and the sum over all; of a maker there is one price.
    """

    order_id: int
    venue_ns: int
    ns: int
    ticks: int
    lots: int
    last_lots: int  # 0 for a maker's
    maker: bool


class Difference(NamedTuple):
    """A deal that is not the same in both, and why; None where one of them has none at that moment."""

    theirs: Deal | None
    ours: Deal | None
    cause: str  # of CAUSES, or ""

    @property
    def deal(self) -> Deal:
        """Whichever there is."""
        deal = self.theirs or self.ours
        assert deal is not None
        return deal


class Verdict(NamedTuple):
    """One market, one script, one queue model."""

    orders: int
    theirs: int  # deals
    ours: int
    identical: int
    makers: int  # identical ones, of resting orders
    differences: tuple[Difference, ...]

    @property
    def share(self) -> float:
        """Identical deals, of all that either has."""
        return self.identical / max(1, self.identical + len(self.differences))

    @property
    def causes(self) -> Counter[str]:
        return Counter(difference.cause for difference in self.differences)


def deals(fills: StateArray) -> list[Deal]:
    """Our FILL[n] as deals.

    The last level of a buyer is all it took at that price: hftbacktest fills what a crossing buy order takes at its
    limit and the rest that nobody offers as one, of a sell order as two.
    """
    together: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for fill in fills:
        together[int(fill["order_id"]), int(fill["venue_ns"])].append(fill)
    found = []
    for (order_id, venue_ns), parts in together.items():
        last = parts[-1]
        at_last = [int(part["lots"]) for part in parts if part["ticks"] == last["ticks"]]
        last_lots = sum(at_last) if last["side"] > 0 else at_last[-1]
        lots = sum(int(part["lots"]) for part in parts)
        maker = bool(last["maker"])
        found.append(
            Deal(
                order_id,
                venue_ns,
                int(last["ns"]),
                int(last["ticks"]),
                lots,
                0 if maker else last_lots,
                maker,
            )
        )
    return found


def their_deals(fills: npt.NDArray[np.void]) -> list[Deal]:
    """What peer.py wrote as deals."""
    return [
        Deal(
            int(f["order_id"]), int(f["venue_ns"]), int(f["ns"]), int(f["ticks"]), int(f["lots"]),
            0 if f["maker"] else int(f["last_lots"]), bool(f["maker"]),
        )
        for f in fills
    ]  # fmt: skip


class Seen(NamedTuple):
    """The market at one moment, with everything that has happened by then."""

    sound: bool
    levels: dict[int, dict[int, int]]  # side → ticks → lots

    def offered(self, side: int, ticks: int, within: int = 0) -> int:
        """Lots a buy (+1) or sell (−1) at `ticks` could take; 0: at any price; within: so many ticks from the best."""
        other = self.levels[-side]
        if not other:
            return 0
        best = min(other, key=lambda t: side * t)
        return sum(
            lots
            for t, lots in other.items()
            if (ticks == 0 or side * t <= side * ticks) and (not within or side * (t - best) < within)
        )

    def is_below(self, side: int, ticks: int) -> bool:
        """Whether a price is worse than the worst level known of its side."""
        own = self.levels[side]
        return not own or side * ticks < min(side * t for t in own)


def look_at(events: EventArray, moments: set[int]) -> dict[int, Seen]:
    """The market at each moment, events taken to happen at their local stamps."""
    book, seen, at = new_book(), dict[int, Seen](), 0
    for ns in sorted(moments):
        stop = int(np.searchsorted(events["local_ts"], ns, "right"))
        apply(book, events, at, stop)
        at, b = stop, book[0]
        bids, asks = (
            dict(zip((b["key"][j, :n] * (1 - 2 * j)).tolist(), b["lots"][j, :n].tolist(), strict=True))
            for j, n in enumerate(b["n"])
        )
        seen[ns] = Seen(bool(is_sound(b)), {1: bids, -1: asks})
    return seen


def judge(
    events: EventArray, commands: npt.NDArray[np.void], theirs: list[Deal], ours: list[Deal], entry_ns: int
) -> Verdict:
    """Compare deal by deal, by order and moment; what differs is classified.

    Parameters
    ----------
    events : EVENT[n]           the market
    commands : COMMAND[k]       the script
    theirs, ours : list of Deal
    entry_ns : int              how long a request takes to the venue
    """
    a = {(deal.order_id, deal.venue_ns): deal for deal in theirs}
    b = {(deal.order_id, deal.venue_ns): deal for deal in ours}
    differing = sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
    asked = defaultdict[int, list[Any]](list)
    wanted = {order_id for order_id, _ in differing}
    for command in commands[np.isin(commands["order_id"], list(wanted))]:
        asked[int(command["order_id"])].append(command)
    arrivals = {int(command["ns"]) + entry_ns for of_one in asked.values() for command in of_one}
    lost = events["local_ts"][events["kind"] == Kind.GAP]
    seen = look_at(events, arrivals | {ns for _, ns in differing})
    filled = defaultdict[int, list[Deal]](list)
    for deal in (*a.values(), *b.values()):
        filled[deal.order_id].append(deal)
    differences, first = [], dict[int, str]()
    for order_id, ns in differing:
        # what follows in an order from its first difference has the same cause
        if order_id not in first:
            first[order_id] = cause(asked[order_id], filled[order_id], seen, lost, ns, entry_ns)
        differences.append(Difference(a.get((order_id, ns)), b.get((order_id, ns)), first[order_id]))
    same = [deal for key, deal in a.items() if b.get(key) == deal]
    orders = int(np.count_nonzero(commands["action"] == Action.SUBMIT))
    makers = sum(deal.maker for deal in same)
    return Verdict(orders, len(a), len(b), len(same), makers, tuple(differences))


def cause(
    asked: list[Any], filled: list[Deal], seen: dict[int, Seen], lost: Ints, ns: int, entry_ns: int
) -> str:
    """The first of CAUSES that there is evidence of, up to the moment at which an order's fills differ; "" without.

    Parameters
    ----------
    asked : list of COMMAND     of the order
    filled : list of Deal       of the order, in either
    seen : mapping of Seen      at the arrival of each request, and at `ns`
    lost : int64[g]             when the book was lost
    ns : int                    the moment
    entry_ns : int
    """
    submitted = asked[0]
    side, lots = int(submitted["side"]), int(submitted["lots"])
    arrived = [
        command for command in asked if command["ns"] + entry_ns <= ns and command["action"] != Action.CANCEL
    ]
    placed = [(seen[int(command["ns"]) + entry_ns], int(command["ticks"])) for command in arrived]
    if submitted["ticks"] == 0:
        if placed[0][0].offered(side, 0, MARKET_TICKS) < lots:
            return "market"
    elif submitted["tif"] in (TimeInForce.GTC, TimeInForce.POST_ONLY):
        if any(_met_a_fill(int(command["ns"]), filled, entry_ns) for command in arrived[1:]):
            return "raced"
        if any(market.is_below(side, ticks) for market, ticks in placed):
            return "deep"
    stood_ns = int(submitted["ns"]) + entry_ns
    if not all(market.sound for market, _ in placed) or ((lost >= stood_ns) & (lost <= ns)).any():
        return "book"
    return "" if seen[ns].sound else "book"


def _met_a_fill(sent_ns: int, filled: list[Deal], entry_ns: int) -> bool:
    """Whether a fill happened before a request arrived, and was not known when it was sent."""
    return any(deal.venue_ns <= sent_ns + entry_ns and deal.ns > sent_ns for deal in filled)
