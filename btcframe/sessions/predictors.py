"""Which models a session predicts with: what its setting `trained` comes to, read, checked and seen to work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from btcframe.config import duration
from btcframe.errors import BtcframeError, ModelError
from btcframe.learning.folds import FINAL, MODELS, Fold, saved_folds
from btcframe.models.artefacts import FittedModel, load_model, read_manifest
from btcframe.models.mocks import refuse_mock
from btcframe.models.production import Aliases, Candidate, rehearse
from btcframe.models.profile import Profile, load_profile
from btcframe.models.registry import ARTEFACT, Registry
from btcframe.run import Run, load_manifest
from btcframe.sessions.fits import MEANING, check_fits
from btcframe.sessions.session import open_pipeline
from btcframe.types import Instrument

_FOR_EVER = (1 << 63) - 1


@dataclass(frozen=True)
class Chosen:
    """The models of a session.

    Parameters
    ----------
    columns : tuple of str              the session's features, in order
    load : callable                     reads a model, and checks that it can predict in this session
    candidates : tuple of Candidate     the one that predicts first and, behind an alias, the one that it named before
    aliases : Aliases or None           where the alias stands; None where `trained` is none
    target : str                        what the alias names
    note : str                          why there is none before it, where there should be
    """

    columns: tuple[str, ...]
    load: Callable[[Path], Candidate]
    candidates: tuple[Candidate, ...] = ()
    aliases: Aliases | None = None
    target: str = ""
    note: str = ""


def predictors(run: Run, instrument: Instrument) -> Chosen:
    """The models of a session: what an alias of the registry names, one model, or the last one of a run.

    Raises
    ------
    DataError
        If the run is not whole.
    ModelError
        If there is no model, it is damaged, was trained on another instrument or on other rows or features, or predicts
        noise and the venue trades real money.
    StoreError
        If the registry cannot be read.
    """
    trained, pipeline = str(run.config["trained"]), open_pipeline(run, instrument)
    columns, descriptors = (
        tuple([column.name for column in of]) for of in (pipeline.columns, pipeline.regime_columns)
    )
    load = partial(_candidate, run, instrument, columns, descriptors)
    chosen = Chosen(columns, load)
    if not trained:
        return chosen
    if is_run(Path(trained)):
        last = _last_model(Path(trained))
        check_fits(read_manifest(last), run, instrument)
        return replace(chosen, candidates=(load(last),))
    registry = _registry(run)
    target, best = registry.alias(trained), load(registry.find(trained))
    chosen = replace(chosen, candidates=(best,))
    if target is None:
        return chosen
    chosen = replace(chosen, aliases=registry, target=target)
    if (before := registry.previous(trained)) is None:
        return chosen
    try:
        second = load(registry.find(before))
    except BtcframeError as error:
        return replace(chosen, note=f"{before}, promoted before it, cannot predict here: {error.what}")
    # both may be the first of their training; in a session each has a number of its own
    numbered = second._replace(model=replace(second.model, index=best.model.index + 1))
    return replace(chosen, candidates=(best, numbered))


def traded_folds(run: Run) -> tuple[Fold, ...]:
    """The models that a backtest of `trained` trades, and when each may be: those of a run's folds, or one of the registry.

    A model of the registry may be traded from when the longest label of its training has ended, and the embargo is over.

    Raises
    ------
    ModelError
        If there are none, or one is damaged.
    StoreError
        If the registry cannot be read.
    """
    trained = str(run.config["trained"])
    if is_run(Path(trained)):
        return saved_folds(Path(trained))
    artefact = _registry(run).find(trained)
    manifest = read_manifest(artefact)
    window = manifest.get("fold") or manifest
    end_ns = window.get("train_end_ns")
    if end_ns is None:
        raise ModelError(
            "the model does not say when its training ended: nothing that it predicts is out of sample for sure",
            where=str(artefact),
            next="Train it again: btcframe train promote.to=…",
        )
    known_ns = end_ns + run.component("label").max_horizon_ns + duration(run.config, "validation", "embargo")
    rows, begun_ns = window.get("train_rows", 0), window.get("train_start_ns")
    return (Fold(manifest["index"], artefact, known_ns, _FOR_EVER, rows, 0, begun_ns, end_ns),)


def is_run(place: Path) -> bool:
    """Whether it can only be meant as the directory of a run: it is no name in a registry, and no artefact."""
    named = len(place.parts) == 1 and not place.exists()
    return not named and not any((place / part).is_dir() for part in ("predictor", ARTEFACT))


def _registry(run: Run) -> Registry:
    return Registry(Path(run.config["promote"]["registry"]))


def _last_model(directory: Path) -> Path:
    """The artefact of a run that knows most: its final fit, or that of the last fold."""
    load_manifest(directory)
    final = directory / MODELS / FINAL
    return final if final.is_dir() else saved_folds(directory)[-1].artefact


def _check_profile(profile: Profile, model: FittedModel, artefact: Path) -> None:
    """Refuse a profile of another model: what it says of columns and predictions is by their place."""
    for kind, found, there in (
        ("columns", len(profile.edges), len(model.columns)),
        ("horizons", len(profile.predicted_edges), len(model.horizons_ns)),
    ):
        if found != there and (found or kind == "columns"):
            raise ModelError(
                f"the model's profile is of {found} {kind}, and the model of {there}", where=str(artefact)
            )


def _candidate(
    run: Run, instrument: Instrument, columns: tuple[str, ...], descriptors: tuple[str, ...], artefact: Path
) -> Candidate:
    """A model that can predict in this session."""
    manifest = read_manifest(artefact)
    check_fits(manifest, run, instrument, MEANING)
    model, profile = load_model(artefact, run.catalog), load_profile(artefact)
    model.check_columns(columns, descriptors)
    refuse_mock(run.component("venue"), model.mock, str(artefact))
    if profile is not None:
        _check_profile(profile, model, artefact)
    fitted_ns = (manifest.get("fold") or manifest).get("train_end_ns") or 0
    candidate = Candidate(model, artefact.resolve().as_posix(), fitted_ns, profile)
    rehearse(candidate)
    return candidate
