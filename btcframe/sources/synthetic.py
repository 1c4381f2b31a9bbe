"""A market whose truth is known: what a research tool must find, and what it must not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from btcframe.api import Batch
from btcframe.types import EVENT, LEVELS, NS, TRUTH, Floats, Instrument, StateArray, duration_ns

START_NS = 1_704_067_200 * NS
"""2024-01-01T00:00:00Z: where every market begins."""

BATCH = 65_536
_TRUTH_BATCH = 4096

# beyond these a price no longer fits an integer of ticks, or a float of it loses the single tick
_MOST_TICKS = 1e12
_LEAST_TICKS_A_LEVEL = 100
_LARGEST_LOT = 1e9
_SHORTEST_STEP = "100ms"


@dataclass(frozen=True)
class Synthetic:
    """A level-2 market with a known signal in it, or with a known absence of one.

    Orders excite each other (Hawkes), react to the queues at the best prices and lean with what the price is going to
    do; volatility switches between regimes and follows the time of day. A latent signal, an Ornstein-Uhlenbeck
    process x of standard deviation 1, holds a move of alpha·volatility·√memory·x bps in store for the price: with
    alpha=1 it moves the price over its memory about as much as chance does, far more than any real signal. What is
    hidden (signal, regime, pressure) comes as a table `truth` beside the events and is never an input of anything.

    With `null` the mid is a martingale and the book tells nothing of its future. `alpha=0` alone is not that: orders
    still lean with the next move, as in real books.

    Parameters
    ----------
    duration : str           length of the market; at 1 s rows one row a second
    null : bool              nothing can be predicted
    alpha : float            strength of the signal; 0 is none
    memory : str             the signal's: it falls to 1/e of itself in this time
    lean : float             how strongly orders lean with the next move: log of the factor on their rates
    signal_lean : float      the same for one standard deviation of the signal
    rate : float             orders (limit, cancel, market) per second, mean
    excitation : float       orders that an order causes, mean: 0 is Poisson, below 1
    relaxation : str         mean time after which they come
    volatility : float       bps over one second, long-run mean without the signal
    jump : float             bps of a price move, mean
    wide : float             share of moves that leave the spread wide for a moment
    regimes : tuple[float]   volatility of each regime, relative; activity goes with it
    dwell : str              mean stay in a regime
    season : float           amplitude of the daily cycle of activity and volatility, 0 to below 1
    levels : int             book levels per side, at least 20
    gap : float              ticks from level to level, mean
    best_size : float        base coin that an order adds at the best price, mean
    deep_size : float        base coin, scale of orders elsewhere
    trade_size : float       base coin, scale of market orders
    fragments : float        prints of a market order, scale
    price : float            first price, quote
    tick : float             price step, quote
    lot : float              size step, base coin
    latency : str            local receipt after exchange time, least
    jitter : str             mean of what is added to it
    truth_every : str        the truth is told at every full multiple, on the local clock
    seed_offset : int        added to the run's seed: other markets of one run
    """

    duration: str = "194974s"
    null: bool = False
    alpha: float = 1.0
    memory: str = "60s"
    lean: float = 1.5
    signal_lean: float = 0.25
    rate: float = 16.0
    excitation: float = 0.85
    relaxation: str = "250ms"
    volatility: float = 1.2
    jump: float = 1.2
    wide: float = 0.01
    regimes: tuple[float, ...] = (0.5, 1.0, 2.0)
    dwell: str = "2h"
    season: float = 0.25
    levels: int = 30
    gap: float = 4.0
    best_size: float = 2.0
    deep_size: float = 0.1
    trade_size: float = 0.003
    fragments: float = 1.1
    price: float = 60_000.0
    tick: float = 0.1
    lot: float = 0.001
    latency: str = "5ms"
    jitter: str = "6ms"
    truth_every: str = "1s"
    seed_offset: int = 0

    def __post_init__(self) -> None:
        for name in ("duration", "memory", "relaxation", "dwell", "truth_every"):
            _duration(name, getattr(self, name))
        for name in ("latency", "jitter"):
            _duration(name, getattr(self, name), zero=True)
        for name in (
            "rate",
            "volatility",
            "jump",
            "best_size",
            "deep_size",
            "trade_size",
            "price",
            "tick",
            "lot",
        ):
            if not (getattr(self, name) > 0 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name}: {getattr(self, name)} is not a positive number")
        _check_range("alpha", self.alpha, 0, 100)
        _check_range("lean", self.lean, 0, 10)
        _check_range("signal_lean", self.signal_lean, 0, 10)
        _check_range("wide", self.wide, 0, 1)
        _check_range("season", self.season, 0, 0.99)
        _check_range("gap", self.gap, 1, 1e4, "ticks")
        _check_range("fragments", self.fragments, 1, 20, "prints")
        _check_range("rate", self.rate, 0, 1e5, "orders per second")
        _check_range("volatility", self.volatility, 0, 100, "bps")
        _check_range("jump", self.jump, 0, 1000, "bps")
        if not 0 <= self.excitation < 1:
            raise ValueError(
                f"excitation: {self.excitation:g} is not from 0 to below 1: from 1 on every order causes another, "
                "and the orders never end"
            )
        if not LEVELS <= self.levels <= 500:
            raise ValueError(f"levels: {self.levels} is not between {LEVELS} and 500")
        least = (self.volatility / self.jump) ** 2
        if self.rate < least:
            raise ValueError(
                f"rate: {self.rate:g} orders per second are too few for a volatility of {self.volatility:g} bps in "
                f"moves of {self.jump:g} bps: it takes {least:.2g}"
            )
        self._check_regimes()
        self._check_units()
        if self.seed_offset < 0:
            raise ValueError(f"seed_offset: {self.seed_offset} is negative")

    def _check_regimes(self) -> None:
        from_one_to = 8
        if not 1 <= len(self.regimes) <= from_one_to:
            raise ValueError(f"regimes: there are {len(self.regimes)}, not 1 to {from_one_to}")
        for value in self.regimes:
            if not 0.01 <= value <= 100:
                raise ValueError(f"regimes: {value} is not a volatility between 0.01 and 100 times the mean")
        for name in ("dwell", "memory", "truth_every"):
            if duration_ns(getattr(self, name)) < duration_ns(_SHORTEST_STEP):
                raise ValueError(
                    f"{name}: {getattr(self, name)} is shorter than the market's step, {_SHORTEST_STEP}"
                )
        if duration_ns(self.jitter, zero=True) > NS:
            raise ValueError(f"jitter: {self.jitter} is longer than 1s")

    def _check_units(self) -> None:
        ticks = self.price / self.tick
        least = _LEAST_TICKS_A_LEVEL * self.levels * self.gap
        if ticks < least:
            raise ValueError(
                f"price: {self.price:g} is {ticks:,.0f} ticks of {self.tick:g}; {self.levels} levels {self.gap:g} "
                f"ticks apart need a price of {least:,.0f} ticks"
            )
        if ticks > _MOST_TICKS:
            raise ValueError(f"price: {self.price:g} is more than {_MOST_TICKS:.0e} ticks of {self.tick:g}")
        if self.lot > _LARGEST_LOT:
            raise ValueError(f"lot: {self.lot:g} is more than {_LARGEST_LOT:g}")
        for name in ("best_size", "deep_size", "trade_size"):
            if getattr(self, name) / self.lot > _MOST_TICKS / 1e4:
                raise ValueError(f"{name}: {getattr(self, name):g} is more than 1e8 lots of {self.lot:g}")

    def open(self, *, seed: int) -> SyntheticFeed:
        """Begin the market."""
        return SyntheticFeed(self, seed)

    @property
    def stored_bps(self) -> float:
        """Standard deviation of the move that the signal holds in store, bps; none in the null market."""
        if self.null:
            return 0.0
        return self.alpha * self.volatility * math.sqrt(duration_ns(self.memory) / NS)

    @property
    def span_ns(self) -> int:
        """Length of the market, ns."""
        return duration_ns(self.duration)

    def fingerprint(self) -> str:
        """Empty: config and seed say it all."""
        return ""

    def oracle(self, truth: StateArray, horizons_ns: Sequence[int]) -> Floats:
        """Expected return over each horizon given the hidden state, bps: what no prediction can beat for long.

        The pressure p is worked off at the rate κ (settling). The signal x drives it, at a rate that falls with
        a = 1/memory, so what it adds is worked off later:

        E[r(h)] = p·(1 − e^(−κh)) + stored·x·(1 − e^(−ah) − a·(e^(−ah) − e^(−κh))/(κ − a)); 0 in the null market.

        Parameters
        ----------
        truth : TRUTH[n]
        horizons_ns : sequence of int

        Returns
        -------
        float64[n, h]
        """
        out = np.zeros((len(truth), len(horizons_ns)))
        if self.null:
            return out
        fall = NS / duration_ns(self.memory)
        # where both rates agree the last term is 0/0: its limit, to one part in a million
        rate = np.where(np.abs(truth["settling"] / fall - 1) < 1e-6, fall * (1 + 1e-6), truth["settling"])
        for h, horizon in enumerate(horizons_ns):
            seconds = horizon / NS
            settled, faded = np.exp(-rate * seconds), math.exp(-fall * seconds)
            share = 1 - faded - fall * (faded - settled) / (rate - fall)
            out[:, h] = truth["pressure"] * (1 - settled) + self.stored_bps * truth["latent"] * share
        return out


class SyntheticFeed:
    """An open market: batches of at most 65,536 events with their truth, flat memory however long it is."""

    def __init__(self, source: Synthetic, seed: int) -> None:
        from btcframe.kernels.synthetic import MARKET, STEP, new_sides, room  # brings numba: only when opened

        self.instrument = Instrument("BTC/USDT:USDT", Decimal(repr(source.tick)), Decimal(repr(source.lot)))
        self._state = np.zeros(1, MARKET)
        self._keys, self._lots = new_sides(source.levels)
        self._best_bid = int(source.price / source.tick)
        self._room = room(source.levels)
        state = self._state[0]
        state["random"] = np.random.SeedSequence([seed, source.seed_offset]).generate_state(1, np.uint64)[0]
        state["now"] = START_NS
        state["end"] = START_NS + duration_ns(source.duration)
        state["step"] = START_NS + STEP
        for name in ("latency", "jitter", "truth_every"):
            state[name] = duration_ns(getattr(source, name), zero=True)
        for name in (
            "levels",
            "gap",
            "fragments",
            "excitation",
            "lean",
            "signal_lean",
            "null",
            "jump",
            "wide",
            "season",
        ):
            state[name] = getattr(source, name)
        for name in ("best_size", "deep_size", "trade_size"):
            state[name] = getattr(source, name) / source.lot
        state["alpha"] = source.stored_bps
        state["rate"] = source.rate / NS
        state["decay"] = 1 / duration_ns(source.relaxation)
        state["floor"] = _LEAST_TICKS_A_LEVEL * source.levels * source.gap // 10
        state["regimes"] = len(source.regimes)
        # so that the long-run mean is what was asked for: activity is the regime's multiplier, variance its square
        relative = np.array(source.regimes) / np.mean(source.regimes)
        state["volatility"][: len(relative)] = relative
        season = 1 + source.season**2 / 2
        state["sigma"] = source.volatility / math.sqrt(source.rate * np.mean(relative**2) * season)
        state["leave"] = STEP / duration_ns(source.dwell)
        state["memory"] = math.exp(-STEP / duration_ns(source.memory))

    def __iter__(self) -> Iterator[Batch]:
        from btcframe.kernels.synthetic import simulate

        while True:
            events, truth = np.zeros(BATCH, EVENT), np.zeros(_TRUTH_BATCH, TRUTH)
            n, m = simulate(self._state, self._keys, self._lots, self._best_bid, events, truth, self._room)
            if n == 0 and m == 0:
                return
            yield Batch(events[:n], truth=truth[:m])

    def close(self) -> None:
        """Nothing is held."""


def _duration(name: str, text: str, *, zero: bool = False) -> None:
    try:
        duration_ns(text, zero=zero)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _check_range(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: {value:g} is not from {low:g} to {high:g}{' ' * bool(unit)}{unit}")
