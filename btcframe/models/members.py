"""What a fitted model is made of, where it tells: the weights of its members, and the columns it chose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from btcframe.models.artefacts import Builder, load_model


class Inside(NamedTuple):
    """What a predictor tells of itself.

    Parameters
    ----------
    weights : mapping    of its members by name, one per horizon, from its property `weights`; empty without members
    chosen : mapping     importance by column, None where it was not measured, of those that its property `selection` has
                         in `chosen` and `importance`; empty where it uses all
    """

    weights: Mapping[str, Sequence[float]]
    chosen: Mapping[str, float | None]


def inside(artefacts: Iterable[Path], catalog: Builder) -> list[Inside]:
    """What each model tells; nothing where they are of a kind that has nothing to tell.

    Parameters
    ----------
    artefacts : iterable of Path    of models of one kind
    catalog : Catalog

    Raises
    ------
    ModelError, PluginError, ConfigError
        If one cannot be loaded; see `artefacts.load_model`.
    """
    found: list[Inside] = []
    for artefact in artefacts:
        predictor = load_model(artefact, catalog).predictor
        weights, selection = (getattr(predictor, name, None) for name in ("weights", "selection"))
        if weights is None and selection is None:
            return []
        found.append(
            Inside(
                {name: values.tolist() for name, values in (weights or {}).items()},
                {name: selection.importance.get(name) for name in selection.chosen} if selection else {},
            )
        )
    return found
