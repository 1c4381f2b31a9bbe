"""The ensemble with weights of its own for each market regime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from btcframe.api import Fitting, Model, TrainingSet
from btcframe_models.ensemble import check, models

if TYPE_CHECKING:
    from btcframe_models.stacking import StackPredictor


@dataclass(frozen=True)
class RegimeMixture:
    """Members weighted by what the market is like: mean = Σ_r p_r Σ_m w_rm f_m.

    As `ensemble`, but the weights of regime r are the least squares on its rows, each row counting by its
    probability p_r, and `prior` rows' worth of all rows: a regime that is hardly ever there has the
    weights of the rest. Where the probabilities are not known, the common weights hold.

    Parameters
    ----------
    members : tuple of str     of ridge, boosting, extra_trees, other
    ridge, boosting, extra_trees : Model or None     another setting or model in its place; as it is by default without
    other : Model or None      one more, of any plugin
    coverage : float           of the interval, between 0 and 1
    prior : float              rows' worth of the common weights, 0 or more

    References
    ----------
    Jacobs, Jordan, Nowlan & Hinton, Adaptive mixtures of local experts, Neural Computation 3, 1991.
    """

    members: tuple[str, ...] = ("ridge", "boosting", "extra_trees")
    ridge: Model | None = None
    boosting: Model | None = None
    extra_trees: Model | None = None
    other: Model | None = None
    coverage: float = 0.8
    prior: float = 5000.0

    def __post_init__(self) -> None:
        check(self.members, self.other, self.coverage)
        if not 0 <= self.prior < float("inf"):
            raise ValueError(f"prior: {self.prior} is not a number of rows")

    def fit(self, data: TrainingSet) -> StackPredictor:
        """Fit the members, and their weights in each regime ahead of them.

        Raises
        ------
        ModelError
            If a member cannot be fitted.
        """
        from btcframe_models.stacking import fit_stack

        return fit_stack("regime_mixture", self._models(), data, coverage=self.coverage, prior=self.prior)

    def fitting(self, data: TrainingSet) -> Fitting:
        """The same, part by part: members, and horizons of those that are fitted horizon by horizon."""
        from btcframe_models.stacking import stacking

        return stacking("regime_mixture", self._models(), data, coverage=self.coverage, prior=self.prior)

    def load(self, directory: Path) -> StackPredictor:
        """Read what `StackPredictor.save` wrote."""
        from btcframe_models.stacking import load_stack

        return load_stack(directory, self._models())

    def _models(self) -> Mapping[str, Model]:
        return models(self.members, self.ridge, self.boosting, self.extra_trees, self.other)
