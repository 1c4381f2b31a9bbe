"""A market whose truth is known: what happens in it, and when.

Three clocks run in it:

- **Orders** come as a six-dimensional Hawkes process (Hawkes 1971; limit orders, cancels and market orders on either
  side) with exponential kernels, drawn by thinning (Ogata 1981). Their rates react to the queues at the best prices
  (Huang, Lehalle & Rosenbaum 2015). Signs of market orders come partly from long metaorders (Lillo, Mike & Farmer 2005).
- **The price**: a hidden pressure, in ticks away from the mid, diffuses with every order (so volatility follows
  activity). When it reaches a threshold the price moves there and the pressure is gone. Since the expected move is the
  pressure itself, E[mid(t + h) − mid(t)] = pressure(t) + drift, once h is long enough for a move.
- **Every `STEP`** the regime may switch (Markov), the time of day and the latent signal x go on (Ornstein-Uhlenbeck),
  and the pressure drifts by alpha·(1 − ρ)·x: so alpha·x·(1 − ρ^k) is what x holds in store over k steps.

Orders lean with the pressure and the signal, which is what can be learnt from the book. In the null market nothing
leans: moves are tosses of a fair coin that nothing knows of, both sides of the book move as one, and the mid is a
martingale.
"""

from __future__ import annotations

import math

import numpy as np

from btcframe.kernels import kernel
from btcframe.kernels.random import exponential, normal, uniform
from btcframe.kernels.synthetic_book import (
    ASK,
    BID,
    BOOK,
    FRAGMENTS,
    SPARE,
    cancel,
    catch_up,
    end_message,
    heartbeat,
    limit_order,
    market_order,
    move,
    receive,
    retreat,
    snapshot,
)
from btcframe.types import NS, Ints

STEP = NS // 10
"""ns of exchange time between two looks at regime, season and signal."""

METAORDERS = 4
MOST_REGIMES = 8
DAY = 86_400 * NS

MARKET = np.dtype(
    [
        *BOOK,
        ("end", "i8"),  # ns, nothing happens after it
        ("step", "i8"),  # ns, the next step
        ("truth", "i8"),  # ns, local: the next edge at which the truth is told
        ("truth_every", "i8"),
        ("phase", "i8"),  # 0 not begun, 1 running, 2 over
        # orders
        ("rate", "f8"),  # 1/ns, of orders, mean over all times
        ("excitation", "f8"),  # children of an order, mean
        ("decay", "f8"),  # 1/ns
        ("excited", "f8", (6,)),  # 1/ns, intensity by type that earlier orders have caused
        ("sign", "i8", (METAORDERS,)),  # side that each running metaorder takes from
        ("left", "i8", (METAORDERS,)),  # orders it has left
        ("lean", "f8"),  # how strongly orders lean with the pressure
        ("signal_lean", "f8"),  # and with the signal
        # price
        ("null", "i8"),
        ("pressure", "f8"),  # ticks
        ("threshold", "f8"),  # ticks
        ("moving", "i8"),  # a move is on its way: it comes in several steps
        ("jump", "f8"),  # bps, mean of the threshold
        ("wide", "f8"),  # probability that a move leaves the spread wide
        ("sigma", "f8"),  # bps per order, at a multiplier of 1
        ("floor", "i8"),  # ticks, no bid is lower
        # steps
        ("regime", "i8"),
        ("regimes", "i8"),
        ("volatility", "f8", (MOST_REGIMES,)),  # multiplier by regime
        ("leave", "f8"),  # probability of leaving the regime at a step
        ("season", "f8"),  # amplitude of the day's cycle
        ("activity", "f8"),  # multiplier of the rate now: regime and season
        ("latent", "f8"),  # x, standard normal over time
        ("alpha", "f8"),  # bps that x = 1 holds in store
        ("memory", "f8"),  # ρ, of a step
    ],
    align=True,
)
"""Everything the market is and remembers."""

