"""What is fitted in a fold, how it predicts, and how it is kept.

An artefact is a directory: manifest.json (columns in order, horizons, the config nodes it was made by, which run made
it, checksums of all files and of itself), labeler/, predictor/ and, where it has one, profile.npz. It appears under its
name whole or not at all. What it holds are arrays and JSON: nothing in it is ever executed (docs/models.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from btcframe.api import Labeler, Predictor
from btcframe.atomic import unwritable
from btcframe.errors import SHOWN, ModelError, StoreError
from btcframe.models.mocks import is_mock
from btcframe.models.profile import Profile
from btcframe.types import Floats, Ints, StateArray

FORMAT = 2
MANIFEST = "manifest.json"

_MADE_BY = ("id", "config_hash", "btcframe", "python", "git", "packages", "plugins", "code")
"""What an artefact says of its run: keys of the run's manifest."""


class Builder(Protocol):
    """The part of a catalog that is needed here."""

    def build(self, slot: str, node: Any) -> Any:
        """The component a config node describes."""


@dataclass(frozen=True)
class FittedModel:
    """A labeler and the predictor that was fitted with it.

    Parameters
    ----------
    labeler : Labeler
    predictor : Predictor
    regime_columns : tuple of str     descriptors the labeler takes
    index : int                       PREDICTION.model, the fold's number in a walk-forward
    digest, build : str               of its artefact, and the training table it was fitted on; "" before it is saved
    mock : bool                       whether it predicts noise, for plumbing
    """

    labeler: Labeler
    predictor: Predictor
    regime_columns: tuple[str, ...]
    index: int = 0
    digest: str = ""
    build: str = ""
    mock: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Feature columns the predictor takes, in order."""
        return self.predictor.columns

    @property
    def horizons_ns(self) -> tuple[int, ...]:
        """Horizons it predicts, ns."""
        return self.predictor.horizons_ns

    @property
    def regimes(self) -> tuple[str, ...]:
        """Names of the regimes."""
        return self.labeler.labels

    def scorer(self) -> Scorer:
        """Start predicting, with the labeler's memory fresh."""
        return Scorer(self)

    def check_columns(self, columns: Sequence[str], regime_columns: Sequence[str]) -> None:
        """Raise ModelError unless these are the columns, in the order, that the model was fitted on."""
        for kind, have, need in (
            ("feature", tuple(columns), self.columns),
            ("regime", tuple(regime_columns), self.regime_columns),
        ):
            if have == need:
                continue
            missing = [c for c in need if c not in have]
            extra = [c for c in have if c not in need]
            parts = [f"missing: {_listed(missing)}"] if missing else []
            parts += [f"not known to the model: {_listed(extra)}"] if extra else []
            raise ModelError(
                f"the {kind} columns are not those the model was fitted on "
                f"({'; '.join(parts) or 'their order differs'})",
                hint="Use the features and the regime of the run that trained it, with the same settings.",
                next="What it was fitted on: btcframe models show NAME",
            )


class Scorer:
    """Predictions row by row or in batches: the same bits.

    Parameters
    ----------
    model : FittedModel
    """

    def __init__(self, model: FittedModel) -> None:
        self._model = model
        self._state = model.labeler.state()

    def update(
        self, x: Floats, descriptors: Floats, row_ns: Ints, regime_out: Floats, out: StateArray
    ) -> None:
        """Advance over rows.

        Parameters
        ----------
        x : float64[n, k]
        descriptors : float64[n, d]
        row_ns : int64[n]
        regime_out : float64[n, r]   filled with probabilities
        out : PREDICTION[n, h]       filled
        """
        self._model.labeler.update(descriptors, self._state, regime_out)
        self._model.predictor.predict(x, regime_out, out)
        out["row_ns"] = row_ns[:, None]
        out["model"] = self._model.index


def made_by(run: Mapping[str, Any]) -> dict[str, Any]:
    """What an artefact says of the run that makes it: which one, and of which code and versions.

    Parameters
    ----------
    run : mapping    the run's manifest
    """
    return {key: run[key] for key in _MADE_BY if key in run}


