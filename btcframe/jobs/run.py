"""The main job: build, train, backtest, and what it all proves."""

from __future__ import annotations

from btcframe.jobs import backtest as backtest_job
from btcframe.jobs.backtest import BacktestResult
from btcframe.report.conclusion import conclusion
from btcframe.run import Run
from btcframe.types import Ints


def main(run: Run) -> BacktestResult:
    """Build, train and backtest in one go, and say plainly what the result is worth.

    Raises
    ------
    BtcframeError
        See the jobs it is made of.
    """
    result = backtest_job.main(run)
    market_ns, traded_ns = (_span_ns(result.tables[name]["row_ns"]) for name in ("equity", "predictions"))
    text = conclusion(market_ns, traded_ns, result.metrics.trades, result.metrics.net)
    run.manifest["results"]["conclusion"] = text
    run.say(text)
    return result


def _span_ns(row_ns: Ints) -> int:
    return int(row_ns[-1] - row_ns[0]) if len(row_ns) else 0