# Orders by type: limit bid, limit ask, cancel bid, cancel ask, market buy, market sell.
_SHARES = (0.21, 0.21, 0.21, 0.21, 0.08, 0.08)
_SELF = 0.5  # share of an order's children of its own type; the others are spread evenly
_OTHER = 0.1
_META = 0.8  # share of market orders that belong to a metaorder
_META_TAIL = 1.5  # exponent of the metaorders' lengths: sign autocorrelation falls like lag^-0.5
# share of the price's steps that are jumps, and their size in standard deviations
_JUMPS, _JUMP_SIZE = 0.002, 8.0
_JUMP_NORM = 1.0 / math.sqrt(1.0 + _JUMPS * (_JUMP_SIZE**2 - 1.0))
_SMALLEST = 0.2  # a threshold is (0.2 + 0.8·Exp(1)) of its mean
_THRESHOLD_SQUARE = _SMALLEST**2 + 2 * _SMALLEST * (1 - _SMALLEST) + 2 * (1 - _SMALLEST) ** 2
_LEAST_PART = 0.3  # of the pressure that a step of a move works off
_REST = 0.3  # of the threshold: with less pressure left than that a move is over
_CATCH_UP = 0.3  # probability at each order that the spread closes again
_MOST_LEAN = 1.5
_PEAK = 15 * 3600 * NS  # ns of the day (UTC), when most happens


# --------------------------------------------------------------------------------------------------- steps


@kernel
def _ticks_per_bps(s, keys):
    return 0.5e-4 * (keys[ASK, 0] - keys[BID, 0])


@kernel
def _new_threshold(s, keys):
    mean = max(1.0, s.jump * _ticks_per_bps(s, keys))
    s.threshold = max(1.0, mean * (_SMALLEST + (1.0 - _SMALLEST) * exponential(s)))


@kernel
def _set_activity(s):
    """Activity goes with volatility: each order's share of the variance, and the number of orders, carry half of it."""
    day = 2.0 * np.pi * ((s.step - _PEAK) % DAY) / DAY
    s.activity = s.volatility[s.regime] * (1.0 + s.season * np.cos(day))


@kernel
def _take_step(s, keys):
    """Regime, season, signal; and what the signal does to the price until the next step."""
    s.pressure += s.alpha * (1.0 - s.memory) * s.latent * _ticks_per_bps(s, keys)
    s.latent = s.memory * s.latent + np.sqrt(1.0 - s.memory * s.memory) * normal(s)
    if s.regimes > 1 and uniform(s) < s.leave:
        other = int(uniform(s) * (s.regimes - 1))
        s.regime = other + 1 if other >= s.regime else other
    _set_activity(s)
    s.step += STEP


@kernel
def _settling(s, keys):
    """1/s, at which an imbalance of pressure is worked off.

    The odd part of a diffusion that starts again at 0 whenever it reaches ±threshold decays like its first odd
    eigenfunction: at the rate π²σ²/(2·threshold²).
    """
    variance = NS * s.rate * s.activity**2 * (s.sigma * _ticks_per_bps(s, keys)) ** 2
    return 0.5 * np.pi**2 * variance / s.threshold**2


@kernel
def _tell(s, keys, truth, m, local):
    """Write the truth of every edge before `local`; returns how many rows there are then."""
    while s.truth < local:
        row = truth[m]
        row.row_ns = s.truth
        row.regime = s.regime
        row.latent = s.latent
        row.pressure = 0.0
        row.settling = 0.0
        if s.null == 0:
            # the fair price against the mid: a side that stays behind takes the mid with it
            fair = s.pressure + 0.5 * (s.behind[BID] - s.behind[ASK])
            row.pressure = fair / _ticks_per_bps(s, keys)
            row.settling = _settling(s, keys)
        s.truth += s.truth_every
        m += 1
    return m


# -------------------------------------------------------------------------------------------------- orders


