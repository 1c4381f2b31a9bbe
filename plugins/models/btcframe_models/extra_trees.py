"""Extremely randomised trees, one forest for all horizons."""

from __future__ import annotations

import statistics
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from btcframe.api import TrainingSet
from btcframe.errors import ModelError
from btcframe.kernels.trees import Tree, forest
from btcframe.types import Floats, Ints
from btcframe_models.parts import threads
from btcframe_models.settings import check_between, check_whole
from btcframe_models.window import FEWEST, Window, parted, window

if TYPE_CHECKING:
    from btcframe_models.forest import ForestPredictor


@dataclass(frozen=True)
class ExtraTrees:
    """A forest of extremely randomised trees; a leaf holds the mean return at every horizon.

    Every tree sees all rows; at each node, of `max_features` of the columns at a random threshold each, the one that parts
    best is taken, so the trees differ and their mean is smooth. The horizons share the trees: labels are divided by
    their standard deviation, so that each counts the same, and a row is learned from where all of them are known.
    Missing values go the way that fits best. A row missing more than `max_missing` of the columns is not trained on,
    and its prediction is NaN.

    p_up and the interval come from a normal distribution with the standard deviation of what the forest, learned
    without it, left on the last `holdout` of the window: a rough guide, not calibrated (`ensemble` calibrates). With
    `holdout` 0 there are none. Regime probabilities are not used. The trees are scikit-learn's (ExtraTreesRegressor);
    predictions are the same bits as its own at one job.

    Parameters
    ----------
    trees : int            in the forest
    max_features : float   share of the columns that a node looks at, above 0, up to 1
    min_leaf : int         training rows in a leaf, at least
    holdout : float        share of the window that tells how far it is off, 0 to 0.5
    max_missing : float    share of the columns that may be missing in a row, 0 to 1
    coverage : float       of the interval low … high, between 0 and 1
    jobs : int             threads that grow trees, at most; the bits do not depend on it

    References
    ----------
    Geurts, Ernst & Wehenkel, Extremely randomized trees, Machine Learning 63, 2006.
    """

    trees: int = 32
    max_features: float = 0.1
    min_leaf: int = 400
    holdout: float = 0.2
    max_missing: float = 0.2
    coverage: float = 0.8
    jobs: int = 2

    def __post_init__(self) -> None:
        check_whole(self, trees=(1, None), min_leaf=(1, None), jobs=(1, None))
        if not 0 < self.max_features <= 1:
            raise ValueError(f"max_features: {self.max_features} is not above 0, up to 1")
        check_between(self, holdout=(0, 0.5), max_missing=(0, 1))
        if not 0 < self.coverage < 1:
            raise ValueError(f"coverage: {self.coverage} is not between 0 and 1")

    def fit(self, data: TrainingSet) -> ForestPredictor:
        """Fit all horizons.

        Raises
        ------
        ModelError
            If no column varies, a horizon has fewer than 40 labelled rows, or its label never changes.
        """
        from btcframe_models.forest import ForestPredictor, Grown

        learned, rows = window("extra_trees", data, self.max_missing)
        known = np.asarray(np.isfinite(learned.y).all(axis=1))
        if np.count_nonzero(known) < FEWEST:
            raise ModelError(
                f"extra_trees: {np.count_nonzero(known):,} training rows have a label at every horizon; {FEWEST} are needed",
                hint="Use more data, fewer folds, or shorter horizons.",
            )
        spread = learned.y[known].std(axis=0)
        train, test = parted(data, rows, self.holdout)
        sigma = np.full(len(spread), np.nan)
        if len(train := train[known[train]]) >= FEWEST and len(test := test[known[test]]):
            tried = self._grown(learned, train, spread, data.seed)
            tried.set_params(n_jobs=1)  # several threads add the trees in the order in which they come
            said = tried.predict(_single(learned.x[test])).reshape(len(test), -1) * spread
            left = learned.y[test] - said
            sigma = np.sqrt(np.average(left**2, axis=0, weights=learned.weight[test]))
        fitted = self._grown(learned, np.flatnonzero(known), spread, data.seed)
        grown = Grown(
            forest(trees_of(fitted), single=True),
            start=np.zeros(len(spread)),
            trees=np.full(len(spread), float(self.trees)),
            scale=spread,
            sigma=sigma,
            used=learned.used,
            max_missing=int(self.max_missing * np.count_nonzero(learned.used)),
            width=statistics.NormalDist().inv_cdf((1 + self.coverage) / 2),
        )
        return ForestPredictor(data.columns, data.horizons_ns, grown)

    def as_found(self, predictor: ForestPredictor) -> ExtraTrees:
        """The same recipe without a holdout: somebody else asks how far it is off."""
        return replace(self, holdout=0.0)

    def load(self, directory: Path) -> ForestPredictor:
        """Read what `ForestPredictor.save` wrote."""
        from btcframe_models.forest import load_forest

        return load_forest(directory)

    def _grown(self, w: Window, rows: Ints, spread: Floats, seed: int) -> Any:
        from sklearn.ensemble import ExtraTreesRegressor

        regressor = ExtraTreesRegressor(
            self.trees,
            max_features=self.max_features,
            min_samples_leaf=self.min_leaf,
            n_jobs=threads(self.jobs),
            random_state=seed,
        )
        with warnings.catch_warnings():  # scikit-learn sets filters in its threads, and may not set them back
            return regressor.fit(_single(w.x[rows]), w.y[rows] / spread, sample_weight=w.weight[rows])


def _single(x: Floats) -> npt.NDArray[np.float32]:
    """In single precision, which scikit-learn compares; what is too large for it is missing."""
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    single[np.isinf(single)] = np.nan
    return single


def trees_of(fitted: Any) -> list[Tree]:
    """The trees of a fitted forest of scikit-learn's, in order."""
    return [
        Tree(
            feature=np.where(grown.children_left < 0, -1, grown.feature),
            threshold=grown.threshold,
            left=grown.children_left,
            right=grown.children_right,
            missing_left=grown.missing_go_to_left == 1,
            value=grown.value[:, :, 0],
        )
        for grown in (estimator.tree_ for estimator in fitted.estimators_)
    ]