def save_model(
    model: FittedModel, directory: Path, manifest: Mapping[str, Any], profile: Profile | None = None
) -> None:
    """Write an artefact, whole or not at all.

    Its digest names what was fitted: two runs that fit the same model give the same digest. The manifest's checksum
    covers who made it, too.

    Parameters
    ----------
    model : FittedModel
    directory : Path      must not exist yet
    manifest : mapping    plain values; needs "regime" and "model", the config nodes to load with; "run" is who made it
    profile : Profile, optional    what its training rows looked like

    Raises
    ------
    StoreError
        If the directory exists or cannot be written.
    """
    if directory.exists():
        raise StoreError(f"{directory} exists already", hint="An artefact is never written over.")
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    try:
        for part, saved in (("labeler", model.labeler), ("predictor", model.predictor)):
            (temporary / part).mkdir(parents=True)
            saved.save(temporary / part)
        if profile is not None:
            profile.save(temporary)
        full = dict(manifest) | {
            "format": FORMAT,
            "index": model.index,
            "columns": list(model.columns),
            "regime_columns": list(model.regime_columns),
            "horizons_ns": list(model.horizons_ns),
            "regimes": list(model.regimes),
            "features_hash": _hash({k: manifest.get(k) for k in ("clock", "features", "select")}),
            "files": _checksums(temporary),
        }
        full["digest"] = _digest(full)
        full["checksum"] = _checksum(full)
        (temporary / MANIFEST).write_text(json.dumps(full, indent=1) + "\n", encoding="utf-8")
        flush(temporary)
        temporary.rename(directory)
    except OSError as error:
        raise unwritable("the model", directory, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of an artefact, its own checksum verified.

    Raises
    ------
    ModelError
        If there is none, it is damaged, or it is of another format.
    """
    path = directory / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"there is no model in {directory}", hint=f"It has no {MANIFEST}.") from None
    except (OSError, ValueError) as error:
        raise _damaged(directory, f"{MANIFEST} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise ModelError(f"{path} is not the manifest of a model", where=str(directory))
    if manifest["format"] != FORMAT:
        raise ModelError(
            f"the model has format {manifest['format']}, this version of btcframe reads format {FORMAT}",
            where=str(directory),
            next="Train it again: btcframe train",
        )
    if manifest.get("checksum") != _checksum(manifest) or manifest.get("digest") != _digest(manifest):
        raise _damaged(directory, f"{MANIFEST} does not match its checksum")
    return manifest


def verified(directory: Path) -> dict[str, Any]:
    """The manifest of an artefact, its own checksum and those of all files verified.

    Raises
    ------
    ModelError
        If there is none, or any file is damaged, missing or added.
    """
    manifest = read_manifest(directory)
    try:
        found = _checksums(directory)
    except OSError as error:
        raise _damaged(directory, f"a file cannot be read: {error}") from error
    for name in sorted(set(found) | set(manifest["files"])):
        if found.get(name) != manifest["files"].get(name):
            state = "is missing" if name not in found else "is not what was saved"
            raise _damaged(directory, f"{name} {state}")
    return manifest


def load_model(directory: Path, catalog: Builder) -> FittedModel:
    """Read an artefact.

    Parameters
    ----------
    directory : Path
    catalog : Catalog    builds the regime and the model that read their own files

    Raises
    ------
    ModelError
        If there is none, or any file is damaged, missing or added.
    PluginError, ConfigError
        If the model's plugin is not installed or has other settings now.
    """
    manifest = verified(directory)
    regime = catalog.build("regime", manifest["regime"])
    model = catalog.build("model", manifest["model"])
    try:
        labeler, predictor = regime.load(directory / "labeler"), model.load(directory / "predictor")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{manifest['model']['plugin']} or {manifest['regime']['plugin']} cannot read what it saved: {error!r}",
            where=str(directory),
            hint="The plugin may be of another version than the one that trained it.",
        ) from error
    columns, build = tuple(manifest["regime_columns"]), manifest.get("build", "")
    told = manifest["index"], manifest["digest"], build, is_mock(model)
    fitted = FittedModel(labeler, predictor, columns, *told)
    fitted.check_columns(manifest["columns"], manifest["regime_columns"])
    return fitted


def _damaged(directory: Path, what: str) -> ModelError:
    return ModelError(
        f"the model is damaged: {what}", where=str(directory), next="Train it again: btcframe train"
    )


def _checksums(directory: Path) -> dict[str, str]:
    files = sorted(p for p in directory.rglob("*") if p.is_file() and p != directory / MANIFEST)
    return {p.relative_to(directory).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _digest(manifest: Mapping[str, Any]) -> str:
    """What was fitted, whoever did."""
    return _hash({k: v for k, v in manifest.items() if k not in ("digest", "checksum", "run")})


def _checksum(manifest: Mapping[str, Any]) -> str:
    return _hash({k: v for k, v in manifest.items() if k != "checksum"})


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def flush(directory: Path) -> None:
    """Put files and directories on the disk before a rename makes them visible."""
    for path in (directory, *directory.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
