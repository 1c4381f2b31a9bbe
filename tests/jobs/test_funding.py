"""A session over a settlement of funding: it pays, and its replay pays the same to the bit."""

from __future__ import annotations

from pathlib import Path

from btcframe.jobs import backtest, replay
from btcframe.plugins import discover
from btcframe.types import NS

from .small import make_run

HOURS_NS = 3600 * NS


def test_a_backtest_over_a_settlement(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, discover(),
        source={"plugin": "random_walk", "duration": "9h", "rate": 0.5},
        clock={"plugin": "time", "every": "10s"},
        label={"plugin": "forward_return", "horizons": ["1m"]},
        validation={"folds": 2, "embargo": "2m", "min_train": 200, "expanding": True},
        venue={"plugin": "sim", "receive_funding": True},
    )  # fmt: skip
    with run.recorded():
        result = backtest.main(run)
    assert (result.tables["funding"]["venue_ns"] % (8 * HOURS_NS) == 0).all()
    assert len(result.tables["funding"]) == 1 and result.tables["funding"]["amount"][0] != 0
    assert replay.replay(run, run.dir).fingerprint == result.fingerprint
