"""What `trained` of a session may be: a run, a model of the registry by alias, digits or path; and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from live_sessions import catalog

from btcframe.errors import DataError, ModelError
from btcframe.hookspecs import hookimpl
from btcframe.jobs import backtest as backtest_job
from btcframe.jobs import train as train_job
from btcframe.live.opening import opened
from btcframe.models.artefacts import load_model, read_manifest, save_model
from btcframe.models.profile import profile_of
from btcframe.models.registry import Registry
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.sections import Lane, Promote, Trade
from btcframe.sessions.predictors import Chosen, predictors, traded_folds
from btcframe.sessions.records import records_of
from btcframe.types import NS
from btcframe.venues.sim import Sim

from jobs.small import make_run  # isort: skip


@pytest.fixture(scope="module")
def found() -> Catalog:
    return catalog()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, found: Catalog) -> Run:
    """A run with two models."""
    run = make_run(tmp_path_factory.mktemp("training"), found, "trained", verb="train", **TRAINING)
    with run.recorded():
        train_job.main(run)
    return run


TRAINING: dict[str, Any] = {
    "source": {"plugin": "random_walk", "duration": "15m"},
    "validation": {"folds": 2, "embargo": "10s", "min_train": 200, "expanding": True},
}


@pytest.fixture
def registry(tmp_path: Path, trained: Run) -> tuple[Registry, str, str]:
    """A registry with the two models; production is the second of them."""
    kept = Registry(tmp_path / "kept")
    first, second = (kept.add(trained.dir / "models" / f"fold-{i}", trained.manifest) for i in (0, 1))
    kept.point("production", first, by="test")
    kept.point("production", second, by="test")
    return kept, first, second


def asked(folder: Path, found: Catalog, trained: str, **changes: Any) -> Run:
    config = {
        "verb": "trade", "source": {"plugin": "random_walk", "duration": "10s"}, "trade": vars(Trade()),
        "lane": vars(Lane()), "promote": vars(Promote(registry=str(folder / "kept"))), "trained": trained,
    }  # fmt: skip
    return make_run(folder, found, "asked", **config | changes)


def chosen(run: Run) -> Chosen:
    feed = run.component("source").open(seed=1)
    try:
        return predictors(run, feed.instrument)
    finally:
        feed.close()


def digest(directory: Path) -> str:
    return str(read_manifest(directory)["digest"])


def test_of_a_run_the_last_model_predicts(tmp_path: Path, found: Catalog, trained: Run) -> None:
    told = chosen(asked(tmp_path, found, str(trained.dir)))
    last = trained.dir / "models" / "fold-1"
    [only] = told.candidates
    assert only.model.digest == digest(last) and only.name == str(last)
    assert only.fitted_ns == read_manifest(last)["fold"]["train_end_ns"]
    assert told.aliases is None and told.note == ""


def test_and_its_final_fit_where_it_has_one(tmp_path: Path, found: Catalog, trained: Run) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained.dir, run)
    manifest = read_manifest(run / "models" / "fold-1") | {"fold": None, "final": True, "train_end_ns": 77}
    kept = {k: v for k, v in manifest.items() if k not in ("digest", "checksum", "files")}
    model = load_model(run / "models" / "fold-1", found)
    profile = profile_of(np.zeros((10, len(model.columns))))
    save_model(replace(model, index=2), run / "models" / "final", kept, profile)
    [only] = chosen(asked(tmp_path, found, str(run))).candidates
    assert (only.fitted_ns, only.model.index) == (77, 2) and only.profile is not None


@pytest.mark.parametrize(
    ("of", "predicted", "message"),
    [
        (1, 0, r"profile is of 1 columns, and the model of \d+"),
        (0, 3, "profile is of 3 horizons, and the model of 2"),
    ],
)
def test_a_profile_of_another_model(
    tmp_path: Path, found: Catalog, trained: Run, of: int, predicted: int, message: str
) -> None:
    last = trained.dir / "models" / "fold-1"
    kept = {k: v for k, v in read_manifest(last).items() if k not in ("digest", "checksum", "files")}
    model = load_model(last, found)
    profile = profile_of(
        np.zeros((9, of or len(model.columns))), np.zeros((9, predicted)) if predicted else None
    )
    save_model(model, tmp_path / "other", kept, profile)
    with pytest.raises(ModelError, match=message):
        chosen(asked(tmp_path, found, str(tmp_path / "other")))


def asked_again(folder: Path, found: Catalog, trained: str, **changes: Any) -> Run:
    again = folder / "again"
    again.mkdir()
    return asked(again, found, trained, **changes)


def test_behind_an_alias_stands_the_model_before(tmp_path: Path, found: Catalog, registry: Any) -> None:
    _, first, second = registry
    told = chosen(asked(tmp_path, found, "production"))
    assert [c.model.digest[:12] for c in told.candidates] == [second, first]
    assert told.target == second and told.aliases is not None
    assert len({c.model.index for c in told.candidates}) == 2


@pytest.mark.parametrize("by", ["digits", "path"])
def test_one_model_is_not_followed(tmp_path: Path, found: Catalog, registry: Any, by: str) -> None:
    kept, first, _ = registry
    named = first[:8] if by == "digits" else str(kept.find(first))
    told = chosen(asked(tmp_path, found, named))
    assert [c.model.digest[:12] for c in told.candidates] == [first] and told.aliases is None


def test_a_model_before_that_is_not_sound_is_no_error(tmp_path: Path, found: Catalog, registry: Any) -> None:
    kept, first, second = registry
    broken = next((kept.find(first) / "predictor").iterdir())
    broken.write_bytes(broken.read_bytes() + b" ")
    told = chosen(asked(tmp_path, found, "production"))
    assert [c.model.digest[:12] for c in told.candidates] == [second]
    assert f"{first}, promoted before it, cannot predict here: the model is damaged" in told.note
    assert chosen(asked_again(tmp_path, found, "")).candidates == ()


@pytest.mark.parametrize(
    ("named", "error", "message"),
    [
        ("produktion", ModelError, r"there is no model 'produktion'.*\n?Did you mean production"),
        ("runs/nowhere", DataError, "is not a run: it has no manifest"),
    ],
)
def test_names_of_nothing(
    tmp_path: Path, found: Catalog, registry: Any, named: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        chosen(asked(tmp_path, found, named))


def test_a_model_of_other_features(tmp_path: Path, found: Catalog, registry: Any) -> None:
    features = {"book": {"plugin": "book"}, "moody": {"plugin": "moody"}}
    with pytest.raises(ModelError, match=r"features\.moody"):
        chosen(asked(tmp_path, found, "production", features=features))


# ----------------------------------------------------------------------------------------------------- backtests


def test_a_backtest_trades_a_model_of_the_registry_on_what_follows_its_training_alone(
    tmp_path: Path, found: Catalog, trained: Run, registry: Any
) -> None:
    first = registry[1]
    run = asked(tmp_path, found, first, verb="backtest", **TRAINING)
    with run.recorded():
        result = backtest_job.main(run)
    window = read_manifest(trained.dir / "models" / "fold-0")["fold"]
    earliest = window["train_end_ns"] + 15 * NS + 10 * NS  # the longest label, and the embargo
    row_ns = result.tables["predictions"]["row_ns"]
    assert row_ns[0] == -(-earliest // NS) * NS and row_ns[-1] > window["test_end_ns"]
    [told] = [part for table, part in records_of(run) if table == "models"]
    assert [text[:12] for text in told["digest"].to_pylist()] == [first]
    assert run.manifest["results"]["backtest"]["models"] == told["digest"].to_pylist()


def test_a_market_that_ends_before_it_says_so(tmp_path: Path, found: Catalog, registry: Any) -> None:
    run = asked(tmp_path, found, registry[1], verb="backtest")
    with run.recorded():
        result = backtest_job.main(run)
    assert len(result.tables["predictions"]) == 0
    assert any(line.startswith("Nothing was predicted: the market ends before") for line in run.console.lines)  # type: ignore[attr-defined]


def test_a_model_that_does_not_say_when_its_training_ended_is_not_traded(
    tmp_path: Path, found: Catalog, trained: Run
) -> None:
    last = trained.dir / "models" / "fold-1"
    kept = {k: v for k, v in read_manifest(last).items() if k not in ("digest", "checksum", "files")}
    save_model(load_model(last, found), tmp_path / "untold", kept | {"fold": None})
    with pytest.raises(ModelError, match="does not say when its training ended"):
        traded_folds(asked(tmp_path, found, str(tmp_path / "untold"), verb="backtest", **TRAINING))


class Bank(Sim):
    """Trades real money, or would."""

    real = True


def test_a_mock_at_a_venue_of_real_money_is_refused_when_the_session_opens(tmp_path: Path) -> None:
    plugin = SimpleNamespace(__name__="bank", btcframe_components=hookimpl(lambda: {"venue": {"bank": Bank}}))
    found = discover([("bank", plugin)])
    trained = make_run(tmp_path, found, "trained", verb="train", model={"plugin": "mock"}, **TRAINING)
    with trained.recorded():
        train_job.main(trained)
    model = {"plugin": "mock"}
    run = asked(tmp_path, found, str(trained.dir), venue={"plugin": "bank"}, model=model)
    run.manifest["id"] = "x"
    refused = pytest.raises(ModelError, match="Bank trades real money, and the model predicts noise")
    with refused, opened(run, run.component("source")):
        pass
    assert chosen(asked_again(tmp_path, found, str(trained.dir), model=model)).candidates[0].model.mock
