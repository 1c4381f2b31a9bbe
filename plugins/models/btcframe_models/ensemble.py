"""Ridge, boosting and extra trees as one model, which believes each as far as it has been right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from btcframe.api import Fitting, Model, TrainingSet
from btcframe_models.boosting import Boosting
from btcframe_models.extra_trees import ExtraTrees
from btcframe_models.ridge import Ridge

if TYPE_CHECKING:
    from btcframe_models.stacking import StackPredictor


@dataclass(frozen=True)
class Ensemble:
    """A weighted sum of models, per horizon.

    mean = Σ_m w_m f_m with w_m ≥ 0, the least squares on predictions that the members made of later parts of the
    training window when fitted on what was before them (purged): so a member that learned noise by heart gets
    nothing. The weights need not add up to 1: what is too loud is turned down. The same predictions tell the rest.
    p_up = 1/(1 + exp(−(a + b·mean))), a logistic regression of the direction on the mean, and the interval
    low … high is conformal: quantiles of what was left, so that it covers as often as it says as long as a regime
    stays as wild as it was. Both are learned for each regime, its rows weighted by its probability, and mixed by the
    probabilities of the row; where these are not known, those of all rows count. Where the window is too short for that, the members count the same, and
    there is neither probability nor interval; a warning says so.

    Parameters
    ----------
    members : tuple of str     of ridge, boosting, extra_trees, other
    ridge, boosting, extra_trees : Model or None     another setting or model in its place; as it is by default without
    other : Model or None      one more, of any plugin
    coverage : float           of the interval, between 0 and 1

    References
    ----------
    Breiman, Stacked regressions, Machine Learning 24, 1996. Dawid, Statistical theory: the prequential approach, JRSS A
    147, 1984.
    """

    members: tuple[str, ...] = ("ridge", "boosting", "extra_trees")
    ridge: Model | None = None
    boosting: Model | None = None
    extra_trees: Model | None = None
    other: Model | None = None
    coverage: float = 0.8

    def __post_init__(self) -> None:
        check(self.members, self.other, self.coverage)

    def fit(self, data: TrainingSet) -> StackPredictor:
        """Fit the members, and their weights ahead of them.

        Raises
        ------
        ModelError
            If a member cannot be fitted.
        """
        from btcframe_models.stacking import fit_stack

        return fit_stack("ensemble", self._models(), data, coverage=self.coverage, prior=None)

    def fitting(self, data: TrainingSet) -> Fitting:
        """The same, part by part: members, and horizons of those that are fitted horizon by horizon."""
        from btcframe_models.stacking import stacking

        return stacking("ensemble", self._models(), data, coverage=self.coverage, prior=None)

    def load(self, directory: Path) -> StackPredictor:
        """Read what `StackPredictor.save` wrote."""
        from btcframe_models.stacking import load_stack

        return load_stack(directory, self._models())

    def _models(self) -> Mapping[str, Model]:
        return models(self.members, self.ridge, self.boosting, self.extra_trees, self.other)


NAMES = ("ridge", "boosting", "extra_trees", "other")


def models(
    members: tuple[str, ...], ridge: Model | None, boosting: Model | None, extra_trees: Model | None, other: Model | None
) -> Mapping[str, Model]:  # fmt: skip
    """The members by name, in order."""
    standard: tuple[Model | None, ...] = (
        ridge or Ridge(), boosting or Boosting(), extra_trees or ExtraTrees(), other,
    )  # fmt: skip
    given = dict(zip(NAMES, standard, strict=True))
    return {name: model for name in members if (model := given[name]) is not None}


def check(members: tuple[str, ...], other: Model | None, coverage: float) -> None:
    """Raise ValueError unless the members are known ones, each once, and the coverage is one."""
    if not members:
        raise ValueError(f"members: at least one is needed, of {', '.join(NAMES)}")
    for name in members:
        if name not in NAMES:
            raise ValueError(f"members: there is no {name!r}: choose of {', '.join(NAMES)}")
        if members.count(name) > 1:
            raise ValueError(f"members: {name} is there twice")
    if ("other" in members) != (other is not None):
        raise ValueError("other: a model and the name other in members go together")
    if not 0 < coverage < 1:
        raise ValueError(f"coverage: {coverage} is not between 0 and 1")
