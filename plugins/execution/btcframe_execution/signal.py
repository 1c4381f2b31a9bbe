"""What the prediction says for one horizon: shared by the policies and rules that look at it."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from btcframe.api import Market
from btcframe.errors import ConfigError, did_you_mean
from btcframe.types import Instrument, duration_name, duration_ns


class Signal(NamedTuple):
    """A prediction at one horizon."""

    model: int  # PREDICTION.model, -1 where there is no model
    mean: float  # expected return, bps, NaN where there is none
    p_up: float  # NaN where there is none


NO_MODEL = Signal(-1, math.nan, math.nan)

_horizon_ns = itemgetter(1)


def signal(market: Market, horizon: str) -> Signal:
    """The prediction at `horizon`, "" for the longest.

    Raises
    ------
    ConfigError
        If the models do not predict that horizon.
    """
    predictions = market.prediction.tolist()
    if not predictions:
        return NO_MODEL
    if not horizon:
        _, _, mean, p_up, _, _, model, _ = max(predictions, key=_horizon_ns)
        return Signal(model, mean, p_up)
    wanted = period_ns(horizon)
    for _, horizon_ns, mean, p_up, _, _, model, _ in predictions:
        if horizon_ns == wanted:
            return Signal(model, mean, p_up)
    names = [duration_name(horizon_ns) for _, horizon_ns, *_ in predictions]
    raise ConfigError(f"horizon: there is no prediction over {horizon}", hint=did_you_mean(horizon, names))


def spread_bps(market: Market) -> float:
    """Best ask less best bid, bps of the mid; the market must be usable."""
    bid, ask = market.bid_ticks.item(0), market.ask_ticks.item(0)
    return 2e4 * (ask - bid) / (ask + bid)


def whole_lots(instrument: Instrument, size: float) -> int:
    """Lots of a size in base coin, rounded down; the decimal that is written counts, not its nearest float."""
    return _whole(size, instrument.lot)


def wanted_lots(instrument: Instrument, size: float) -> int:
    """Lots of the position that a policy is set to take.

    Raises
    ------
    ConfigError
        If it is less than a lot: nothing would ever be traded.
    """
    lots = whole_lots(instrument, size)
    if not lots and size:
        raise ConfigError(
            f"size: {size:g} is less than a lot of {instrument.symbol}",
            hint=f"Its lots are of {instrument.lot}.",
        )
    return lots


@lru_cache(64)  # text to number and back, the same few settings at every decision
def _whole(size: float, lot: Decimal) -> int:
    return int(Decimal(repr(size)) // lot)


period_ns = lru_cache(64)(duration_ns)
"""Nanoseconds of a duration in the settings, read once."""


def entry_side(now: Signal, threshold_bps: float) -> int:
    """The side to open: the sign of the prediction where it reaches the threshold, 0 otherwise and for NaN."""
    if not abs(now.mean) >= threshold_bps:
        return 0
    return int(now.mean > 0) - int(now.mean < 0)


def exit_reason(position_lots: int, now: Signal) -> str:
    """Why a position is to be closed, "" where it is kept.

    It is kept until the prediction changes sign. A row without prediction changes nothing, but without a model
    there will be no such sign any more.
    """
    if not position_lots:
        return ""
    if now.model < 0:
        return "no model"
    return "signal flipped" if position_lots * now.mean < 0 else ""


def check_horizon(horizon: str) -> None:
    """Raise ValueError unless it is a duration or ""."""
    if horizon:
        check_duration("horizon", horizon)


def check_duration(name: str, text: str) -> None:
    """Raise ValueError, naming the setting, unless it is a duration."""
    try:
        duration_ns(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


LARGEST = 1e9
"""The largest size, base coin: in lots it still fits an order."""


def check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ValueError unless low <= value <= high and value is finite."""
    if not (math.isfinite(value) and low <= value <= high):
        upper = f" and at most {high:g}" if math.isfinite(high) else ""
        raise ValueError(f"{name}: {value} must be at least {low:g}{upper}")


def check_fee(name: str, value: float) -> None:
    """Raise ValueError unless it is a fee or a rebate in bps."""
    check_range(name, value, -1000.0, 1000.0)
