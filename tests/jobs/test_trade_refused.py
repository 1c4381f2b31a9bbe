"""Sessions that `btcframe trade` does not begin, or ends at once, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_sessions import SETTINGS, Place, catalog, place

from btcframe.doctor import Finding, Level
from btcframe.errors import ConfigError, DataError, ModelError
from btcframe.jobs import trade
from btcframe.jobs import train as train_job
from btcframe.plugins import Catalog
from btcframe.run import Run
from btcframe.sections import Lane, Record, Trade
from btcframe.sessions.session import ACCOUNT
from btcframe.settings import check_settings

from jobs.small import make_run  # isort: skip


@pytest.fixture(scope="module")
def found() -> Catalog:
    return catalog()


@pytest.fixture
def here(tmp_path: Path, found: Catalog) -> Iterator[Place]:
    with place(tmp_path, found) as at:
        yield at


def bad(folder: Path, found: Catalog, name: str = "run", **changes: Any) -> Run:
    source = {"plugin": "random_walk", "duration": "10s"}
    config = {"verb": "trade", "source": source, "trade": vars(Trade()), "lane": vars(Lane())}
    return make_run(folder, found, name, **config | changes)


def start(run: Run) -> None:
    with run.recorded():
        trade.main(run)


def test_a_venue_that_neither_simulates_nor_connects(tmp_path: Path, found: Catalog) -> None:
    with pytest.raises(
        ConfigError, match=r"(?s)venue elsewhere cannot be traded on: it neither.*has connect.*venue=sim"
    ):
        start(bad(tmp_path, found, venue={"plugin": "elsewhere"}))


def test_a_real_venue_on_a_market_that_has_happened(tmp_path: Path, found: Catalog) -> None:
    with pytest.raises(ConfigError, match="venue real needs a live market: what source random_walk gives"):
        start(bad(tmp_path, found, venue={"plugin": "real"}))


def real(folder: Path, found: Catalog, **changes: Any) -> Run:
    """Real money on the market of the main net."""
    return bad(
        folder, found, **{"source": {"plugin": "bybit"}, "venue": {"plugin": "real", "real": True}} | changes
    )


def test_a_market_of_one_endpoint_and_orders_to_another(tmp_path: Path, found: Catalog) -> None:
    """But a demo account trades on the market of the main net."""
    venue = {"plugin": "real", "endpoint": "testnet"}
    with pytest.raises(
        ConfigError, match=r"(?s)of mainnet, and the orders would go to testnet.*source.endpoint=testnet"
    ):
        start(real(tmp_path, found, venue=venue))
    trade.check_venue(
        run := real(tmp_path, found, name="demo", venue=venue | {"endpoint": "demo"}), run.component("source")
    )


def test_real_money_is_confirmed_and_traded_on_the_model_in_production(
    tmp_path: Path, found: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"(?s)nobody has confirmed that.*trade.confirm_live=true"):
        start(real(tmp_path, found))
    confirmed = {"trade": vars(Trade(confirm_live=True))}
    for n, trained in enumerate(("", "staging", "runs/x")):
        with pytest.raises(ConfigError, match=rf"production, not on {trained or 'no model'}"):
            start(real(tmp_path, found, name=f"run{n}", trained=trained, **confirmed))
    looked = list[str]()

    def checks(config: Any, catalog: Catalog) -> tuple[Finding, ...]:
        looked.append(config["venue"]["plugin"])
        return (Finding("disk", Level.OK, "9 GB"), Finding("clock", Level.WARN, "it is late"))

    monkeypatch.setattr(trade, "checks_for_trading", checks)
    run = real(tmp_path, found, name="meant", trained="production", **confirmed)
    trade.check_venue(run, run.component("source"))
    assert looked == ["real"]
    assert run.console.lines == ["doctor: clock: it is late"]  # type: ignore[attr-defined]


def test_how_long_is_not_recorded_but_traded(tmp_path: Path, found: Catalog) -> None:
    record = vars(Record()) | {"duration": "5m"}
    with pytest.raises(
        ConfigError, match=r"(?s)record.duration=5m is how long.*btcframe trade trade.duration=5m"
    ):
        start(bad(tmp_path, found, record=record))


def test_a_source_without_a_book(tmp_path: Path, found: Catalog) -> None:
    with pytest.raises(ConfigError, match="trading needs one"):
        start(bad(tmp_path, found, source={"plugin": "klines", "paths": ["x.csv"], "symbol": "BTC/USDT"}))


def test_a_model_of_another_config(tmp_path: Path, found: Catalog) -> None:
    trained = make_run(tmp_path, found, "trained", verb="train")
    with trained.recorded():
        train_job.main(trained)
    with pytest.raises(ModelError, match=r"label.horizons was \[5s,15s\] and is \[7s\]"):
        start(
            bad(
                tmp_path,
                found,
                trained=str(trained.dir),
                label={"plugin": "forward_return", "horizons": ["7s"]},
            )
        )


def test_a_run_without_models(tmp_path: Path, found: Catalog) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is not a run: it has no manifest"):
        start(bad(tmp_path, found, trained=str(tmp_path / "empty")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "is of None, the source is of"),
        ('{"symbol": "ETH/USDT"}', "is of ETH/USDT, the source is of BTC/USDT"),
        ('{"symbol": "BTC/USDT:USDT", "ledger": {"position_lots": 0}}', "the saved account cannot be used"),
    ],
)
def test_an_account_that_is_damaged_or_of_another_market(
    tmp_path: Path, found: Catalog, text: str, message: str
) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / ACCOUNT).write_text(text)
    with pytest.raises(DataError, match=message):
        start(bad(tmp_path, found, warm_start=str(tmp_path / "before")))


def test_a_socket_that_is_never_there(here: Place) -> None:
    with pytest.raises(DataError, match=r"the market was never reached: \d+ attempts? to connect failed"):
        here.session(0.5, source={"ws": "ws://127.0.0.1:1"}, **SETTINGS)


def test_a_market_in_which_no_row_closes(tmp_path: Path, found: Catalog) -> None:
    source = {"plugin": "random_walk", "duration": "1s", "rate": 2.0}
    with pytest.raises(DataError, match="no row was closed"):
        start(bad(tmp_path, found, source=source, clock={"plugin": "time", "every": "10s"}))


@pytest.mark.parametrize(
    ("section", "setting", "message"),
    [
        ("trade", {"duration": "soon"}, "trade.duration: 'soon' is not a duration"),
        ("trade", {"lag": "0s"}, "trade.lag: 0s is no time at all"),
        ("trade", {"stall": "x"}, "trade.stall: 'x' is not a duration"),
        ("trade", {"follow": "often"}, "trade.follow: 'often' is not a duration"),
        ("lane", {"soonest": "2s"}, "lane.soonest: 2s is later than lane.latest, 1s"),
        ("lane", {"memory": 1000}, "lane.memory: 1,000 bytes are too little"),
        ("lane", {"least": 0}, "lane.least: 0 is not a number of items"),
        ("lane", {"most": 10}, "lane.least: 256 is not a number of items from 1 to lane.most, 10"),
    ],
)
def test_settings_that_make_no_sense(
    tmp_path: Path, found: Catalog, section: str, setting: dict[str, Any], message: str
) -> None:
    run = bad(tmp_path, found)
    with pytest.raises(ConfigError, match=message):
        check_settings({**run.config, section: run.config[section] | setting})
