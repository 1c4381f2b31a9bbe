"""Any finished run can be reported again from its files; what has gone missing is named and stops nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from jobs.small import make_run

from btcframe.errors import DataError
from btcframe.explain import explain
from btcframe.jobs import backtest as backtest_job
from btcframe.jobs import train as train_job
from btcframe.learning.predictions import PREDICTIONS
from btcframe.models.artefacts import read_manifest
from btcframe.plugins import Catalog, discover
from btcframe.report.page import PAGE
from btcframe.report.summary import summary
from btcframe.run import load_manifest
from btcframe.sessions.reporting import gather, report_again
from btcframe.trading.audit import load_tables


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> tuple[Path, Path]:
    """A training, and a backtest of its models."""
    home = tmp_path_factory.mktemp("home")
    training = make_run(home, catalog, "training", verb="train")
    with training.recorded():
        train_job.main(training)
    session = make_run(home, catalog, "session", trained=str(training.dir))
    with session.recorded():
        backtest_job.main(session)
    return training.dir, session.dir


def test_a_backtest_finds_the_predictions_of_its_training(
    traded: tuple[Path, Path], catalog: Catalog
) -> None:
    reported = report_again(traded[1], catalog)
    found = reported.findings
    assert reported.page == traded[1] / PAGE and reported.page.is_file()
    assert found.session is not None and found.session.metrics.fills > 20
    assert found.training is not None and len(found.outcomes) == 2
    assert found.build is not None and found.build["summary"]["rows"] > 1000
    assert not found.missing
    told = load_manifest(traded[1])["results"]["backtest"]
    assert found.session.metrics.net == told["net"]


def test_twice_gives_the_same_page(traded: tuple[Path, Path], catalog: Catalog) -> None:
    first = report_again(traded[1], catalog).page.read_bytes()
    assert report_again(traded[1], catalog).page.read_bytes() == first


def test_what_is_gone_is_named(traded: tuple[Path, Path], catalog: Catalog, tmp_path: Path) -> None:
    for source, name in zip(traded, ("training", "session"), strict=True):
        shutil.copytree(source, tmp_path / name)
        manifest = tmp_path / name / "manifest.json"
        told = json.loads(manifest.read_text())
        told["config"]["store"]["path"] = str(tmp_path / "gone")
        told["config"]["trained"] = str(tmp_path / "training") if told["config"]["trained"] else ""
        told["config"]["risk"] = {"theirs": {"plugin": "uninstalled", "limit": 3}}
        manifest.write_text(json.dumps(told))
    found = gather(tmp_path / "session", load_manifest(tmp_path / "session"), catalog)
    assert found.build is None and "no longer holds build" in found.missing["build"]
    assert len(found.outcomes) == 2 and found.market.symbol == "BTC/USDT:USDT"
    assert [a.doc for a in found.about if a.name == "uninstalled"] == [""]
    assert not (tmp_path / "gone").exists()
    assert "no longer holds build" in report_again(tmp_path / "session", catalog).page.read_text()

    (tmp_path / "training" / "predictions.parquet").unlink()
    found = report_again(tmp_path / "session", catalog).findings
    assert not found.outcomes and "cannot be read" in found.missing["outcomes"]

    shutil.rmtree(tmp_path / "training")
    found = report_again(tmp_path / "session", catalog).findings
    assert found.training is None and "is not a run" in found.missing["outcomes"]
    assert found.session is not None


def test_what_cannot_be_reported(traded: tuple[Path, Path], catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a run"):
        report_again(tmp_path, catalog)
    shutil.copytree(traded[1], tmp_path / "cut", ignore=shutil.ignore_patterns(PAGE))
    manifest = tmp_path / "cut" / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"verb": "build"}))
    with pytest.raises(DataError, match="is a build: there is nothing to report"):
        report_again(tmp_path / "cut", catalog)
    manifest.write_text(json.dumps(told | {"status": "interrupted"}))
    with pytest.raises(DataError, match="is not whole"):
        report_again(tmp_path / "cut", catalog)
    manifest.write_text(json.dumps(told))
    (tmp_path / "cut" / "tables" / "fills.npy").write_bytes(b"")
    with pytest.raises(DataError, match="not those that the run left: fills differ"):
        report_again(tmp_path / "cut", catalog)
    assert not (tmp_path / "cut" / PAGE).exists()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF
    path.write_bytes(content)


def test_what_is_damaged_is_never_shown(traded: tuple[Path, Path], catalog: Catalog, tmp_path: Path) -> None:
    for name in ("fills", "equity", "predictions"):
        shutil.copytree(traded[1], tmp_path / name)
        damage(tmp_path / name / "tables" / f"{name}.npy")
        with pytest.raises(DataError, match=f"are not those that the run left: {name} differ"):
            report_again(tmp_path / name, catalog)
    shutil.copytree(traded[0], tmp_path / "training")
    predictions = tmp_path / "training" / PREDICTIONS
    file = pq.ParquetFile(predictions)
    column = file.metadata.row_group(0).column(file.schema_arrow.names.index("mean_5s"))
    content = bytearray(predictions.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + 40] = bytes(40)
    predictions.write_bytes(content)
    found = report_again(tmp_path / "training", catalog).findings
    assert not found.outcomes and "the predictions cannot be read" in found.missing["outcomes"]
    assert f"Left out: {found.missing['outcomes']}" in summary(found, tmp_path / PAGE)

    manifest = tmp_path / "training" / "manifest.json"
    told = json.loads(manifest.read_text())
    del told["packages"]
    manifest.write_text(json.dumps(told))
    with pytest.raises(DataError, match="lacks packages"):
        report_again(tmp_path / "training", catalog)


def test_without_its_truth_a_market_still_has_a_report(catalog: Catalog, tmp_path: Path) -> None:
    run = make_run(tmp_path, catalog, verb="train", source={"plugin": "synthetic", "duration": "15m"})
    with run.recorded():
        train_job.main(run)
    found = report_again(run.dir, catalog).findings
    assert not set(found.missing) - {"session"} and found.regimes is not None
    assert found.regimes.truth is not None
    shutil.rmtree(tmp_path / "lake" / "truth")
    found = report_again(run.dir, catalog).findings
    assert "table truth cannot be read" in found.missing["truth"]
    assert found.regimes is not None and found.regimes.truth is None and len(found.outcomes) == 2


def test_the_views_hold_extremes_and_regimes(traded: tuple[Path, Path], catalog: Catalog) -> None:
    found = gather(traded[1], load_manifest(traded[1]), catalog)
    assert found.session is not None and found.price is not None and found.regimes is not None
    equity = found.session.tables["equity"]
    assert np.nanmax(equity["mid"][found.price.rows]) == np.nanmax(equity["mid"])
    before = equity["row_ns"][found.price.rows] < found.session.span[0]
    assert (found.price.regime[before] == -1).all() and before.any()
    assert (found.price.regime[~before] >= 0).mean() > 0.9
    assert found.regimes.truth is None  # a random walk hides nothing


def test_an_order_leads_to_its_model_build_and_prediction(traded: tuple[Path, Path]) -> None:
    """Every id of a filled order, against the files it stands for: none of them is the session's own."""
    training, session = traded
    told = load_manifest(session)
    fold_of = {f["index"]: f for f in load_manifest(training)["results"]["train"]["folds"]}
    predicted = pq.read_table(training / PREDICTIONS)
    row_ns = predicted["row_ns"].to_numpy()
    fills = load_tables(session / "tables")["fills"]
    models = set()
    for order_id in fills["order_id"][:: len(fills) // 8].tolist():
        order = explain(session, order_id)
        ids = order.ids
        artefact = read_manifest(session / ids.name)
        assert ids.model == artefact["digest"] and ids.build == artefact["build"]
        assert ids.build == load_manifest(training)["results"]["build"]["id"]
        assert (ids.config, ids.run) == (told["config_hash"], told["id"])
        fold = fold_of[artefact["index"]]
        assert fold["test_start_ns"] <= ids.row_ns < fold["test_end_ns"]
        at = int(np.searchsorted(row_ns, ids.row_ns))
        assert row_ns[at] == ids.row_ns
        means = [predicted[f"mean_{name}"][at].as_py() for name in ("5s", "15s")]
        assert [p.mean for p in order.predicted] == means  # the training's own, to the bit
        probabilities = {r: predicted[f"regime_{r}"][at].as_py() for r in artefact["regimes"]}
        known = all(p == p for p in probabilities.values())
        assert order.seen.regime == (max(probabilities, key=probabilities.__getitem__) if known else "")
        models.add(ids.model)
    assert len(models) >= 2


def test_the_command(btcframe: Callable[..., Any], traded: tuple[Path, Path]) -> None:
    done = btcframe("report", str(traded[1]))
    assert done.returncode == 0, done.stderr
    assert "Evidence of an edge after costs: not enough data." in done.stdout
    assert f"Report: {traded[1] / PAGE}" in done.stdout
    for arguments, code, says in (
        ([], 2, "needs the directory"),
        (["a", "b", "c"], 2, "needs the directory"),
        ([str(traded[1]), "--sensitive"], 2, "takes no '--sensitive'"),
        (["nowhere"], 4, "is not a run"),
        ([str(traded[1]), "nowhere"], 4, "nowhere is not a run"),
        ([str(traded[0]), "--sensitivity"], 4, "there is no session to play at other venues"),
    ):
        done = btcframe("report", *arguments)
        assert done.returncode == code
        assert says in done.stderr and "Traceback" not in done.stderr
    assert "btcframe report DIR OTHER" in btcframe("report", "--help").stdout
    done = btcframe("report", str(traded[1]), str(traded[1]))
    assert done.returncode == 0, done.stderr
    assert "Both decided the same" in (traded[1] / PAGE).read_text()
