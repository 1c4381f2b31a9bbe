"""What the venue sees of the market: what it offers, at which price."""


class Book:
    """Sizes by price, a dictionary for each side."""

    def __init__(self):
        self.clear(lost=True)
        self.inside = False  # in the middle of a message

    def clear(self, *, lost):
        """The book is lost until the next snapshot, or one begins."""
        self._sides = {1: {}, -1: {}}
        self._lost = lost

    def set(self, side, ticks, lots):
        """The size at a price; 0 for none."""
        if lots:
            self._sides[side][ticks] = lots
        else:
            self._sides[side].pop(ticks, None)

    def whole(self):
        """Whether it can be trusted: not lost, two-sided and not crossed."""
        bids, asks = self._sides[1], self._sides[-1]
        return not self._lost and bool(bids and asks) and max(bids) < min(asks)

    def offered(self, side, limit):
        """What an order of this side can take within its limit, best first; 0 for any price."""
        opposite = self._sides[-side]
        prices = sorted(opposite, reverse=side < 0)
        return [(p, opposite[p]) for p in prices if limit == 0 or side * p <= side * limit]