@kernel
def _intensities(s, lots, out):
    """Rates by type now, 1/ns; returns their sum."""
    typical = 3.0 * s.best_size
    bid, ask, lean = lots[BID, 0] / typical, lots[ASK, 0] / typical, s.tilt
    # full queues draw fewer orders and more cancels; thin ones are hurried for
    out[0] = lean * 2.0 / (1.0 + bid)
    out[1] = 2.0 / (lean * (1.0 + ask))
    out[2] = 2.0 * bid / (lean * (1.0 + bid))
    out[3] = lean * 2.0 * ask / (1.0 + ask)
    out[4] = lean * 2.0 / (1.0 + ask)
    out[5] = 2.0 / (lean * (1.0 + bid))
    base = s.rate * (1.0 - s.excitation) * s.activity
    total = 0.0
    for k in range(6):
        out[k] = base * _SHARES[k] * out[k] + s.excited[k]
        total += out[k]
    return total


@kernel
def _lean(s):
    """Factor on buying and on what stands at the bid, its inverse on the other side: all that tells of the future."""
    s.tilt = 1.0
    if s.null == 0:
        told = s.lean * s.pressure / s.threshold + s.signal_lean * s.latent
        s.tilt = np.exp(min(max(told, -_MOST_LEAN), _MOST_LEAN))


@kernel
def _excite(s, kind):
    """An order makes others likelier, those of its own type most."""
    jump = s.excitation * s.decay
    for k in range(6):
        s.excited[k] += jump * (_SELF if k == kind else _OTHER)


@kernel
def _taken_side(s, kind):
    """The side a market order takes from: its own draw's, or that of a metaorder."""
    if uniform(s) > _META:
        return ASK if kind == 4 else BID
    k = int(uniform(s) * METAORDERS)
    if s.left[k] <= 0:
        s.left[k] = int(min(uniform(s) ** (-1.0 / _META_TAIL), 1e4))
        s.sign[k] = ASK if uniform(s) < s.tilt / (s.tilt + 1.0 / s.tilt) else BID
    s.left[k] -= 1
    return s.sign[k]


@kernel
def _order(s, keys, lots, events, n, kind):
    if kind < 2:
        return limit_order(s, keys, lots, events, n, BID if kind == 0 else ASK)
    if kind < 4:
        return cancel(s, keys, lots, events, n, BID if kind == 2 else ASK)
    return market_order(s, keys, lots, events, n, _taken_side(s, kind))


# --------------------------------------------------------------------------------------------------- price


@kernel
def _price(s, keys, lots, events, n):
    """The price's share in an order: pressure, and a move where it is due."""
    sigma = s.sigma * np.sqrt(s.activity) * _ticks_per_bps(s, keys)
    if s.null == 1:
        mean = max(1.0, s.jump * _ticks_per_bps(s, keys))
        if uniform(s) < sigma * sigma / (mean * mean * _THRESHOLD_SQUARE):
            _new_threshold(s, keys)
            n = _move(s, keys, lots, events, n, s.threshold if uniform(s) < 0.5 else -s.threshold)
        return n
    step = sigma * _JUMP_NORM * normal(s)
    s.pressure += step * _JUMP_SIZE if uniform(s) < _JUMPS else step
    if abs(s.pressure) >= s.threshold or s.moving == 1:
        s.moving = 1
        ticks = s.pressure * (_LEAST_PART + (1.0 - _LEAST_PART) * uniform(s))
        n = _move(s, keys, lots, events, n, ticks)
        s.pressure -= ticks
        if abs(s.pressure) < max(1.0, _REST * s.threshold):
            s.moving = 0
            _new_threshold(s, keys)
    return n


@kernel
def _move(s, keys, lots, events, n, by):
    """Move by `by` ticks, rounded at random so that the mean is exact."""
    up = by > 0.0
    if -keys[BID, 0] < s.floor:  # so low that there would be no prices left to fall to
        up = True
    ticks = int(abs(by))
    ticks += 1 if uniform(s) < abs(by) - ticks else 0
    if ticks == 0:
        return n
    gives = ASK if up else BID
    wide = uniform(s) < s.wide
    n = move(s, keys, lots, events, n, gives, ticks, not wide or s.null == 1)
    if wide and s.null == 1:  # both sides at once: the mid stays
        s.update_id += 1
        ticks = 1 + int(2.0 * uniform(s))
        for side in range(2):
            n = retreat(s, keys, lots, events, n, side, ticks)
        n = end_message(events, n)
    return n


