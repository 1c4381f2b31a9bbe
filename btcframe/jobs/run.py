"""The main job: build, train, backtest, and a report of what it all proves."""

from __future__ import annotations

from btcframe.jobs import backtest as backtest_job
from btcframe.jobs.backtest import BacktestResult
from btcframe.report.summary import summary
from btcframe.run import Run
from btcframe.sessions.reporting import report


def main(run: Run) -> BacktestResult:
    """Build, train and backtest in one go, write the report, and say plainly what the result is worth.

    Raises
    ------
    BtcframeError
        See the jobs it is made of.
    """
    result = backtest_job.main(run)
    reported = report(run.dir, run.manifest, run.catalog)
    run.manifest["results"]["report"] = {
        "verdict": reported.findings.verdict.plain(),
        "page": reported.page.name,
    }
    run.say(summary(reported.findings, reported.page))
    return result
