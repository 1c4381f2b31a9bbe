"""From a training to a model in use: into the registry, through the gate, under an alias."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from btcframe.errors import ModelError, PromotionError
from btcframe.learning.folds import FINAL, MODELS, saved_folds
from btcframe.learning.tables import TrainingTable
from btcframe.models.artefacts import MANIFEST, read_manifest
from btcframe.models.gate import RULE, may_promote
from btcframe.models.registry import Promoted, Registry
from btcframe.run import Run, any_manifest, load_manifest
from btcframe.sections import Promote
from btcframe.types import duration_ns

_TOLD = ("id", "verb", "started", "command", "config_hash")
"""What the registry keeps of a run's manifest, beside what its models are worth."""


class Candidate(NamedTuple):
    """A model that may be shown, compared or promoted.

    Parameters
    ----------
    artefact : Path
    manifest : mapping    the artefact's
    told : mapping        what its run told; empty where that is not known
    """

    artefact: Path
    manifest: Mapping[str, Any]
    told: Mapping[str, Any]

    @property
    def final(self) -> bool:
        """Fitted on all rows of its run, not on those of one fold."""
        return self.manifest.get("fold") is None


def told_by(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the registry keeps of a run.

    Parameters
    ----------
    run : mapping    the run's manifest, its training done
    """
    return {key: run[key] for key in _TOLD if key in run} | dict(run.get("results", {}).get("train", {}))


def candidate(registry: Registry, name: str) -> Candidate:
    """The model of a name as `Registry.find` takes it, or of a run's directory: its final fit, else its last fold.

    Raises
    ------
    DataError
        If the run is not whole.
    ModelError, StoreError
        If there is no such model, or it is damaged.
    """
    directory = Path(name)
    if name not in registry.aliases() and (directory / MODELS).is_dir() and (directory / MANIFEST).is_file():
        told = told_by(load_manifest(directory))
        final = directory / MODELS / FINAL
        artefact = final if final.is_dir() else saved_folds(directory)[-1].artefact
        return Candidate(artefact, read_manifest(artefact), told)
    entry = registry.entry(name)
    run = entry.run
    beside = entry.artefact.resolve().parent.parent
    if not run and entry.artefact.parent.name == MODELS and (beside / MANIFEST).is_file():
        run = told_by(any_manifest(beside))  # an artefact where its run left it
    return Candidate(entry.artefact, entry.manifest, run)


def offer(
    registry: Registry, alias: str, offered: Candidate, *, by: str, force: bool = False, reason: str = ""
) -> Promoted:
    """Put a model into the registry and, where the gate lets it through, let the alias point to it.

    Parameters
    ----------
    registry : Registry
    alias : str
    offered : Candidate
    by : str         who asks for it
    force : bool     promote it whatever the gate says
    reason : str     why it is forced

    Returns
    -------
    Promoted    `refused` where the gate did not; that is written down, too

    Raises
    ------
    ConfigError, ModelError, StoreError
    """
    model = registry.add(offered.artefact, offered.told)
    refusal = may_promote(offered.told.get("worth", ()))
    if refusal is not None and not force:
        return registry.refuse(alias, model, by=by, reason=str(refusal))
    return registry.point(
        alias, model, by=by, forced=refusal is not None, reason=reason if refusal is not None else ""
    )


def check_promoted(promoted: Promoted, registry: Registry) -> None:
    """Raise PromotionError where the gate refused a model."""
    if promoted.refused:
        where = "" if registry.path == Path("models") else f" --registry {registry.path}"
        raise PromotionError(
            f"{promoted.model} was not promoted to {promoted.alias}: {promoted.reason}",
            hint=f"{RULE}\n{_stays(promoted)}",
            next=f"All the same: btcframe models promote {promoted.model} --as {promoted.alias} --force --reason TEXT{where}",
        )


def line(promoted: Promoted) -> str:
    """A promotion in a line; "" for a refusal, which is an error."""
    forced = f", forced: {promoted.reason}" if promoted.forced else ""
    was = f" (it was {promoted.before})" if promoted.before else ""
    return f"{promoted.alias} is {promoted.model}{was}{forced}"


def _stays(promoted: Promoted) -> str:
    return (
        f"{promoted.alias} stays {promoted.before}."
        if promoted.before
        else f"There is no {promoted.alias} yet."
    )


# ---------------------------------------------------------------------------------------- steps of the train job


@contextlib.contextmanager
def alone(run: Run) -> Iterator[None]:
    """Hold the right to train for the alias that `promote.to` names; nothing where it names none.

    Raises
    ------
    StoreError
        If another training for it has not ended.
    """
    settings = wanted(run.config)
    with Registry(Path(settings.registry)).training(settings.to) if settings.to else contextlib.nullcontext():
        yield


def wanted(config: Mapping[str, Any]) -> Promote:
    """The section `promote`; a config of an older version has none, and promotes nothing."""
    return Promote(**config.get("promote", {}))


def newest(table: TrainingTable, config: Mapping[str, Any]) -> TrainingTable:
    """The rows of a table that `promote.newest` asks for: those later than the last one less so long."""
    newest_ns = duration_ns(wanted(config).newest, zero=True)
    if newest_ns == 0 or len(table) == 0:
        return table
    first = int(np.searchsorted(table.row_ns, table.row_ns[-1] - newest_ns, side="right"))
    names = ("row_ns", "quality", "mid", "x", "descriptors", "y", "t_end")
    return replace(table, **{name: getattr(table, name)[first:] for name in names})


def promote(run: Run) -> None:
    """Offer a training's final fit to the alias that `promote.to` names, and say what became of it.

    A refusal fails no run, for the training is whole: it stands in the manifest, see `check_run`.

    Raises
    ------
    ModelError, StoreError
    """
    settings = wanted(run.config)
    if not settings.to:
        return
    artefact = run.dir / MODELS / FINAL
    if not artefact.is_dir():
        raise ModelError(f"{run.dir} has no model to promote", hint="It has no final fit: validation.final.")
    offered = Candidate(artefact, read_manifest(artefact), told_by(run.manifest))
    promoted = offer(Registry(Path(settings.registry)), settings.to, offered, by=run.manifest["id"])
    run.manifest["results"]["promotion"] = asdict(promoted)
    if not promoted.refused:
        run.say(f"{line(promoted)}. Sessions may trade on it: btcframe trade trained={promoted.alias}")


def check_run(run: Run) -> None:
    """Raise PromotionError where a run's model was refused, after the run has ended well."""
    told = run.manifest.get("results", {}).get("promotion")
    if told is not None:
        check_promoted(Promoted(**told), Registry(Path(wanted(run.config).registry)))
