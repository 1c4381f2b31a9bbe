"""The checkup of recorded sessions: promises kept, and every missing value accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobs.small import make_run

from btcframe.checkup import judge
from btcframe.jobs import build as build_job
from btcframe.plugins import discover

FAMILIES = (
    "book", "returns", "volatility", "moments", "calendar", "trades", "impact", "toxicity", "flow", "pressure",
    "shape", "urgency",
)  # fmt: skip


@pytest.mark.shared
def test_a_session_of_eight_minutes(market_data: Path, tmp_path: Path) -> None:
    paths = [str(market_data / "raw-binance" / f"usdm_btcusdt_2024071{day}.gz") for day in (8, 9)]
    run = make_run(
        tmp_path,
        discover(),
        source={"plugin": "binance_raw", "paths": paths},
        clock={"plugin": "time", "every": "100ms"},
        features={name: {"plugin": name} for name in FAMILIES},
    )
    found = judge.of_build(build_job.build(run).manifest)
    assert found is not None and found.rows == 4795 and len(found.columns) == 91
    for c in found.columns:
        assert sum(c.causes.values()) == found.rows - c.known, c.name
        assert "formula" not in c.causes and "absent" not in c.causes, c.name
    told = judge.remarks(found)
    assert {r.kind for r in told} <= {
        "missing",
        "moved",
        "constant",
    }  # nothing infinite, wild, or not as declared
    lacking = {r.column: r.why for r in told if r.kind == "missing"}
    assert lacking.keys() == {"ema_gap_slow", "vpin_50"}
    assert lacking["ema_gap_slow"] == "its warm-up takes 599 of the 4,795 rows"
    assert "it still waits for 50 full buckets (1,122 base coin traded in all)" in lacking["vpin_50"]
