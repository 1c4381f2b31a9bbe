"""Where a resting order stands in the queue at its price: what moves it forward.

On joining, everything shown at the price is ahead. `ahead` falls with every print at the price; what else makes the
level smaller was canceled by somebody, before or behind us, and the models differ in what they believe of it. With
f = lots ahead, b = shown − f, p the share of the cancels c that was behind:

    ahead' = min(f − (1 − p)·c + min(b − p·c, 0), shown)        (Rigtorp 2013)

    log     p = ln(1+b) / (ln(1+b) + ln(1+f))                   in base coin, since a logarithm has a unit
    log2    p = ln(1+b) / ln(1+b+f)
    power   p = bⁿ / (bⁿ + fⁿ)
    power2  p = bⁿ / (b+f)ⁿ
    power3  p = 1 − (f/(f+b))ⁿ

risk_averse is p = 1, everything from behind as long as there is any; trades does not believe the level at all. The
formulas, the handling of NaN and the rounding of fills are those of hftbacktest 2.4, so that both can be compared.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.book import find
from btcframe.types import QueueModel

_THROUGH, _TRADES = QueueModel.through.value, QueueModel.trades.value
_RISK_AVERSE = QueueModel.risk_averse.value
_LOG, _LOG2 = QueueModel.log.value, QueueModel.log2.value
_POWER, _POWER2 = QueueModel.power.value, QueueModel.power2.value


@kernel
def join(book, o):
    """Stand at the end of the queue. Deeper than every level we know of, it is not known how long that is."""
    b = book[0]
    j = 0 if o.side > 0 else 1
    key = o.side * o.ticks
    n = b.n[j]
    at = find(b.key[j], n, key)
    o.traded = 0.0
    if at < n and b.key[j, at] == key:
        o.ahead = b.lots[j, at]
    elif at == 0:
        o.ahead = np.inf
    else:
        o.ahead = 0.0


@kernel
def resized(s, o, old, new):
    """The level at an order's price went from `old` to `new` lots."""
    if np.isinf(o.ahead):
        o.ahead = new  # the first that is known of it
        o.traded = 0.0
        return
    if s.queue == _TRADES or s.queue == _THROUGH:
        return
    if s.queue == _RISK_AVERSE:
        o.ahead = min(o.ahead, new)
        return
    canceled = old - new - o.traded  # what was traded has moved us already
    o.traded = 0.0
    if canceled < 0.0:
        o.ahead = min(o.ahead, new)
        return
    behind = old - o.ahead
    share = _behind(s, o.ahead, behind)
    if np.isinf(share):
        share = 1.0
    ahead = o.ahead - (1.0 - share) * canceled + min(behind - share * canceled, 0.0)
    o.ahead = ahead if ahead < new else new  # NaN, of an empty level, becomes what is shown


@kernel
def _behind(s, ahead, behind):
    """The share of the cancels at a level that is taken to be from behind."""
    n = s.queue_power
    if s.queue == _LOG or s.queue == _LOG2:
        b = np.log(1.0 + behind * s.lot)
        if s.queue == _LOG:
            return b / (b + np.log(1.0 + ahead * s.lot))
        return b / np.log(1.0 + (behind + ahead) * s.lot)
    if s.queue == _POWER:
        return behind**n / (behind**n + ahead**n)
    if s.queue == _POWER2:
        return behind**n / (behind + ahead) ** n
    return 1.0 - (ahead / (ahead + behind)) ** n


@kernel
def printed(s, o, lots):
    """Lots were traded at an order's price: how many of them reach it."""
    if s.queue == _THROUGH:
        return 0
    o.ahead -= lots
    o.traded += lots
    if np.isinf(o.ahead) or o.ahead >= 0.0:
        return 0
    reach = int(np.floor(0.5 - o.ahead))
    if reach > 0:
        o.ahead = 0.0
    return reach
