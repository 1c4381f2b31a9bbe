"""A session at the local exchange through every fault of its private side: it ends whole, replays, and no order is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from killed_sessions import Killing
from live_sessions import SETTINGS, catalog, place

from btcframe.jobs import replay as replay_job
from btcframe.run import Run
from btcframe.sessions.session import TABLES
from btcframe.trading.audit import load_tables
from btcframe.types import OrderState

from jobs.small import make_run  # isort: skip

pytestmark = pytest.mark.drill

FAULTS = (
    "request_lost*3:create", "reply_lost*3:create", "reply_lost*3:amend", "reply_lost*3:cancel", "accepted_twice*3:create",
    "error_10000*3:create", "error_10016*3:create", "error_170007*3:create", "error_170146*3:create",
    "error_10016_before*3:create", "error_10016*3:cancel", "reject*3", "partial_cancel*3", "fill_in_cancel*3",
    "reply_slow*1500+5s", "stream_down+10s", "stream_silent+10s", "ban+10s", "skew*3000+10s", "skew*-3000+10s",
    "drop", "half_open+5s", "outage+60s", "too_many+5s", "forbidden+5s",
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_and_nothing_is_there_twice(fault: str, tmp_path: Path) -> None:
    away = 60.0 if "60s" in fault else 10.0
    with place(tmp_path, catalog()) as here:
        there, done = Killing(here), list[str]()

        def meddle(run: Run, at: float) -> None:
            if not done and at > 2.0:
                here.inject(fault)
                done.append(fault)

        run = here.session(
            away + 8.0, meddle, venue=there.venue_node(), source={"endpoint": "local"}, policy={"plugin": "restless"},
            **SETTINGS,
        )  # fmt: skip
        here.until_up()
        held, _ = there.recovered()
    tables = load_tables(run.dir / TABLES)
    told = json.loads((run.dir / "manifest.json").read_text())["results"]["trade"]
    assert done and held == int(tables["equity"]["position_lots"][-1]), told["cause"]
    ends = {
        int(order): OrderState(state) for order, state in tables["orders"][["order_id", "state"]].tolist()
    }
    left = [order for order, state in ends.items() if not state.final]
    assert not left or told["state"] != "active"
    print(
        f"{fault:<28} {len(ends):>4} orders, {len(left)} without an end; {told['state']}: {told['cause'] or 'nothing'}; {told['counters']['venue']}"
    )
    again = make_run(tmp_path, run.catalog, "again", verb="replay", session=str(run.dir))
    assert replay_job.main(again).intents == len(tables["intents"])
