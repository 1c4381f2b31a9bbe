"""What we hold and what it cost: position, average price, cash, fees and orders that work.

Money is kept as a whole number of tick·lots (price in ticks times size in lots), so that nothing is lost to
rounding: cash and equity are computed from it when asked for. An inverse contract is paid for in 1/ticks, and there it
is a float.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from btcframe.api import Account, Position, TraderState, Working
from btcframe.types import DAY, Instrument

_SAVED = (
    "position_lots",
    "average_ticks",
    "fees",
    "funding",
    "flow",
    "start_cash",
    "peak_equity",
    "day",
    "day_equity",
)


class Ledger:
    """The account of a session in one instrument, in the coin it settles in.

    Spot and linear contracts, in quote: cash = start − Σ side·price·size − Σ fee − Σ funding; equity = cash +
    position·mid. Inverse contracts, in base coin, sizes in contracts of a unit of quote: cash = start +
    Σ side·size/price − Σ fee − Σ funding; equity = cash − position/mid, so that a long position gains
    size·(1/entry − 1/mid). Realised is what closed fills earned, before fees. Cash is booked as if each fill were
    paid for in full, margin is not modelled.

    Parameters
    ----------
    instrument : Instrument
    cash : float      at the start, settle coin
    """

    def __init__(self, instrument: Instrument, cash: float) -> None:
        self.instrument = instrument
        self.start_cash = cash
        self.inverse = instrument.contract == "inverse"
        lot, tick = instrument.lot, instrument.tick
        self.unit = float(lot / tick if self.inverse else lot * tick)  # settle coin per lot/tick, or tick·lot
        self._lot, self._per_lot = instrument.lot_ratio
        self._tick = float(instrument.tick)
        self.position_lots = 0
        self.average_ticks = 0.0  # of the open position
        self.fees = 0.0
        self.funding = 0.0  # paid so far, negative where more was received
        self.flow: float = 0  # Σ −side·lots·ticks, exact; inverse: Σ side·lots/ticks
        self.peak_equity = cash
        self.day, self.day_equity = -1, math.nan  # UTC day of the last mark, and what the first one of it was

    def fill(self, side: int, ticks: int, lots: int, fee: float) -> None:
        """Book one fill: `lots` at `ticks`, bought (+1) or sold (−1), fee in settle coin."""
        held, signed = self.position_lots, side * lots
        if held * side >= 0:
            self.average_ticks = self._average(abs(held), ticks, lots)
        elif lots > abs(held):
            self.average_ticks = float(ticks)  # closed, and opened the other way
        elif lots == abs(held):
            self.average_ticks = 0.0
        self.position_lots = held + signed
        self.flow += signed / ticks if self.inverse else -signed * ticks
        self.fees += fee

    def _average(self, held: int, ticks: int, lots: int) -> float:
        """Price, in ticks, at which what is held and what is added together would have cost the same."""
        if not held:
            return float(ticks)
        if self.inverse:
            return (held + lots) / (held / self.average_ticks + lots / ticks)
        return (self.average_ticks * held + ticks * lots) / (held + lots)

    def pay(self, amount: float) -> None:
        """Book funding, settle coin, positive is paid."""
        self.funding += amount

    @property
    def cash(self) -> float:
        """Settle coin: start, less what was paid, plus what was received, less fees and funding."""
        return self.start_cash + self.flow * self.unit - self.fees - self.funding

    @property
    def average_price(self) -> float:
        """Average entry price of the open position, quote; 0 when flat."""
        return self.average_ticks * self._tick

    @property
    def realised(self) -> float:
        """Profit of what was closed, before fees, settle coin."""
        if self.inverse:
            held = self.position_lots / self.average_ticks if self.position_lots else 0.0
            return (self.flow - held) * self.unit
        return (self.flow + self.position_lots * self.average_ticks) * self.unit

    def equity(self, mid: float) -> float:
        """Cash plus the position at `mid`, settle coin."""
        if not self.position_lots:
            return self.cash
        size = self.position_lots * self._lot / self._per_lot
        return self.cash - size / mid if self.inverse else self.cash + size * mid

    def mark(self, mid: float, ns: int) -> float:
        """Equity at `mid`, remembered for the peak and, at the first mark of a UTC day, for that day's start."""
        equity = self.equity(mid)
        self.peak_equity = max(self.peak_equity, equity)
        if ns // DAY != self.day and equity == equity:
            self.day, self.day_equity = ns // DAY, equity
        return equity

    def start_anew(self, mid: float) -> None:
        """Measure the peak and the day from here on."""
        equity = self.equity(mid)
        if equity == equity:
            self.peak_equity = self.day_equity = equity

    def view(
        self,
        position: Position,
        mid: float,
        state: TraderState = TraderState.ACTIVE,
        sent: tuple[int, int] = (0, 0),
    ) -> Account:
        """What rules see; `sent`: orders within the last second and minute."""
        equity = self.equity(mid)
        peak = max(self.peak_equity, equity)
        return Account(position, self.cash, equity, peak, self.fees, self.day_equity, state, *sent)

    def position(self, working: tuple[Working, ...], last: Working | None = None) -> Position:
        """What policies see."""
        return Position(self.position_lots, self.average_price, working, last)

    def save(self) -> dict[str, Any]:
        """What `restore` needs, as plain values; NaN as None."""
        values = {name: getattr(self, name) for name in _SAVED}
        return {name: None if value != value else value for name, value in values.items()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on with what `save` gave. Raises KeyError where something is missing."""
        for name in _SAVED:
            setattr(self, name, math.nan if saved[name] is None else saved[name])
