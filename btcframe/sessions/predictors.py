"""Which models a session predicts with: what its setting `trained` comes to, read, checked and seen to work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from btcframe.errors import BtcframeError, ModelError
from btcframe.learning.folds import FINAL, MODELS, saved_folds
from btcframe.models.artefacts import load_model, read_manifest
from btcframe.models.mocks import refuse_mock
from btcframe.models.production import Aliases, Candidate, rehearse
from btcframe.models.profile import load_profile
from btcframe.models.registry import ARTEFACT, Registry
from btcframe.run import Run, load_manifest
from btcframe.sessions.fits import MEANING, check_fits
from btcframe.sessions.session import open_pipeline
from btcframe.types import Instrument


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
    if _is_run(Path(trained)):
        last = _last_model(Path(trained))
        check_fits(read_manifest(last), run, instrument)
        return replace(chosen, candidates=(load(last),))
    registry = Registry(Path(run.config["promote"]["registry"]))
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


def _is_run(place: Path) -> bool:
    """Whether it can only be meant as the directory of a run: it is no name in a registry, and no artefact."""
    named = len(place.parts) == 1 and not place.exists()
    return not named and not any((place / part).is_dir() for part in ("predictor", ARTEFACT))


def _last_model(directory: Path) -> Path:
    """The artefact of a run that knows most: its final fit, or that of the last fold."""
    load_manifest(directory)
    final = directory / MODELS / FINAL
    return final if final.is_dir() else saved_folds(directory)[-1].artefact


def _candidate(
    run: Run, instrument: Instrument, columns: tuple[str, ...], descriptors: tuple[str, ...], artefact: Path
) -> Candidate:
    """A model that can predict in this session."""
    manifest = read_manifest(artefact)
    check_fits(manifest, run, instrument, MEANING)
    model, profile = load_model(artefact, run.catalog), load_profile(artefact)
    model.check_columns(columns, descriptors)
    refuse_mock(run.component("venue"), model.mock, str(artefact))
    if profile is not None and len(profile.edges) != len(columns):
        raise ModelError(
            f"the model's profile is of {len(profile.edges)} columns, and the model of {len(columns)}",
            where=str(artefact),
        )
    fitted_ns = (manifest.get("fold") or manifest).get("train_end_ns") or 0
    candidate = Candidate(model, artefact.resolve().as_posix(), fitted_ns, profile)
    rehearse(candidate)
    return candidate
