"""The policy: with the prediction, once it is worth it."""

from dataclasses import dataclass

import numpy as np
from btcframe.api import Action, Intent, Wakes
from btcframe.types import TimeInForce


@dataclass(frozen=True)
class AcmeAll:
    """Holds a fixed size in the direction of the longest horizon's prediction, or nothing.

    Parameters
    ----------
    edge_bps : float    expected return from which on it trades, bps: more than the fees of a round trip
    lots : int          size held, lots
    """

    edge_bps: float = 12.0
    lots: int = 10

    wakes = Wakes()  # closed rows and order reports are enough

    def __post_init__(self):
        """Refuse what has no meaning, before any work; the message begins with the field."""
        if not self.edge_bps >= 0:
            raise ValueError(f"edge_bps: {self.edge_bps} is negative")
        if self.lots < 1:
            raise ValueError(f"lots: {self.lots} is less than one")

    def decide(self, market, position):
        """At most one market order, from what is held to what is wanted; nothing while one is on its way."""
        mean = float(market.prediction["mean"][-1])
        if position.working or not market.usable or np.isnan(mean):
            return ()
        wanted = 0 if abs(mean) < self.edge_bps else self.lots if mean > 0 else -self.lots
        missing = wanted - position.lots
        if missing == 0:
            return ()
        side = 1 if missing > 0 else -1
        reason = f"{mean:.1f} bps expected"
        return (Intent(Action.SUBMIT, side, abs(missing), 0, TimeInForce.IOC, reason=reason),)