# -------------------------------------------------------------------------------------------------- market


def new_sides(levels: int) -> tuple[Ints, Ints]:
    """Keys and lots of a book not yet begun."""
    return np.zeros((2, levels + SPARE), np.int64), np.zeros((2, levels + SPARE), np.int64)


def room(levels: int) -> int:
    """Events that one order can make at most: the spread closes, it trades, the price moves through the whole book."""
    return FRAGMENTS + 16 * (levels + SPARE)


TRUTH_ROOM = 1024
"""More than the edges that can pass between two orders: a step, and the longest jitter of a mean of 1 s (37 of them),
at 10 edges a second."""


@kernel
def _begin(s, keys, lots, events, n, best_bid):
    s.tilt = 1.0
    n = snapshot(s, keys, lots, events, n, best_bid)
    s.regime = int(uniform(s) * s.regimes)
    s.latent = normal(s)
    _set_activity(s)
    _new_threshold(s, keys)
    s.truth = (s.local + s.truth_every - 1) // s.truth_every * s.truth_every
    s.phase = 1
    return n


@kernel
def simulate(state, keys, lots, best_bid, events, truth, needed):
    """Go on with the market until an array is full or the market ends.

    Parameters
    ----------
    state : MARKET[1]
    keys, lots : int64[2, k]                the book, see `new_sides`
    best_bid : int                          ticks, where it begins
    events : EVENT[n]                       filled from 0 on with whole messages
    truth : TRUTH[m]                        filled from 0 on
    needed : int                            `room(levels)`

    Returns
    -------
    (events, truth rows) : (int, int)       0 events: the market is over
    """
    s = state[0]
    n, m = 0, 0
    rates = np.empty(6)
    if s.phase == 0:
        n = _begin(s, keys, lots, events, n, best_bid)
    _lean(s)
    total = _intensities(s, lots, rates)
    while s.phase == 1 and events.shape[0] - n >= needed and truth.shape[0] - m >= TRUTH_ROOM:
        # cut before it is an integer: of few orders a wait may be longer than an integer can hold
        wait = 1 + int(min(exponential(s) / total, STEP)) if total > 0.0 else STEP
        stop = min(s.step, s.end)
        if s.now + wait >= stop:  # the drawing of waits has no memory: begin again there
            fade = np.exp(-s.decay * (stop - s.now))
            s.now = stop
            m = _tell(s, keys, truth, m, s.now + s.latency)
            if s.now == s.end:
                s.phase = 2
                n = heartbeat(s, events, n, s.end + s.latency + 1)
                m = _tell(s, keys, truth, m, s.local)
                break
            _take_step(s, keys)
            for k in range(6):
                s.excited[k] *= fade
            _lean(s)
            total = _intensities(s, lots, rates)
            continue
        s.now += wait
        fade = np.exp(-s.decay * wait)
        for k in range(6):
            rates[k] += s.excited[k] * (fade - 1.0)
            s.excited[k] *= fade
        at = uniform(s) * total
        kind = 0
        while kind < 6 and at >= rates[kind]:
            at -= rates[kind]
            kind += 1
        if kind < 6:  # otherwise the excitation has faded: no order
            receive(s)
            m = _tell(s, keys, truth, m, s.local)
            if s.behind[BID] + s.behind[ASK] > 0 and uniform(s) < _CATCH_UP:
                n = catch_up(s, keys, lots, events, n)
            n = _order(s, keys, lots, events, n, kind)
            n = _price(s, keys, lots, events, n)
            _excite(s, kind)
            _lean(s)
        total = _intensities(s, lots, rates)
    return n, m
