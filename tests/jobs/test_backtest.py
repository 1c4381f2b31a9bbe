"""The backtest trades out-of-sample predictions only, leaves a whole session behind, and replays to the bit."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.errors import ConfigError, DataError, ModelError, ReplayError
from btcframe.jobs import backtest, replay, train
from btcframe.learning.training import TrainResult
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.session_log import SessionLog, SessionWriter
from btcframe.sessions.session import SESSION, TABLES
from btcframe.sources.random_walk import RandomWalk
from btcframe.trading.audit import fingerprint, load_tables

from .small import make_run


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def trained(home: Path, catalog: Catalog) -> tuple[Run, TrainResult]:
    run = make_run(home, catalog, "train")
    with run.recorded():
        return run, train.main(run)


@pytest.fixture(scope="module")
def session(home: Path, catalog: Catalog, trained: tuple[Run, TrainResult]) -> tuple[Run, Any]:
    """A finished backtest."""
    run = make_run(home, catalog, "session", trained=str(trained[0].dir))
    with run.recorded():
        return run, backtest.main(run)


def test_the_predictions_traded_are_the_out_of_sample_ones(
    trained: tuple[Run, TrainResult], session: tuple[Run, Any]
) -> None:
    validation, traded = trained[1].predictions.ravel(), session[1].tables["predictions"]
    assert len(traded) > 500
    assert traded.tobytes() == validation.tobytes()
    windows = [(f.test_start_ns, f.test_end_ns) for f in trained[1].folds]
    asked = session[1].tables["intents"]
    opening = asked[(asked["reduce_only"] == 0) & (asked["action"] == 1)]
    assert len(opening) > 20
    for intent in opening:
        since, until = windows[intent["model"]]
        assert since <= intent["row_ns"] < until


def test_no_model_is_used_beyond_its_window(
    home: Path, catalog: Catalog, trained: tuple[Run, TrainResult]
) -> None:
    longer = make_run(
        home, catalog, "longer", trained=str(trained[0].dir),
        source={"plugin": "random_walk", "duration": "25m"},
    )  # fmt: skip
    predictions = backtest.main(longer).tables["predictions"]
    assert predictions["row_ns"].max() == trained[1].row_ns[-1]


def test_the_session_lies_in_the_run_directory(session: tuple[Run, Any]) -> None:
    run, result = session
    assert fingerprint(load_tables(run.dir / TABLES)) == result.fingerprint
    log = SessionLog(run.dir / SESSION)
    kinds = [type(item).__name__ for item in log]
    assert log.complete
    assert {"EventsItem", "CommandItem", "OrdersItem", "FillsItem"} == set(kinds)
    told = json.loads((run.dir / "manifest.json").read_text())["results"]["backtest"]
    assert told["fingerprint"] == result.fingerprint
    assert len(set(told["models"])) == 3  # which models were traded, by their digests
    assert {"symbol", "tick", "lot", "contract", "source", "seed"} <= log.header.keys()
    assert told["fills"] == result.metrics.fills == len(result.tables["fills"]) > 20
    assert told["net"] == result.metrics.net
    assert any("Net" in line for line in run.console.lines)  # type: ignore[attr-defined]


def test_the_same_config_gives_the_same_bits(home: Path, catalog: Catalog, session: tuple[Run, Any]) -> None:
    again = backtest.main(make_run(home, catalog, "again", trained=session[0].config["trained"]))
    assert again.fingerprint == session[1].fingerprint
    assert again.tables["equity"].tobytes() == session[1].tables["equity"].tobytes()


def test_without_models_it_trains_first(home: Path, catalog: Catalog, session: tuple[Run, Any]) -> None:
    run = make_run(home, catalog, "both")
    assert backtest.main(run).fingerprint == session[1].fingerprint
    commands = [item.data["model"] for item in SessionLog(run.dir / SESSION) if hasattr(item, "name")]
    assert commands == ["models/fold-0", "models/fold-1", "models/fold-2"]


def test_a_replay_gives_the_same_bits(home: Path, catalog: Catalog, session: tuple[Run, Any]) -> None:
    run = make_run(
        home, catalog, "replay", session=str(session[0].dir), seed=99, policy={"plugin": "passive"}
    )
    result = replay.main(run)  # seed and policy are the session's, not the replaying run's
    assert result.fingerprint == session[1].fingerprint
    assert result.fills == session[1].metrics.fills


@pytest.mark.parametrize("table", ["intents", "fills"])
def test_a_replay_names_the_first_difference(
    home: Path, catalog: Catalog, session: tuple[Run, Any], table: str, tmp_path: Path
) -> None:
    for name in ("manifest.json", SESSION):
        (tmp_path / name).write_bytes((session[0].dir / name).read_bytes())
    shutil.copytree(session[0].dir / TABLES, tmp_path / TABLES)
    changed = np.load(tmp_path / TABLES / f"{table}.npy", mmap_mode="r+")
    at = len(changed) // 2
    true = int(changed["ticks"][at])
    changed["ticks"][at] += 1
    with pytest.raises(ReplayError) as error:
        replay.replay(session[0], tmp_path)
    assert f"differs: {table}[{at}] differs, " in str(error.value)
    assert f"  ticks  {true + 1} recorded, {true} replayed" in str(error.value)


def test_a_cut_session_log_is_not_taken_for_whole(
    home: Path, catalog: Catalog, session: tuple[Run, Any], tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_bytes((session[0].dir / "manifest.json").read_bytes())
    shutil.copytree(session[0].dir / TABLES, tmp_path / TABLES)
    log = SessionLog(session[0].dir / SESSION)
    with pytest.raises(RuntimeError), SessionWriter(tmp_path / SESSION, log.header) as writer:
        for item in log:
            writer.add(item)
        raise RuntimeError  # everything but the closing line
    with pytest.raises(DataError, match="ends before the session did"):
        replay.replay(session[0], tmp_path)


def test_models_of_a_training_that_is_not_whole_are_not_traded(
    catalog: Catalog, trained: tuple[Run, TrainResult], tmp_path: Path
) -> None:
    for name in ("stopped", "fewer"):
        shutil.copytree(trained[0].dir, tmp_path / name)
    manifest = tmp_path / "stopped" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"complete"', '"interrupted"'))
    with pytest.raises(DataError, match=r"is not whole: its status is 'interrupted'"):
        backtest.main(make_run(tmp_path, catalog, "a", trained=str(manifest.parent)))
    shutil.rmtree(tmp_path / "fewer" / "models" / "fold-1")
    with pytest.raises(ModelError, match="there are 2 models of 3 folds"):
        backtest.main(make_run(tmp_path, catalog, "b", trained=str(tmp_path / "fewer")))


def test_sessions_that_are_none(session: tuple[Run, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is not a run"):
        replay.replay(session[0], tmp_path / "file")
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="is not the manifest of a run"):
        replay.replay(session[0], tmp_path)
    for name in ("manifest.json", SESSION):
        (tmp_path / name).write_bytes((session[0].dir / name).read_bytes())
    (tmp_path / TABLES).mkdir()
    with pytest.raises(DataError, match="the tables of the session cannot be read"):
        replay.replay(session[0], tmp_path)


def test_bad_requests(home: Path, catalog: Catalog, session: tuple[Run, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no session to replay"):
        replay.main(make_run(tmp_path, catalog, "none"))
    with pytest.raises(DataError, match="is not a run"):
        replay.main(make_run(tmp_path, catalog, "nothing", session=str(tmp_path)))
    with pytest.raises(ModelError, match="no trained models"):
        backtest.main(make_run(tmp_path, catalog, "untrained", trained=str(tmp_path)))


@pytest.mark.parametrize(
    ("slot", "node", "says"),
    [
        (
            "features",
            {"book": {"plugin": "book"}, "more": {"plugin": "returns"}},
            r"features.more was not chosen and is chosen(.|\n)*~features.more",
        ),
        (
            "features",
            {"book": {"plugin": "book", "wall_levels": [20, 5]}},
            r"features.book.wall_levels was \[20\] and is \[20,5\]",
        ),
        (
            "clock",
            {"plugin": "time", "every": "100ms"},
            "clock.every was 1s and is 100ms",
        ),  # the same column names
        (
            "regime",
            {"plugin": "volatility", "window": 60, "low": 0.2},
            "regime.low was 0.333[0-9]* and is 0.2",
        ),
        (
            "label",
            {"plugin": "forward_return", "horizons": ["2s", "5s"]},
            r"label.horizons was \[5s,15s\] and is \[2s,5s\]",
        ),
        ("model", {"plugin": "zero"}, "model was ridge and is zero"),
        ("source", {"plugin": "renamed"}, "trained on BTC/USDT:USDT, the source is of ETH/USDT:USDT"),
    ],
)
def test_models_of_something_else_are_refused_before_any_trade(
    catalog: Catalog, session: tuple[Run, Any], tmp_path: Path, slot: str, node: dict[str, Any], says: str
) -> None:
    component = dataclasses.replace(catalog.get("source", "random_walk"), name="renamed", cls=Renamed)
    known = dict(catalog.components) | {"source": dict(catalog.components["source"]) | {"renamed": component}}
    other = make_run(
        tmp_path, dataclasses.replace(catalog, components=known), "other",
        trained=session[0].config["trained"], **{slot: node},
    )  # fmt: skip
    with pytest.raises(ModelError, match=says):
        backtest.main(other)
    assert not (other.dir / SESSION).exists()


class Renamed(RandomWalk):
    """Another instrument's market."""

    def open(self, *, seed: int) -> Any:
        feed = super().open(seed=seed)
        feed.instrument = feed.instrument._replace(symbol="ETH/USDT:USDT")
        return feed


def test_the_books_are_balanced(session: tuple[Run, Any]) -> None:
    tables, metrics = session[1].tables, session[1].metrics
    fills, equity = tables["fills"], tables["equity"]
    size = fills["lots"] * 0.001 * fills["side"]
    end = equity[-1]
    gross = -(size * fills["ticks"] * 0.1).sum() + size.sum() * end["mid"]
    assert metrics.gross == pytest.approx(gross, abs=1e-6)
    assert metrics.net == pytest.approx(gross - fills["fee"].sum(), abs=1e-6)
    assert metrics.fees == pytest.approx(5.5e-4 * (np.abs(size) * fills["ticks"] * 0.1).sum(), rel=1e-9)
    assert metrics.open_lots == (fills["lots"] * fills["side"]).sum() == end["position_lots"]
    assert (np.abs(equity["position_lots"]) <= 100).all()
    said = "\n".join(session[0].console.lines)  # type: ignore[attr-defined]
    assert ("still held" in said) == (metrics.open_lots != 0)
