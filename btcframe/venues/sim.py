"""The simulated venue of backtests and paper trading: not generous, and every doubt is a setting."""

from __future__ import annotations

import math
from dataclasses import dataclass

from btcframe.api import Gateway
from btcframe.types import Instrument, LatencyModel, QueueModel, duration_ns

_MOST_LEVELS = 16_384


@dataclass(frozen=True)
class Sim:
    """A venue that matches our orders against the market's events, in order of consumption (docs/simulated-venue.md).

    - A request takes `latency` to the venue and meets the market as it was there then; what happened at the venue
      `feed_latency` before we had it. What it answers takes `report_latency`, and is never known before the market
      data of its moment. Nothing overtakes, so a cancel or an amendment may be too late.
    - An order that crosses takes from the visible book level by level, each at its price; what we took is gone until
      the market renews it. What a market or IOC order leaves is canceled; FOK takes all or nothing; POST_ONLY that
      would cross is rejected (canceled where an amendment makes it cross). The rest of a GTC order rests, unless its
      price reaches beyond the levels seen: then it is canceled.
    - A resting order stands behind everything shown at its price, and is filled, at its price, by prints that reach
      it in that queue (`queue`), by prints at a worse price for their aggressor, and by an opposite side that stands
      at or through its price: by at most what was printed or offered, our orders together. Better prices of ours are
      served first, then older orders; amending the price or adding size makes an order young.
    - A reduce-only order never opens: it is rejected, cut or canceled as the position requires. What may open is
      rejected below the instrument's smallest value. Our orders never meet each other: the newer is canceled.
    - While the book cannot be trusted (gap, one-sided, crossed) nothing is matched: what arrives is rejected, an
      amendment is refused (the order is reported as it was), a cancel works. The first whole book after a gap
      fills what it went through.
    - Funding is settled at the multiples of the instrument's interval since 1970, at the mid, on what is held then.
    - Linear contracts and spot settle in quote, inverse contracts in base coin: so do fees and funding.

    Not modelled: margin and liquidation, what others would have done had they seen our orders, a venue that is down.

    Parameters
    ----------
    queue : QueueModel            what moves a resting order forward: through (nothing), trades, risk_averse, log, log2,
                                  power, power2, power3
    queue_power : float           n of the power models; the larger, the more of what is canceled was behind us
    bounded : bool                fills are at most what was printed or offered; false: what touches an order fills it
    impact : bool                 what we took is gone; false: it can be taken again
    levels : int                  levels a taker sees
    latencies : LatencyModel      constant; sampled (lognormal about the medians given, from the seed); recorded (the
                                  latencies given, longer by what the market's last message took longer than its fastest)
    latency : str                 us to the venue, a duration
    report_latency : str          the venue to us, orders and fills
    feed_latency : str            the venue to us, market data
    spread : float                of sampled latencies: standard deviation of their logarithm
    maker_fee_bps : float         of the value, negative for a rebate
    taker_fee_bps : float         of the value
    funding_bps : float           of the value, that longs pay shorts at each interval; contracts only
    receive_funding : bool        whether it is ever paid to us, too
    """

    queue: QueueModel = QueueModel.trades
    queue_power: float = 3.0
    bounded: bool = True
    impact: bool = True
    levels: int = 20
    latencies: LatencyModel = LatencyModel.recorded
    latency: str = "50ms"
    report_latency: str = "50ms"
    feed_latency: str = "50ms"
    spread: float = 0.5
    maker_fee_bps: float = 2.0
    taker_fee_bps: float = 5.5
    funding_bps: float = 1.0
    receive_funding: bool = False

    def __post_init__(self) -> None:
        for name in ("maker_fee_bps", "taker_fee_bps", "funding_bps"):
            if not math.isfinite(rate := getattr(self, name)) or abs(rate) > 1000:
                what = "a rate" if name == "funding_bps" else "a fee"
                raise ValueError(f"{name}: {rate} bps is not {what}: it lies between -1000 and 1000")
        for name in ("latency", "report_latency", "feed_latency"):
            try:
                duration_ns(getattr(self, name), zero=True)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        if not 0.0 < self.queue_power <= 100.0:
            raise ValueError(f"queue_power: {self.queue_power} does not lie between 0 and 100, 0 excluded")
        if not 0.0 <= self.spread <= 2.0:
            raise ValueError(f"spread: {self.spread} does not lie between 0 and 2")
        if not 1 <= self.levels <= _MOST_LEVELS:
            raise ValueError(f"levels: {self.levels} does not lie between 1 and {_MOST_LEVELS}")

    def open(self, instrument: Instrument, *, seed: int, held: int = 0) -> Gateway:
        """Open with an empty book.

        Parameters
        ----------
        instrument : Instrument
        seed : int       of sampled latencies
        held : int       signed lots held from the start: a session that goes on
        """
        # the kernels are compiled code: only who opens a venue pays for loading them
        from btcframe.venues.sim_gateway import SimGateway

        inverse = instrument.contract == "inverse"
        lot, tick = instrument.lot, instrument.tick
        return SimGateway(
            {
                "queue": self.queue.value,
                "queue_power": self.queue_power,
                "bounded": self.bounded,
                "impact": self.impact,
                "levels": self.levels,
                "latencies": self.latencies.value,
                "latency_ns": duration_ns(self.latency, zero=True),
                "report_latency_ns": duration_ns(self.report_latency, zero=True),
                "feed_latency_ns": duration_ns(self.feed_latency, zero=True),
                "spread": self.spread,
                "seed": seed,
                "maker_rate": self.maker_fee_bps / 1e4,
                "taker_rate": self.taker_fee_bps / 1e4,
                "inverse": inverse,
                "unit": float(lot / tick if inverse else lot * tick),
                "lot": float(lot),
                "least": instrument.min_notional,
                "funding_ns": 0 if instrument.contract == "spot" else instrument.funding_ns,
                "funding_rate": self.funding_bps / 1e4,
                "receives": self.receive_funding,
            },
            held=held,
        )
