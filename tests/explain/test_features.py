"""The features of a row that was decided on, against a pipeline that is driven row by row beside them."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from jobs.small import make_run

from btcframe import explain
from btcframe.api import Wakes
from btcframe.cli.session import main
from btcframe.errors import ConfigError, DataError, ReplayError
from btcframe.explain.values import Explained, Features
from btcframe.explain.words import LEAST_USUAL, describe, plain
from btcframe.jobs import backtest
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.session_log import SessionLog, SessionWriter
from btcframe.sessions.session import SESSION, TABLES, open_pipeline
from btcframe.types import Floats, Ints


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Run:
    """A finished backtest, its features known at different rows."""
    names = ("book", "returns", "calendar")
    features: dict[str, dict[str, object]] = {name: {"plugin": name} for name in names}
    features["calendar"]["funding"] = False
    run = make_run(tmp_path_factory.mktemp("home"), catalog, features=features)
    with run.recorded():
        backtest.main(run)
    return run


@pytest.fixture(scope="module")
def rows(session: Run) -> tuple[Ints, Floats, list[str]]:
    """Ends and features of all rows, from the source itself, a row at a time."""
    feed = session.component("source").open(seed=session.seed)
    pipeline = open_pipeline(session, feed.instrument, Wakes())
    ends, x = [], []
    for batch in feed:
        at = 0
        while at < len(batch.events):
            at, _ = pipeline.push(batch.events, at)
            ends += pipeline.rows["row_ns"].tolist()
            x += pipeline.x.tolist()
    feed.close()
    return np.array(ends), np.array(x), [column.name for column in pipeline.columns]


def nothing(n: int) -> None:
    """Whoever waits is not told."""


def test_they_are_those_of_the_row(
    session: Run, catalog: Catalog, rows: tuple[Ints, Floats, list[str]]
) -> None:
    ends, x, names = rows
    for at in (1, 40, 700, len(ends) - 2):
        found = explain.features(session.dir, int(ends[at]), catalog, nothing)
        assert found.rows == at and found.off == {}
        told = {one.name: one for one in found.columns}
        assert sorted(told) == sorted(names) and len(found.columns) == len(names)
        for j, name in enumerate(names):
            before = [value for value in x[:at, j].tolist() if not math.isnan(value)]
            np.testing.assert_equal(told[name].value, x[at, j])
            if not before:
                assert math.isnan(told[name].usual) and math.isnan(told[name].below)
                continue
            assert told[name].usual == sorted(before)[(len(before) - 1) // 2]
            less = sum((value < x[at, j]) + (value == x[at, j]) / 2 for value in before) / len(before)
            np.testing.assert_allclose(told[name].below, math.nan if math.isnan(x[at, j]) else less)
        placed = [one for one in found.columns if not math.isnan(one.below)]
        assert placed == list(found.columns[: len(placed)])
        assert {one.name for one in placed[-2:]} == {"hour_sin", "hour_cos"}  # the time of day is never news
        away = [abs(one.below - 0.5) for one in placed[:-2]]
        assert away == sorted(away, reverse=True)


def explained(session: Run, catalog: Catalog) -> tuple[Explained, Features]:
    order = explain.orders(session.dir)[3].order_id
    told = explain.explain(session.dir, order)
    return told, explain.features(session.dir, told.ids.row_ns, catalog, nothing)


def test_the_least_usual_are_told_and_json_has_all(session: Run, catalog: Catalog) -> None:
    told, features = explained(session, catalog)
    assert "Features   ask with --features: " in describe(told) and plain(told)["features"] is None
    told = dataclasses.replace(told, features=features)
    some, every = describe(told).splitlines(), describe(told, every=True).splitlines()
    assert max(map(len, some + every)) <= 80, "\n".join(every)
    assert len(features.columns) > LEAST_USUAL
    assert len(every) - len(some) == len(features.columns) - LEAST_USUAL
    at = next(n for n, line in enumerate(some) if line.startswith("Features"))
    assert f"the least usual {LEAST_USUAL} of {len(features.columns)}; beside" in some[at]
    for one in features.columns[:LEAST_USUAL]:
        assert any(line.split()[:1] == [one.name] for line in some), one.name
    value = json.loads(json.dumps(plain(told), allow_nan=False))["features"]
    assert value["rows"] == features.rows and value["off"] == {}
    assert [one["name"] for one in value["columns"]] == [one.name for one in features.columns]
    assert value["columns"][0] == features.columns[0]._asdict()


def test_what_the_session_switched_off_is_off_from_the_same_row_on(
    session: Run, catalog: Catalog, rows: tuple[Ints, Floats, list[str]], tmp_path: Path
) -> None:
    """A command of the log, in its place among the events."""
    ends, x, names = rows
    manifest = json.loads((session.dir / "manifest.json").read_text())
    manifest["config"]["verb"] = "trade"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    shutil.copytree(session.dir / TABLES, tmp_path / TABLES)
    log, feed = SessionLog(session.dir / SESSION), session.component("source").open(seed=session.seed)
    closed = 0
    with SessionWriter(tmp_path / SESSION, log.header) as writer:
        for n, batch in enumerate(feed):
            if n == 1:
                writer.command(
                    batch.events["local_ts"][0].item(), "contain", name="features.returns", why="slow"
                )
            writer.batch(batch)
            closed = closed or int(np.searchsorted(ends, batch.events["local_ts"][-1]))
    feed.close()
    assert 0 < closed < len(ends) - 2
    theirs = [n for n in names if n not in {c.name for c in session.components("features")["book"].columns()}]
    j = names.index(theirs[0])
    for at, off in ((closed - 1, {}), (closed + 1, {"features.returns": "slow"})):
        found = explain.features(tmp_path, int(ends[at]), catalog, nothing)
        told = {one.name: one.value for one in found.columns}
        assert found.off == off
        np.testing.assert_equal(told[names[0]], x[at, 0])
        assert math.isnan(told[theirs[0]]) if off else told[theirs[0]] == x[at, j]


def test_a_row_that_the_log_does_not_reach(session: Run, catalog: Catalog) -> None:
    with pytest.raises(DataError, match=r"(?s)ends before the row 9000000000000000000.*are not in it"):
        explain.features(session.dir, 9_000_000_000_000_000_000, catalog, nothing)


def test_a_row_that_is_not_as_it_was_is_no_explanation(
    session: Run, catalog: Catalog, rows: tuple[Ints, Floats, list[str]], tmp_path: Path
) -> None:
    shutil.copytree(session.dir, tmp_path / "run")
    table = np.load(tmp_path / "run" / TABLES / "equity.npy")
    table["quality"][20] -= 0.5
    np.save(tmp_path / "run" / TABLES / "equity.npy", table)
    with pytest.raises(ReplayError, match=r"(?s)is not as it was: quality and age.*btcframe replay"):
        explain.features(tmp_path / "run", int(table["row_ns"][20]), catalog, nothing)


def test_as_a_user_asks_for_them(
    session: Run, catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(session.dir.parent)
    told, features = explained(session, catalog)
    told = dataclasses.replace(told, features=features)
    for flag, every in (("--features", False), ("--all", True)):
        assert main(["explain", str(told.order_id), flag, session.dir.name]) == 0
        said = capsys.readouterr()
        assert said.out == f"{describe(told, every=every)}\n"
        assert said.err.startswith(f"Played again up to that row: {features.rows:,} rows in ")
    assert main(["explain", str(told.order_id), "--features", "--json", session.dir.name]) == 0
    assert json.loads(capsys.readouterr().out) == plain(told)
    with pytest.raises(ConfigError, match="explain --all needs the number of an order"):
        main(["explain", "--all", session.dir.name])
