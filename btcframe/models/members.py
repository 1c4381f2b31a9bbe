"""How much each member of a model that has members counts: for who looks at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from btcframe.models.artefacts import Builder, load_model

Weights = Mapping[str, Sequence[float]]
"""By the member's name, one per horizon."""


def weights_of(artefacts: Iterable[Path], catalog: Builder) -> list[Weights]:
    """The weights of the members of each model, as its predictor's property `weights` tells them; none where it has none.

    Parameters
    ----------
    artefacts : iterable of Path    of models of one kind
    catalog : Catalog

    Raises
    ------
    ModelError, PluginError, ConfigError
        If one cannot be loaded; see `artefacts.load_model`.
    """
    found: list[Weights] = []
    for artefact in artefacts:
        weights = getattr(load_model(artefact, catalog).predictor, "weights", None)
        if weights is None:
            return []
        found.append({name: values.tolist() for name, values in weights.items()})
    return found
