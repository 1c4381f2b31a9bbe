"""What we hold and what it cost: position, average price, cash, fees and orders that work.

Money is kept as a whole number of tick·lots (price in ticks times size in lots), so that nothing is lost to
rounding: cash and equity are computed from it when asked for.
"""

from __future__ import annotations

from btcframe.api import Account, Position, Working
from btcframe.errors import ConfigError
from btcframe.types import Instrument


class Ledger:
    """The account of a session in one instrument with linear pay-off (spot or linear contract).

    cash = start − Σ side·price·size − Σ fee; equity = cash + position·mid; realised = what closed fills earned,
    before fees. Cash is booked as if each fill were paid for in full, margin is not modelled.

    Parameters
    ----------
    instrument : Instrument
    cash : float      at the start, quote currency

    Raises
    ------
    ConfigError
        For an inverse contract: its pay-off is not linear in the price.
    """

    def __init__(self, instrument: Instrument, cash: float) -> None:
        if instrument.contract not in ("spot", "linear"):
            raise ConfigError(
                f"{instrument.symbol} is an {instrument.contract} contract: accounts are linear only",
                hint="Trade a spot market or a linear contract, e.g. BTC/USDT:USDT.",
            )
        self.instrument = instrument
        self.start_cash = cash
        self.unit = float(instrument.tick * instrument.lot)  # quote per tick·lot
        self._lot, self._per_lot = instrument.lot_ratio
        self.position_lots = 0
        self.average_ticks = 0.0  # of the open position
        self.fees = 0.0
        self.flow = 0  # Σ −side·ticks·lots, exact
        self.peak_equity = cash

    def fill(self, side: int, ticks: int, lots: int, fee: float) -> None:
        """Book one fill: `lots` at `ticks`, bought (+1) or sold (−1), fee in quote."""
        held, signed = self.position_lots, side * lots
        if held * side >= 0:
            self.average_ticks = (self.average_ticks * abs(held) + ticks * lots) / (abs(held) + lots)
        elif lots > abs(held):
            self.average_ticks = float(ticks)  # closed, and opened the other way
        elif lots == abs(held):
            self.average_ticks = 0.0
        self.position_lots = held + signed
        self.flow -= signed * ticks
        self.fees += fee

    @property
    def cash(self) -> float:
        """Quote currency: start, less what was paid, plus what was received, less fees."""
        return self.start_cash + self.flow * self.unit - self.fees

    @property
    def average_price(self) -> float:
        """Average entry price of the open position, quote; 0 when flat."""
        return self.average_ticks * float(self.instrument.tick)

    @property
    def realised(self) -> float:
        """Profit of what was closed, before fees, quote."""
        return (self.flow + self.position_lots * self.average_ticks) * self.unit

    def equity(self, mid: float) -> float:
        """Cash plus the position at `mid`, quote."""
        if not self.position_lots:
            return self.cash
        return self.cash + self.position_lots * self._lot / self._per_lot * mid

    def mark(self, mid: float) -> float:
        """Equity at `mid`, remembered for the peak."""
        equity = self.equity(mid)
        self.peak_equity = max(self.peak_equity, equity)
        return equity

    def view(self, working: tuple[Working, ...], mid: float) -> Account:
        """What policies and rules see."""
        position = Position(self.position_lots, self.average_price, working)
        equity = self.equity(mid)
        return Account(position, self.cash, equity, max(self.peak_equity, equity), self.fees)
