"""A session in one line of numbers: what sessions are compared by, at one venue or another, in backtest or in paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from btcframe.report.execution import MIDDLE_NS
from btcframe.report.markouts import markout_bps
from btcframe.report.trading import TradingMetrics, notionals, slippage_bps, summarize
from btcframe.types import Floats, Instrument, StateArray


class Measures(NamedTuple):
    """Definitions: docs/report.md. Money in the currency of the account; NaN where there is nothing to measure."""

    net: float
    gross: float
    fees: float
    funding: float
    max_drawdown: float
    exposure: float  # share of the traded rows at which a position was held
    orders: int  # sent
    fills: int
    fill_ratio: float  # by size
    maker_share: float  # of the traded notional
    turnover: float  # traded notional over cash at the start
    slippage: float  # bps, mean over fills, weighted by notional
    markout: float  # bps after `execution.MIDDLE_NS`, the same


def measured(tables: Mapping[str, StateArray], instrument: Instrument, cash: float) -> Measures:
    """A session's measures.

    Parameters
    ----------
    tables : mapping
    instrument : Instrument
    cash : float       at the start
    """
    return of_metrics(summarize(tables, instrument, cash), tables, instrument)


def of_metrics(metrics: TradingMetrics, tables: Mapping[str, StateArray], instrument: Instrument) -> Measures:
    """The measures of a session that is summarized already."""
    weights = notionals(tables["fills"], instrument)
    shared = {name: getattr(metrics, name) for name in Measures._fields if name in metrics._fields}
    return Measures(
        **shared
        | {
            "slippage": _mean(slippage_bps(tables, instrument), weights),  # in bps; a session's is money
            "markout": _mean(markout_bps(tables, instrument, MIDDLE_NS), weights),
        }
    )


def _mean(values: Floats, weights: Floats) -> float:
    known = np.isfinite(values)
    total = float(weights[known].sum())
    return float((values[known] * weights[known]).sum()) / total if total else float("nan")
