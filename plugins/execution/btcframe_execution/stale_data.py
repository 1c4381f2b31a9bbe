"""Risk rule `stale_data`: nothing is opened on old prices."""

from __future__ import annotations

from dataclasses import dataclass

from btcframe.api import Account, Intent, Market, Veto
from btcframe_execution.signal import check_duration, period_ns


@dataclass(frozen=True)
class StaleData:
    """Veto opening orders when the book has not been heard of for a while, or what is heard of it comes late.

    The age is that of the book at the end of the last row, and the time since; so it is at most a row too great. The
    latency is that of the row's last stamped message, our clock less the exchange's: a clock that is off counts.
    Orders that only reduce pass always.

    Parameters
    ----------
    max_age : str        duration
    max_latency : str    duration, "" for any
    """

    max_age: str = "5s"
    max_latency: str = ""

    def __post_init__(self) -> None:
        check_duration("max_age", self.max_age)
        if self.max_latency:
            check_duration("max_latency", self.max_latency)

    def check(self, intent: Intent, account: Account, market: Market) -> Intent | Veto:
        """The intent or a Veto `stale_data`."""
        if account.position.reduces(intent):
            return intent
        age_ns = market.age_ns + market.now_ns - int(market.row["row_ns"])
        if age_ns > period_ns(self.max_age):
            return Veto("stale_data", f"the book is {age_ns / 1e9:.1f} s old, limit {self.max_age}")
        latency_ns = int(market.row["latency_ns"])
        if self.max_latency and latency_ns > period_ns(self.max_latency):
            return Veto(
                "stale_data", f"messages come {latency_ns / 1e6:.0f} ms late, limit {self.max_latency}"
            )
        return intent
