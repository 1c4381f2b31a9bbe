"""How it stands: the installation, the machine, the store, the exchange, the account; and what to do about it."""

from btcframe.doctor.examination import checks_for_trading, examined
from btcframe.doctor.finding import Finding, Level, failed

__all__ = ["Finding", "Level", "checks_for_trading", "examined", "failed"]
