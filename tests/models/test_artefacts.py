"""Artefacts: whole or not at all, verified when read, and the same bits after."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.small_models import MANIFEST, Catalog, RunningMax, Sum

from btcframe.errors import BtcframeError, ModelError, StoreError
from btcframe.models.artefacts import FittedModel, load_model, made_by, read_manifest, save_model, verified
from btcframe.models.profile import PROFILE, load_profile, profile_of
from btcframe.plugins import discover
from btcframe.types import PREDICTION


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
    (saved / "more").mkdir()
    (saved / "more" / "code.py").write_text("raise SystemExit")
    with pytest.raises(ModelError, match=r"more/code.py is not what was saved"):
        load_model(saved, Catalog())
    (saved / "more" / "code.py").unlink()
    (saved / "predictor" / "p.json").unlink()
    with pytest.raises(ModelError, match=r"predictor/p.json is missing"):
        load_model(saved, Catalog())
    (saved / "predictor" / "p.json").mkdir()
    with pytest.raises(ModelError, match=r"predictor/p.json is missing"):
        load_model(saved, Catalog())


def test_a_truncated_file_is_found(saved: Path) -> None:
    for name in ("labeler/l.json", "predictor/p.json"):
        whole = (saved / name).read_bytes()
        (saved / name).write_bytes(whole[:-1])
        with pytest.raises(ModelError, match=f"the model is damaged: {name} is not what was saved"):
            load_model(saved, Catalog())
        (saved / name).write_bytes(whole)
    load_model(saved, Catalog())


def test_the_digest_names_what_was_fitted_whoever_fitted_it(model: FittedModel, tmp_path: Path) -> None:
    run = {"id": "a", "btcframe": "1.0", "packages": {"numpy": "2"}, "code": {}, "machine": "secret"}
    for name, by in (("one", run), ("two", run | {"id": "b"})):
        save_model(model, tmp_path / name, MANIFEST | {"run": made_by(by)})
    one, two = read_manifest(tmp_path / "one"), read_manifest(tmp_path / "two")
    assert one["digest"] == two["digest"] and one["checksum"] != two["checksum"]
    assert one["run"] == {k: v for k, v in run.items() if k != "machine"}
    (tmp_path / "one" / "manifest.json").write_text(json.dumps(one | {"run": {"id": "c"}}))
    with pytest.raises(ModelError, match=r"manifest\.json does not match its checksum"):
        read_manifest(tmp_path / "one")
    save_model(model, tmp_path / "three", MANIFEST | {"features": {"book": {"plugin": "book"}}})
    three = read_manifest(tmp_path / "three")
    assert three["digest"] != one["digest"] and three["features_hash"] != one["features_hash"]


def test_a_profile_is_a_part_of_the_artefact(model: FittedModel, tmp_path: Path) -> None:
    profile = profile_of(np.arange(20.0).reshape(10, 2), np.arange(20.0).reshape(10, 2))
    save_model(model, tmp_path / "m", MANIFEST, profile)
    assert load_model(tmp_path / "m", Catalog()).columns == ("a", "b")
    found = load_profile(tmp_path / "m")
    assert found is not None and np.array_equal(found.counts, profile.counts)
    (tmp_path / "m" / PROFILE).unlink()
    with pytest.raises(ModelError, match=f"{PROFILE} is missing"):
        load_model(tmp_path / "m", Catalog())


def test_a_file_that_cannot_be_read_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ModelError, match=r"a file cannot be read: .*Permission denied.*l\.json"):
        verified(saved)


def test_what_an_artefact_names_is_never_imported(saved: Path) -> None:
    """Only the catalog builds, and it holds installed plugins alone."""
    manifest = read_manifest(saved)
    before = set(sys.modules)
    for name in ("antigravity:load", "antigravity", "os.system"):
        shutil.rmtree(saved)
        fake = MANIFEST | {"model": {"plugin": name}, "regime": {"plugin": "volatility"}}
        save_model(FittedModel(RunningMax(0.5), Sum(), ("regime_v",)), saved, fake)
        with pytest.raises(BtcframeError, match=re.escape(name)):
            load_model(saved, discover())
    assert "antigravity" not in set(sys.modules) - before
    assert manifest["model"] == {"plugin": "my_model"}


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
    (saved / "manifest.json").write_text(text.replace('"format": 2', '"format": 1'))
    with pytest.raises(ModelError, match="has format 1, this version of btcframe reads format 2"):
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
