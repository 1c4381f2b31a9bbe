"""The simulated venue of backtests and paper trading: thin, and not generous."""

from __future__ import annotations

import math
from dataclasses import dataclass

from btcframe.api import Gateway
from btcframe.errors import ConfigError
from btcframe.types import Instrument, duration_ns


@dataclass(frozen=True)
class Sim:
    """A venue that matches our orders against the market's events, in order of consumption.

    - A request takes `latency` to the venue; what the venue answers takes `report_latency` to us. Both are
      constant and lie on the local timeline: an event is taken to happen at the venue when we receive it. At
      equal times the market is first. Nothing overtakes on the way there, so a cancel may be too late, and an
      order may fill while its cancel is on its way.
    - An order that crosses takes from the visible book (20 levels) level by level, each at its price. What a
      market or IOC order leaves is canceled; FOK takes all or nothing; POST_ONLY that would cross is rejected
      (canceled where an amendment makes it cross). The rest of a GTC order rests, unless its price reaches
      beyond the visible levels: then it is canceled.
    - A resting order fills only when the market goes through it, at its own price: by at most the size of a
      print at a strictly worse price for its aggressor, or by at most what the opposite side offers at or
      through its price. Better prices of ours are served first, then older orders; amending the price or adding
      size makes an order young.
    - A reduce-only order never opens: it is rejected, cut or canceled as the position requires.
    - While the book cannot be trusted (gap, one-sided, crossed) nothing is matched: what arrives is rejected, an
      amendment is refused (the order is reported as it was), a cancel works. The first whole book after a gap
      fills what it went through.

    Not modelled: our own impact (two orders may take the same visible level), queue position, margin, funding.

    Parameters
    ----------
    maker_fee_bps : float   of the notional, negative for a rebate
    taker_fee_bps : float   of the notional
    latency : str           us to the venue, a duration
    report_latency : str    the venue to us
    """

    maker_fee_bps: float = 2.0
    taker_fee_bps: float = 5.5
    latency: str = "50ms"
    report_latency: str = "50ms"

    def __post_init__(self) -> None:
        for name in ("maker_fee_bps", "taker_fee_bps"):
            if not math.isfinite(fee := getattr(self, name)) or abs(fee) > 1000:
                raise ValueError(f"{name}: {fee} bps is not a fee: it lies between -1000 and 1000")
        for name in ("latency", "report_latency"):
            try:
                duration_ns(getattr(self, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error

    def open(self, instrument: Instrument, *, seed: int) -> Gateway:
        """Open with an empty book, nothing held. The seed is not used: nothing here is random.

        Raises
        ------
        ConfigError
            For an inverse contract: fees and position are linear.
        """
        if instrument.contract not in ("spot", "linear"):
            raise ConfigError(
                f"{instrument.symbol} is an {instrument.contract} contract: venue sim is linear only",
                where="venue=sim",
                hint="Trade a spot market or a linear contract, e.g. BTC/USDT:USDT.",
            )
        # the kernels are compiled code: only who opens a venue pays for loading them
        from btcframe.venues.sim_gateway import SimGateway

        return SimGateway(
            instrument,
            latency_ns=duration_ns(self.latency),
            report_latency_ns=duration_ns(self.report_latency),
            maker_rate=self.maker_fee_bps / 1e4,
            taker_rate=self.taker_fee_bps / 1e4,
        )
