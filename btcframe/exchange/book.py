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
    bids, asks : dict       lots by ticks
    known : bool            whether there is a book: not before the first snapshot, nor after a gap in a recording
    version : int           counts messages that changed it
    """

    def __init__(self) -> None:
        self.bids: Side = {}
        self.asks: Side = {}
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

    @property
    def sound(self) -> bool:
        """Whether it can be shown: known, and neither crossed nor locked."""
        if not self.known:
            return False
        return not (self.bids and self.asks) or max(self.bids) < min(self.asks)

    def view(self, depth: int) -> View:
        """The best levels of each side, best first."""
        bids = {ticks: self.bids[ticks] for ticks in sorted(self.bids, reverse=True)[:depth]}
        asks = {ticks: self.asks[ticks] for ticks in sorted(self.asks)[:depth]}
        return bids, asks


def changed(before: Side, after: Side) -> Side:
    """What turns one side into another: new and other sizes, and 0 where a level is gone."""
    found = {ticks: lots for ticks, lots in after.items() if before.get(ticks) != lots}
    found.update((ticks, 0) for ticks in before if ticks not in after)
    return found
