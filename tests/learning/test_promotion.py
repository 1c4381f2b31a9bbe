"""From a training to a model in use: the steps of the train job, and what a person may promote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from jobs.small import make_run
from models.small_models import artefact, finished_run, worth

from btcframe.errors import ConfigError, DataError, ModelError, PromotionError, StoreError
from btcframe.jobs import train
from btcframe.learning.promotion import (
    alone,
    candidate,
    check_promoted,
    check_run,
    line,
    newest,
    offer,
    promote,
)
from btcframe.learning.tables import Layout, TrainingTable
from btcframe.models.registry import Registry
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.settings import check_promote


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


BAD = worth(ic=0.0)


def test_what_beats_the_baselines_is_promoted_and_the_rest_is_written_down(
    registry: Registry, tmp_path: Path
) -> None:
    good = candidate(registry, str(finished_run(tmp_path / "good", worth())))
    bad = candidate(registry, str(finished_run(tmp_path / "bad", BAD, offset=0.1)))
    first = offer(registry, "production", good, by="me")
    assert registry.alias("production") == first.model == good.manifest["digest"][:12]
    check_promoted(first, registry)
    assert line(first) == f"production is {first.model}"
    second = offer(registry, "production", bad, by="me")
    assert second.refused and registry.alias("production") == first.model
    with pytest.raises(
        PromotionError, match="was not promoted to production: It beats the baselines on no horizon"
    ) as caught:
        check_promoted(second, registry)
    assert f"production stays {first.model}." in caught.value.hint and "beats zero" in caught.value.hint
    assert caught.value.next.endswith(
        f"btcframe models promote {second.model} --as production --force --reason TEXT --registry {registry.path}"
    )
    third = offer(registry, "production", bad, by="me", force=True, reason="to see it trade")
    assert third.forced and third.reason == "to see it trade" and registry.alias("production") == second.model
    assert line(third) == f"production is {second.model} (it was {first.model}), forced: to see it trade"
    fourth = offer(registry, "production", good, by="me", force=True, reason="back")
    assert not fourth.forced and fourth.reason == ""  # the gate lets it through
    assert [p.refused for p in registry.history()] == [False, True, False, False]
    assert PromotionError.exit_code == 9


def test_a_candidate_is_a_run_an_artefact_or_a_model_of_the_registry(
    registry: Registry, tmp_path: Path
) -> None:
    run = finished_run(tmp_path / "run", worth())
    final = candidate(registry, str(run))
    assert final.final and final.artefact == run / "models" / "final" and final.told["worth"] == [worth()]
    fold = candidate(registry, str(run / "models" / "fold-0"))
    assert not fold.final and fold.told == final.told
    model = registry.add(final.artefact, final.told)
    assert candidate(registry, model).told == final.told
    alone_standing = candidate(registry, str(artefact(tmp_path / "elsewhere")))
    assert alone_standing.told == {}
    with pytest.raises(PromotionError, match="Its run does not tell what it is worth"):
        check_promoted(offer(registry, "production", alone_standing, by="me"), registry)


def test_a_run_without_a_final_fit_gives_its_last_fold(registry: Registry, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", worth())
    (run / "models" / "final").rename(tmp_path / "away")
    found = candidate(registry, str(run))
    assert not found.final and found.artefact.name == "fold-0"


def test_a_run_that_is_not_whole_is_no_candidate(registry: Registry, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", worth())
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"status": "failed"}))
    with pytest.raises(DataError, match="is not whole: its status is 'failed'"):
        candidate(registry, str(run))
    with pytest.raises(ModelError, match="there is no model"):
        candidate(registry, str(tmp_path))


def table(row_ns: np.ndarray) -> TrainingTable:
    """A table whose values tell which row they are of."""
    n = len(row_ns)
    values = np.arange(n, dtype=float)
    layout = Layout(("f",), ("regime_v",), ("y_5s",), (5,))
    return TrainingTable(
        layout, row_ns, values, values, values[:, None], values[:, None], values[:, None], row_ns[:, None] + 5
    )


@pytest.mark.parametrize(
    ("span", "first"), [("0s", 0), ("3s", 7), ("1s", 9), ("9s", 1), ("10s", 0), ("1d", 0)]
)
def test_the_newest_rows_are_the_last_so_long(span: str, first: int) -> None:
    whole = table(np.arange(10) * 1_000_000_000)
    part = newest(whole, {"promote": {"newest": span}})
    assert len(part) == 10 - first and part.layout == whole.layout
    for name in ("row_ns", "quality", "mid", "x", "descriptors", "y", "t_end"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[first:])
    assert len(newest(table(np.zeros(0, np.int64)), {"promote": {"newest": "3s"}})) == 0
    assert newest(whole, {}) is whole  # a config of an older version


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Iterator[tuple[Run, Registry]]:
    """A training on a market without an edge, for production."""
    folder = tmp_path_factory.mktemp("train")
    place = Registry(folder / "registry")
    settings = {"to": "production", "registry": str(place.path), "newest": "15m"}
    run = make_run(folder, catalog, verb="train", promote=settings)
    with run.recorded():
        train.main(run)
    yield run, place


def test_one_command_trains_judges_and_offers(refused: tuple[Run, Registry]) -> None:
    run, place = refused
    assert run.manifest["status"] == "complete"  # the training is whole
    told = run.manifest["results"]["promotion"]
    assert told["refused"] and told["by"] == run.manifest["id"] and place.alias("production") is None
    (entry,) = place.models()
    assert entry.model == told["model"] and entry.manifest["fold"] is None
    assert entry.manifest["run"]["id"] == entry.run["id"] == run.manifest["id"]
    assert entry.run["worth"] == run.manifest["results"]["train"]["worth"]
    span = entry.manifest["train_end_ns"] - entry.manifest["train_start_ns"]
    assert 14 * 60 * 10**9 < span <= 15 * 60 * 10**9  # the newest rows alone
    with pytest.raises(PromotionError, match=f"{entry.model} was not promoted to production"):
        check_run(run)


def test_a_refused_model_may_be_forced_afterwards(refused: tuple[Run, Registry]) -> None:
    run, place = refused
    promoted = offer(place, "trial", candidate(place, str(run.dir)), by="me", force=True, reason="a trial")
    assert (
        promoted.forced
        and place.alias("trial") == promoted.model == run.manifest["results"]["promotion"]["model"]
    )


def test_a_run_that_promotes_nothing_needs_no_registry(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path, catalog)
    with alone(run):
        promote(run)
    check_run(run)
    assert not (tmp_path / "models").exists()


def test_two_trainings_for_one_alias_do_not_run_at_once(tmp_path: Path, catalog: Catalog) -> None:
    settings = {"to": "production", "registry": str(tmp_path / "models"), "newest": "0s"}
    run = make_run(tmp_path, catalog, promote=settings)
    with alone(run), pytest.raises(StoreError, match="another training for production has not ended"):
        train.main(run)


def test_a_training_without_a_final_fit_is_an_error(tmp_path: Path, catalog: Catalog) -> None:
    settings = {"to": "production", "registry": str(tmp_path / "models"), "newest": "0s"}
    with pytest.raises(ModelError, match="has no model to promote"):
        promote(make_run(tmp_path, catalog, promote=settings))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"to": "Production"}, "promote.to: 'Production' is no name for an alias"),
        ({"registry": " "}, "promote.registry: it is empty"),
        ({"newest": "soon"}, "promote.newest: "),
        ({"to": "production", "verb": "trade"}, "promote.to: production, but this trade trains nothing"),
        ({"to": "production", "verb": "backtest", "trained": "runs/x"}, "but this backtest trains nothing"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, str], message: str) -> None:
    config = {"verb": "train", "trained": "", "promote": {"to": "", "registry": "models", "newest": "0s"}}
    check_promote(config)
    check_promote({})
    for key, value in changes.items():
        (config if key in config else config["promote"])[key] = value  # type: ignore[index]
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        check_promote(config)
