"""What a session would have come to at other venues, held to sessions that were traded there."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from jobs.small import make_run
from session_tables import equity

from btcframe.errors import ConfigError, DataError
from btcframe.jobs import backtest as backtest_job
from btcframe.jobs import train as train_job
from btcframe.plugins import Catalog, discover
from btcframe.report.measures import Measures, measured
from btcframe.report.varied import Variation
from btcframe.run import Quiet, Run
from btcframe.session_log import SessionWriter
from btcframe.sessions import sensitivity
from btcframe.sessions.reporting import vary_again
from btcframe.sessions.sensitivity import SENSITIVITY, load_varied, variations, vary
from btcframe.sessions.session import RESTORE, SESSION, starting
from btcframe.types import Instrument
from btcframe.venues.sim import Sim


class Line(Enum):
    """Another author's models of a queue."""

    fair = 0
    through = 1


@dataclass(frozen=True)
class Theirs:
    """A third party's venue: some settings are ours by name and type, some only look like them."""

    latency: str = "3ms"
    taker_fee_bps: float = 1.0
    maker_fee_bps: str = "free"
    queue: Line = Line.fair


def test_what_is_varied() -> None:
    told = {v.name: dict(v.settings) for v in variations(Sim(latency="40ms", report_latency="25ms"))}
    assert told["half the latency"] == {"latency": "20ms", "report_latency": "12500us"}
    assert told["no latency"] == {"latency": "0s", "report_latency": "0s"}
    assert told["twice the fees"] == {"maker_fee_bps": 4.0, "taker_fee_bps": 11.0}
    assert told["what touches an order fills it"] == {"bounded": False}
    assert "queue through" in told and "queue trades" not in told  # that is how it is set
    for settings in told.values():
        Sim(**settings)


def test_a_rebate_does_not_grow_with_the_fees() -> None:
    told = {v.name: dict(v.settings) for v in variations(Sim(maker_fee_bps=-1.0))}
    assert told["twice the fees"] == {"maker_fee_bps": -1.0, "taker_fee_bps": 11.0}
    assert told["half the fees"]["maker_fee_bps"] == -0.5
    assert math.copysign(1, told["no fees"]["maker_fee_bps"]) == 1


def test_what_is_nothing_is_not_multiplied() -> None:
    free = Sim(
        latency="0s", report_latency="0s", maker_fee_bps=0.0, taker_fee_bps=0.0, impact=False, bounded=False
    )
    assert {v.group for v in variations(free)} == {"queue"}


def test_a_third_partys_venue_is_varied_where_it_can_be() -> None:
    told = [(v.name, dict(v.settings)) for v in variations(Theirs())]
    assert ("twice the latency", {"latency": "6ms"}) in told
    assert ("no fees", {"taker_fee_bps": 0.0}) in told
    assert told[-1] == ("queue through", {"queue": Line.through})


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("varied")


@pytest.fixture(scope="module")
def traded(home: Path, catalog: Catalog) -> Run:
    """A backtest of a training."""
    training = make_run(home, catalog, "training", verb="train")
    with training.recorded():
        train_job.main(training)
    run = make_run(home, catalog, "session", trained=str(training.dir))
    with run.recorded():
        backtest_job.main(run)
    return run


def at(run: Run, catalog: Catalog, home: Path, name: str, **venue: object) -> Measures:
    """The measures of a backtest at another venue, traded from the start."""
    other = make_run(home, catalog, name, trained=run.config["trained"], venue={"plugin": "sim", **venue})
    with other.recorded():
        found = backtest_job.main(other)
    instrument: Instrument = other.component("source").open(seed=7).instrument
    return measured(found.tables, instrument, 50_000.0)


def test_a_variation_is_a_session_at_that_venue(
    traded: Run, catalog: Catalog, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [
        Variation("latency", "slow", {"latency": "400ms", "report_latency": "400ms"}),
        Variation("fees", "as it was", {}),
    ]
    monkeypatch.setattr(sensitivity, "variations", lambda venue: chosen)
    tables = {path: path.read_bytes() for path in (traded.dir / "tables").iterdir()}
    slow, same = vary(traded)
    assert slow.measures == at(traded, catalog, home, "slow", latency="400ms", report_latency="400ms")
    assert same.measures == at(traded, catalog, home, "same") != slow.measures
    assert {
        path: path.read_bytes() for path in (traded.dir / "tables").iterdir()
    } == tables  # nothing was touched
    kept = load_varied(traded.dir)
    assert kept is not None and [v.measures for v in kept] == [slow.measures, same.measures]
    assert [v.variation.name for v in kept] == ["slow", "as it was"]
    said = traded.console.lines  # type: ignore[attr-defined]
    assert any("2 other venues, which takes as long as 2 replays" in line for line in said)


def test_what_was_never_varied_and_what_is_damaged(tmp_path: Path) -> None:
    assert load_varied(tmp_path) is None
    for text in (
        "{",
        "[1]",
        '[{"group": "x"}]',
        '[{"group": "x", "name": "y", "settings": {}, "measures": {"no": 1}}]',
    ):
        (tmp_path / SENSITIVITY).write_text(text)
        with pytest.raises(DataError, match=r"(?s)variations of the session cannot be read.*--sensitivity"):
            load_varied(tmp_path)


def test_a_venue_without_anything_to_vary(traded: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensitivity, "variations", lambda venue: [])
    with pytest.raises(ConfigError, match="venue sim has no latency, fees or queue to vary"):
        vary(traded)


def test_only_what_traded_can_be_varied(traded: Run, catalog: Catalog) -> None:
    with pytest.raises(DataError, match="there is no session to play at other venues"):
        vary_again(Path(traded.config["trained"]), catalog, Quiet())


def test_a_backtest_varies_when_it_is_told_to(
    traded: Run, catalog: Catalog, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sensitivity, "variations", lambda venue: [Variation("fees", "none", {"taker_fee_bps": 0.0})]
    )
    run = make_run(
        home, catalog, "told", trained=traded.config["trained"],
        backtest={"cash": 50_000.0, "flatten": False, "sensitivity": True},
    )  # fmt: skip
    with run.recorded():
        found = backtest_job.main(run)
    [varied] = json.loads((run.dir / SENSITIVITY).read_text())
    assert varied["measures"]["fees"] < found.metrics.fees and varied["settings"] == {"taker_fee_bps": 0.0}


def test_what_a_session_that_went_on_began_with(traded: Run, tmp_path: Path) -> None:
    """Its account at the first row, where it restored one; else its cash."""
    config = {"backtest": {"cash": 50_000.0}}
    tables = {"equity": np.concatenate([equity(0, value=51_234.5), equity(1, value=1.0)])}
    for name, restored, expected in (("fresh", False, 50_000.0), ("on", True, 51_234.5)):
        (tmp_path / name).mkdir()
        with SessionWriter(tmp_path / name / SESSION, {"source": {}}) as log:
            if restored:
                log.command(0, RESTORE, ledger={"position_lots": 3})
        assert starting(tmp_path / name, config, tables) == expected
    assert starting(tmp_path / "on", config, {"equity": tables["equity"][:0]}) == 50_000.0
