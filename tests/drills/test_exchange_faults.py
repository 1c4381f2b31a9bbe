"""A session at the local exchange through every fault of its private side: it ends whole, replays, and no order is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from killed_sessions import Killing, local_money
from live_sessions import SETTINGS, SPEED, catalog, place

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
    "reply_slow*1500+10s", "stream_down+10s", "stream_silent+10s", "ban+10s", "skew*3000+10s", "skew*-3000+10s",
    "skew*3000", "drop", "half_open+5s", "outage+60s", "too_many+5s", "forbidden+5s",
    "denied*10003+20s", "denied*10005+20s", "denied*33004+20s", "denied*10006+20s",
    "outage+200s", "ban+190s", "denied*10006+190s",
)  # fmt: skip
"""How long a fault lasts is said in seconds of our clock; the exchange, whose market is quicker, has its own."""


def lasting(fault: str) -> float:
    """Seconds that a fault lasts."""
    found = re.search(r"\+(\d+)s", fault)
    return float(found[1]) if found else 0.0


def quicker(fault: str) -> str:
    """A fault as the exchange is told of it: in market time."""
    return re.sub(r"\+\d+s", f"+{round(lasting(fault) * SPEED)}s", fault)


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_and_nothing_is_there_twice(fault: str, tmp_path: Path) -> None:
    with place(tmp_path, catalog()) as here:
        there, done = Killing(here), list[str]()

        def meddle(run: Run, at: float) -> None:
            if not done and at > 2.0:
                here.inject(quicker(fault))
                done.append(fault)

        run = here.session(
            lasting(fault) + 16.0, meddle, venue=there.venue_node(), source={"endpoint": "local"},
            policy={"plugin": "restless"}, **SETTINGS,
        )  # fmt: skip
        here.until_up()
        held, _ = there.recovered()
        cash = there.cash
    tables = load_tables(run.dir / TABLES)
    told = json.loads((run.dir / "manifest.json").read_text())["results"]["trade"]
    assert done and held == int(tables["equity"]["position_lots"][-1]), told["cause"]
    assert cash == pytest.approx(local_money(run.dir), abs=1e-4)
    ends = {
        int(order): OrderState(state) for order, state in tables["orders"][["order_id", "state"]].tolist()
    }
    left = [order for order, state in ends.items() if not state.final]
    assert not left or told["state"] != "active"
    keys = fault.startswith("denied") and "10006" not in fault
    assert told["cause"].startswith("keys") if keys else told["state"] == "active", told["cause"]
    [exchange] = [line for line in here.said(run).splitlines() if line.startswith("Exchange: ")]
    print(
        f"{fault:<28} {len(left)} without an end; {told['state']}: {told['cause'] or 'nothing'}; {exchange}"
    )
    again = make_run(tmp_path, run.catalog, "again", verb="replay", session=str(run.dir))
    assert replay_job.main(again).intents == len(tables["intents"])
