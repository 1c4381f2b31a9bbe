"""Our resting orders' places in their queues, plainly written: what `kernels.matching.queue` must do."""

from __future__ import annotations

import math
from dataclasses import dataclass

from btcframe.types import QueueModel, TimeInForce


@dataclass
class Order:
    """One of ours at the venue."""

    order_id: int
    side: int
    ticks: int
    lots: int
    tif: TimeInForce
    reduce_only: bool
    filled: int = 0
    since: int = 0
    ahead: float = 0.0
    traded: float = 0.0


def resized(o: Order, old: int, new: int, queue: QueueModel, n: float, lot: float) -> None:
    """The level at an order's price went from `old` to `new` lots."""
    if o.ahead == math.inf:
        o.ahead, o.traded = new, 0.0
    elif queue == QueueModel.risk_averse:
        o.ahead = min(o.ahead, new)
    elif queue not in (QueueModel.through, QueueModel.trades):
        canceled, o.traded = old - new - o.traded, 0.0
        if canceled < 0:
            o.ahead = min(o.ahead, new)
            return
        front, back = o.ahead, old - o.ahead
        p = from_behind(queue, front, back, n, lot)
        left = front - (1 - p) * canceled + min(back - p * canceled, 0.0)
        o.ahead = left if left < new else new


def from_behind(queue: QueueModel, front: float, back: float, n: float, lot: float) -> float:
    """The share of what is canceled at a level that was behind us, as the papers write it."""
    try:
        match queue:
            case QueueModel.log:
                return math.log(1 + back * lot) / (math.log(1 + back * lot) + math.log(1 + front * lot))
            case QueueModel.log2:
                return math.log(1 + back * lot) / math.log(1 + (back + front) * lot)
            case QueueModel.power:
                return back**n / (back**n + front**n)
            case QueueModel.power2:
                return back**n / (back + front) ** n
        return 1 - (front / (front + back)) ** n
    except ZeroDivisionError:  # an empty level: 0/0
        return math.nan
