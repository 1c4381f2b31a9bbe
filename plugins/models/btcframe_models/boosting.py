"""Histogram gradient boosting, a sequence of small trees per horizon."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.api import Fitting, Part, TrainingSet
from btcframe.kernels.trees import Tree, forest
from btcframe.types import Ints
from btcframe_models.parts import threads
from btcframe_models.settings import check_between, check_leaves, check_whole
from btcframe_models.window import FEWEST, Window, parted, weighted_deviation, window

if TYPE_CHECKING:
    from btcframe_models.forest import ForestPredictor


@dataclass(frozen=True)
class Boosting:
    """Gradient boosting of regression trees on binned columns, one sequence of trees per horizon.

    Each tree fits what the ones before left over, and is added `learning_rate` times. How many there are is found on
    the last `holdout` of the training window, purged of labels that reach into it: where `patience` more trees
    do not make its squared error smaller, it stops; then the whole window is learned from with as many trees. With
    `holdout` 0, or a window too short to part, there are `trees`. Missing values go the way that fits best. A row
    missing more than `max_missing` of the columns is not trained on, and its prediction is NaN; so is a horizon
    without labels.

    p_up and the interval come from a normal distribution with the standard deviation of what was left on the
    holdout: a rough guide, not calibrated (`ensemble` calibrates). Regime probabilities are not used. The trees are
    scikit-learn's (HistGradientBoostingRegressor); predictions are the same bits as its own.

    Parameters
    ----------
    trees : int            at most, per horizon
    leaves : int           of a tree, at most
    learning_rate : float  above 0, up to 1
    min_leaf : int         training rows in a leaf, at least
    l2 : float             penalty of a leaf's value
    bins : int             of a column, 2 to 255
    holdout : float        share of the window that decides on the number of trees, 0 to 0.5
    patience : int         trees without improvement until it stops
    max_missing : float    share of the columns that may be missing in a row, 0 to 1
    coverage : float       of the interval low … high, between 0 and 1

    References
    ----------
    Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 29, 2001.
    """

    trees: int = 100
    leaves: int = 15
    learning_rate: float = 0.08
    min_leaf: int = 200
    l2: float = 1.0
    bins: int = 63
    holdout: float = 0.2
    patience: int = 10
    max_missing: float = 0.2
    coverage: float = 0.8

    def __post_init__(self) -> None:
        check_whole(
            self, trees=(1, 10_000), leaves=(2, 1024), min_leaf=(1, None), bins=(2, 255), patience=(1, None)
        )
        check_leaves(self.learning_rate, self.l2, self.coverage)
        check_between(self, holdout=(0, 0.5), max_missing=(0, 1))

    def fit(self, data: TrainingSet) -> ForestPredictor:
        """Fit every horizon.

        Raises
        ------
        ModelError
            If no column varies, a horizon has fewer than 40 labelled rows, or its label never changes.
        """
        learned, train, test = self._begun(data)
        bins = Bins(self._bins(data, learned, None), self._bins(data, learned, train))
        horizons = range(len(data.horizons_ns))
        # scikit-learn gives the lock back while it grows a tree
        with ThreadPoolExecutor(threads(len(horizons))) as pool:
            found = list(
                pool.map(lambda h: self._horizon(learned, bins, h, train, test, data.seed), horizons)
            )
        return self._made(data, found, learned.used)

    def fitting(self, data: TrainingSet) -> Fitting:
        """The same, part by part: the bins of the window and of what is before the holdout, then a horizon each."""
        whole, ahead = yield [Part(_binned, (self, False)), Part(_binned, (self, True))]
        bins = Bins(whole, ahead)
        found = yield [Part(_alone, (self, bins, h)) for h in range(len(data.horizons_ns))]
        return self._made(data, [horizon for horizon, _ in found], found[0][1])

    def _begun(self, data: TrainingSet) -> tuple[Window, Ints, Ints]:
        """The rows that can be learned from, and of them those to find the number of trees on and by."""
        learned, rows = window("boosting", data, self.max_missing)
        return learned, *parted(data, rows, self.holdout)

    def _bins(self, data: TrainingSet, learned: Window, train: Ints | None) -> Any:
        """The columns' bins, of all rows or of some; None where there are none of these."""
        from btcframe_models.regressor import bins_of

        if train is None:
            return bins_of(learned.x, self.bins, data.seed)
        return bins_of(learned.x[train], self.bins, data.seed) if len(train) else None

    def _made(
        self, data: TrainingSet, found: Sequence[tuple[float, float, list[Tree]]], used: npt.NDArray[np.bool_]
    ) -> ForestPredictor:
        from btcframe_models.forest import ForestPredictor, Grown

        trees = [tree for _, _, sequence in found for tree in sequence]
        count = len(found)
        grown = Grown(
            forest(trees, single=False),
            start=np.array([start for start, _, _ in found]),
            trees=np.ones(count),
            scale=np.ones(count),
            sigma=np.array([sigma for _, sigma, _ in found]),
            used=used,
            max_missing=int(self.max_missing * np.count_nonzero(used)),
            width=statistics.NormalDist().inv_cdf((1 + self.coverage) / 2),
        )
        return ForestPredictor(data.columns, data.horizons_ns, grown)

    def as_found(self, predictor: ForestPredictor) -> Boosting:
        """The same recipe with the number of trees that was found: nothing is set aside to find it again."""
        outputs = predictor.grown.forest.outputs
        return replace(self, trees=max(1, len(outputs) // len(predictor.horizons_ns)), holdout=0.0)

    def load(self, directory: Path) -> ForestPredictor:
        """Read what `ForestPredictor.save` wrote."""
        from btcframe_models.forest import load_forest

        return load_forest(directory)

    def _horizon(
        self, w: Window, bins: Bins, h: int, train: Ints, test: Ints, seed: int
    ) -> tuple[float, float, list[Tree]]:
        """Start, standard deviation of what is left, and trees of one horizon."""
        from threadpoolctl import threadpool_limits

        y, known = w.y[:, h], np.isfinite(w.y[:, h])
        trees, sigma = self.trees, float("nan")
        # several threads would sum in another order: the bits must not depend on how many there are
        with threadpool_limits(1, "openmp"):
            train, test = train[known[train]], test[known[test]]
            if judged := min(len(train), len(test)) >= FEWEST:
                tried = self._regressor(trees, bins.train, seed).set_params(
                    early_stopping=True, n_iter_no_change=self.patience, tol=0.0
                )
                tried.fit(
                    w.x[train], y[train], sample_weight=w.weight[train],
                    X_val=w.x[test], y_val=y[test], sample_weight_val=w.weight[test],
                )  # fmt: skip
                trees = max(1, int(np.argmax(tried.validation_score_[1:])) + 1)
                sigma = weighted_deviation(y[test] - tried.predict(w.x[test]), w.weight[test])
            fitted = self._regressor(trees, bins.whole, seed)
            fitted.fit(w.x[known], y[known], sample_weight=w.weight[known])
            if not judged:
                sigma = weighted_deviation(y[known] - fitted.predict(w.x[known]), w.weight[known])
        return float(fitted._baseline_prediction[0, 0]), sigma, trees_of(fitted, h)

    def _regressor(self, trees: int, bins: Any, seed: int) -> Any:
        from btcframe_models.regressor import Regressor

        regressor = Regressor(
            learning_rate=self.learning_rate, max_iter=trees, max_leaf_nodes=self.leaves, min_samples_leaf=self.min_leaf,
            l2_regularization=self.l2, max_bins=self.bins, early_stopping=False, random_state=seed,
        )  # fmt: skip
        regressor.bins = bins
        return regressor


def _binned(data: TrainingSet, recipe: Boosting, ahead: bool) -> Any:
    """The bins of the window, or of what is before the holdout."""
    learned, train, _ = recipe._begun(data)
    return recipe._bins(data, learned, train if ahead else None)


def _alone(
    data: TrainingSet, recipe: Boosting, bins: Bins, h: int
) -> tuple[tuple[float, float, list[Tree]], npt.NDArray[np.bool_]]:
    """One horizon, and the columns that vary."""
    learned, train, test = recipe._begun(data)
    return recipe._horizon(learned, bins, h, train, test, data.seed), learned.used


class Bins(NamedTuple):
    """Of the columns, for all horizons: from the whole window, and from the part of it that the rest judges."""

    whole: Any
    train: Any


def trees_of(fitted: Any, output: int) -> list[Tree]:
    """The trees of a fitted HistGradientBoostingRegressor, in order."""
    trees = []
    for (predictor,) in fitted._predictors:
        nodes = predictor.nodes
        trees.append(
            Tree(
                feature=np.where(nodes["is_leaf"] == 1, -1, nodes["feature_idx"]),
                threshold=nodes["num_threshold"],
                left=nodes["left"].astype(np.int64),
                right=nodes["right"].astype(np.int64),
                missing_left=nodes["missing_go_to_left"] == 1,
                value=nodes["value"][:, None],
                output=output,
            )
        )
    return trees
