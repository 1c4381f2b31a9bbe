"""Artefacts: whole or not at all, verified when read, and the same bits after."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.errors import ModelError, StoreError
from btcframe.models.artefacts import FittedModel, load_model, read_manifest, save_model
from btcframe.types import PREDICTION


@dataclass(frozen=True)
class RunningMax:
    """A labeler with memory: 1 in column 0 while the descriptor is at its highest so far."""

    offset: float
    labels: tuple[str, ...] = ("top", "below")

    def state(self) -> np.ndarray:
        return np.full(1, -np.inf, dtype=[("high", "f8")])

    def update(self, descriptors: np.ndarray, state: np.ndarray, out: np.ndarray) -> None:
        for i, value in enumerate(descriptors[:, 0] + self.offset):
            state["high"] = max(state["high"][0], value)
            out[i] = (1, 0) if value == state["high"][0] else (0, 1)

    def save(self, directory: Path) -> None:
        (directory / "l.json").write_text(json.dumps(self.offset))


@dataclass(frozen=True)
class Sum:
    """Predicts the sum of the features plus the chance of being at the top."""

    columns: tuple[str, ...] = ("a", "b")
    horizons_ns: tuple[int, ...] = (5, 9)

    def predict(self, x: np.ndarray, regime: np.ndarray, out: np.ndarray) -> None:
        out["horizon_ns"] = self.horizons_ns
        out["mean"] = (x[:, 0] + x[:, 1] + regime[:, 0])[:, None]

    def save(self, directory: Path) -> None:
        (directory / "p.json").write_text(json.dumps([self.columns, self.horizons_ns]))


class Catalog:
    """Builds recipes that load the two above."""

    def build(self, slot: str, node: Any) -> Any:
        assert node == {"plugin": f"my_{slot}"}
        return self

    def load(self, directory: Path) -> Any:
        if directory.name == "labeler":
            return RunningMax(json.loads((directory / "l.json").read_text()))
        columns, horizons = json.loads((directory / "p.json").read_text())
        return Sum(tuple(columns), tuple(horizons))


MANIFEST = {"regime": {"plugin": "my_regime"}, "model": {"plugin": "my_model"}, "build": "abc"}


@pytest.fixture
def model() -> FittedModel:
    return FittedModel(RunningMax(0.5), Sum(), ("regime_v",), index=3)


@pytest.fixture
def saved(model: FittedModel, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "models" / "fold-3", MANIFEST)
    return tmp_path / "models" / "fold-3"


def test_a_model_comes_back_as_it_was(saved: Path, model: FittedModel) -> None:
    loaded = load_model(saved, Catalog())
    assert (loaded.digest, loaded.build) == (read_manifest(saved)["digest"], "abc")
    assert replace(loaded, digest="", build="") == model
    manifest = read_manifest(saved)
    assert manifest["build"] == "abc"
    assert manifest["columns"] == ["a", "b"] and manifest["regimes"] == ["top", "below"]
    assert [p.name for p in saved.parent.iterdir()] == ["fold-3"]  # nothing temporary is left


def test_two_savings_give_the_same_bytes(saved: Path, model: FittedModel) -> None:
    save_model(model, saved.with_name("again"), MANIFEST)
    for file in saved.rglob("*.json"):
        assert (saved.with_name("again") / file.relative_to(saved)).read_bytes() == file.read_bytes()


def test_row_by_row_is_the_batch(model: FittedModel) -> None:
    rng = np.random.default_rng(0)
    x, d, ns = rng.standard_normal((50, 2)), rng.standard_normal((50, 1)), np.arange(50) * 7
    outs = []
    for size in (50, 1, 13):
        scorer = model.scorer()
        regime, out = np.full((50, 2), np.nan), np.zeros((50, 2), PREDICTION)
        for i in range(0, 50, size):
            part = slice(i, i + size)
            scorer.update(x[part], d[part], ns[part], regime[part], out[part])
        outs.append(out.tobytes() + regime.tobytes())
    assert outs[0] == outs[1] == outs[2]
    assert (out["row_ns"] == ns[:, None]).all() and (out["model"] == 3).all()
    top = d[:, 0] == np.maximum.accumulate(d[:, 0])
    np.testing.assert_array_equal(out["mean"][:, 0], x[:, 0] + x[:, 1] + top)


@pytest.mark.parametrize("name", ["labeler/l.json", "predictor/p.json", "manifest.json"])
def test_a_changed_byte_is_found(saved: Path, name: str) -> None:
    text = (saved / name).read_text()
    (saved / name).write_text(text.replace("0.5", "0.6").replace("9", "8").replace("abc", "abd"))
    with pytest.raises(ModelError, match=f"the model is damaged: {name}") as caught:
        load_model(saved, Catalog())
    assert "btcframe train" in caught.value.next


def test_missing_and_foreign_files_are_found(saved: Path) -> None:
    (saved / "predictor" / "extra").write_text("?")
    with pytest.raises(ModelError, match="predictor/extra is not what was saved"):
        load_model(saved, Catalog())
    (saved / "predictor" / "extra").unlink()
    (saved / "predictor" / "p.json").unlink()
    with pytest.raises(ModelError, match=r"predictor/p.json is missing"):
        load_model(saved, Catalog())


def test_no_model_half_a_manifest_and_another_format(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model in"):
        load_model(tmp_path / "nowhere", Catalog())
    text = (saved / "manifest.json").read_text()
    (saved / "manifest.json").write_text(text[:100])
    with pytest.raises(ModelError, match=r"manifest.json cannot be read"):
        load_model(saved, Catalog())
    (saved / "manifest.json").write_text('{"status": "complete"}')
    with pytest.raises(ModelError, match="is not the manifest of a model"):
        load_model(saved, Catalog())
    (saved / "manifest.json").write_text(text.replace('"format": 1', '"format": 0'))
    with pytest.raises(ModelError, match="has format 0, this version of btcframe reads format 1"):
        load_model(saved, Catalog())


def test_a_plugin_that_cannot_read_its_files_is_named(saved: Path) -> None:
    class Newer(Catalog):
        def load(self, directory: Path) -> Any:
            raise KeyError("depth")

    with pytest.raises(ModelError, match="my_model or my_regime cannot read what it saved"):
        load_model(saved, Newer())


def test_a_disk_that_fills_up_leaves_nothing(model: FittedModel, tmp_path: Path) -> None:
    class Full(Sum):
        def save(self, directory: Path) -> None:
            super().save(directory)
            raise OSError(28, "No space left on device")

    target = tmp_path / "models" / "fold-0"
    with pytest.raises(StoreError, match="No space left on device"):
        save_model(FittedModel(model.labeler, Full(), ("regime_v",)), target, MANIFEST)
    assert list((tmp_path / "models").iterdir()) == []


def test_an_artefact_is_never_written_over(saved: Path, model: FittedModel) -> None:
    with pytest.raises(StoreError, match="exists already"):
        save_model(model, saved, MANIFEST)


@pytest.mark.parametrize(
    ("columns", "regime", "message"),
    [
        (("a", "c"), ("regime_v",), r"feature columns .*missing: b; not known to the model: c"),
        (("b", "a"), ("regime_v",), "feature columns .*their order differs"),
        (("a", "b"), (), "regime columns .*missing: regime_v"),
    ],
)
def test_other_columns_are_refused(
    model: FittedModel, columns: tuple[str, ...], regime: tuple[str, ...], message: str
) -> None:
    model.check_columns(("a", "b"), ("regime_v",))
    with pytest.raises(ModelError, match=message):
        model.check_columns(columns, regime)
