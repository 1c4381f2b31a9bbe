"""No artefact of ours holds a pickle: every file is JSON, or arrays that are read with allow_pickle=False."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from btcframe.errors import PluginError
from btcframe.models.artefacts import FittedModel, load_model, save_model
from btcframe.models.profile import profile_of
from btcframe.plugins import Catalog, discover
from btcframe.testing.models import training_set

CATALOG = discover()
MODELS = sorted(CATALOG.components["model"])
REGIMES = sorted(CATALOG.components["regime"])


def fitted(catalog: Catalog, regime: str, model: str, tmp_path: Path) -> Path:
    """An artefact of a regime and a model, with a profile."""
    data = training_set(600)
    recipe = catalog.build("regime", {"plugin": regime})
    names = tuple(column.name for column in recipe.columns())
    descriptors = np.abs(np.random.default_rng(5).standard_normal((400, len(names)))) + 0.1
    labeler = recipe.fit(descriptors, seed=3)
    predictor = catalog.build("model", {"plugin": model}).fit(data)
    manifest = {"regime": {"plugin": regime}, "model": {"plugin": model}}
    save_model(FittedModel(labeler, predictor, names), tmp_path / "m", manifest, profile_of(data.x, data.y))
    return tmp_path / "m"


def arrays_of(path: Path) -> Iterator[np.ndarray]:
    """Every array of a file, read without pickle."""
    if path.suffix == ".npy":
        yield np.load(path, allow_pickle=False)
        return
    with zipfile.ZipFile(path) as members:
        assert all(name.endswith(".npy") for name in members.namelist())
    with np.load(path, allow_pickle=False) as arrays:
        yield from (arrays[name] for name in arrays.files)


@pytest.mark.parametrize(
    ("regime", "model"), [*(("volatility", m) for m in MODELS), *((r, "zero") for r in REGIMES)]
)
def test_an_artefact_is_json_and_arrays(
    regime: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        artefact = fitted(CATALOG, regime, model, tmp_path)
    except PluginError as error:
        pytest.skip(error.what)  # an extra that is not installed
    for path in (path for path in artefact.rglob("*") if path.is_file()):
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
            continue
        assert path.suffix in (".npy", ".npz")
        for array in arrays_of(path):
            assert not array.dtype.hasobject

    def refuse(*arguments: object, **named: object) -> object:
        raise AssertionError("a pickle is read")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert load_model(artefact, CATALOG).columns == training_set(1).columns
