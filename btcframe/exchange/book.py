"""The exchange's own book: plain dictionaries, so that it can judge books that are kept in cleverer ways."""

from __future__ import annotations

from collections.abc import Iterable

from btcframe.exchange.flow import Change
from btcframe.types import Kind

_DEPTH, _CLEAR, _GAP = int(Kind.DEPTH), int(Kind.CLEAR), int(Kind.GAP)

Side = dict[int, int]
"""Lots by ticks, best price first where it is a view."""

View = tuple[Side, Side]
"""The best levels: bids and asks."""


class Book:
    """Every level of one market.

    Attributes
    ----------
    bids, asks : dict       lots by ticks, of the order flow
    shown : tuple of dict   lots by ticks of clients' orders that rest beside them: bids and asks
    known : bool            whether there is a book: not before the first snapshot, nor after a gap in a recording
    version : int           counts messages that changed it
    """

    def __init__(self) -> None:
        self.bids: Side = {}
        self.asks: Side = {}
        self.shown: View = ({}, {})
        self.known = False
        self.version = 0

    def apply(self, changes: Iterable[Change]) -> None:
        """Take in a message's changes; trades are none."""
        changed = False
        for kind, side, ticks, lots in changes:
            if kind == _DEPTH:
                levels = self.bids if side > 0 else self.asks
                if lots:
                    levels[ticks] = lots
                else:
                    levels.pop(ticks, None)
                changed = True
            elif kind == _CLEAR:
                self.bids, self.asks, self.known, changed = {}, {}, True, True
            elif kind == _GAP:
                self.known = False
        self.version += changed

    def take(self, side: int, ticks: int, lots: int) -> None:
        """A client took lots from a level that has as many: the book lacks them until the flow sends the price again."""
        levels = self.bids if side > 0 else self.asks
        left = levels[ticks] - lots
        if left:
            levels[ticks] = left
        else:
            del levels[ticks]
        self.version += 1

    def show(self, side: int, ticks: int, lots: int) -> None:
        """Clients have so many lots resting at a price now."""
        levels = self.shown[0] if side > 0 else self.shown[1]
        if lots:
            levels[ticks] = lots
        else:
            levels.pop(ticks, None)
        self.version += 1

    @property
    def sound(self) -> bool:
        """Whether it can be shown: known, and neither crossed nor locked."""
        if not self.known:
            return False
        return not (self.bids and self.asks) or max(self.bids) < min(self.asks)

    def view(self, depth: int) -> View:
        """The best levels of each side, best first: the flow's and clients' together."""
        every = [_together(*pair) for pair in zip((self.bids, self.asks), self.shown, strict=True)]
        bids = {ticks: every[0][ticks] for ticks in sorted(every[0], reverse=True)[:depth]}
        asks = {ticks: every[1][ticks] for ticks in sorted(every[1])[:depth]}
        return bids, asks


def _together(flow: Side, shown: Side) -> Side:
    return {**flow, **{ticks: flow.get(ticks, 0) + lots for ticks, lots in shown.items()}} if shown else flow


def changed(before: Side, after: Side) -> Side:
    """What turns one side into another: new and other sizes, and 0 where a level is gone."""
    found = {ticks: lots for ticks, lots in after.items() if before.get(ticks) != lots}
    found.update((ticks, 0) for ticks in before if ticks not in after)
    return found
