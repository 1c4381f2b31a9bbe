"""LightGBM's gradient boosting, served by our kernel: the library is needed to fit, and for nothing else."""

from __future__ import annotations

import logging
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe.api import TrainingSet
from btcframe.errors import ModelError, PluginError
from btcframe.kernels.trees import Tree, forest
from btcframe.types import Ints
from btcframe_models.settings import check_between, check_leaves, check_whole
from btcframe_models.window import FEWEST, Window, weighted_deviation, window

if TYPE_CHECKING:
    from btcframe_models.forest import ForestPredictor

log = logging.getLogger(__name__)

ZERO = float(np.float32(1e-35))
"""What is not further from 0 than this, LightGBM takes for 0 when it predicts."""


@dataclass(frozen=True)
class LightGBM:
    """Gradient boosting as LightGBM grows it, one sequence of trees per horizon.

    Leaf by leaf, the one that gains most first; each tree is added `learning_rate` times. How many trees there are is
    found on the last of the splits that the validation makes inside the training window (purged): where `patience`
    more trees do not make the squared error of its test rows smaller, it stops; then the whole window is learned from
    with as many. With `patience` 0, or a window too short to be split, there are `trees`; a warning says the
    latter. A column that has missing values in training sends them the way that fits best; in one that has
    none, a missing value counts as 0. A row missing more than `max_missing` of the columns is not trained on, and its
    prediction is NaN.

    p_up and the interval come from a normal distribution with the standard deviation of what was left on the
    test rows: a rough guide, not calibrated (`ensemble` calibrates, of which this can be a member: `other`). Regime
    probabilities are not used. One thread, rows before columns, its `deterministic` on: the same bits each time.
    The predictions are the bits of LightGBM's own; it is needed to fit, not to predict:
    pip install 'btcframe-models[lightgbm]'.

    Parameters
    ----------
    trees : int            at most, per horizon
    leaves : int           of a tree, at most
    learning_rate : float  above 0, up to 1
    min_leaf : int         training rows in a leaf, at least
    l2 : float             penalty of a leaf's value
    bins : int             of a column, 2 to 255
    max_features : float   share of the columns that a tree may use, above 0, up to 1
    patience : int         trees without improvement until it stops; 0: never
    max_missing : float    share of the columns that may be missing in a row, 0 to 1
    coverage : float       of the interval low … high, between 0 and 1

    References
    ----------
    Ke et al., LightGBM: a highly efficient gradient boosting decision tree, NIPS 2017.
    """

    trees: int = 100
    leaves: int = 15
    learning_rate: float = 0.08
    min_leaf: int = 200
    l2: float = 1.0
    bins: int = 63
    max_features: float = 1.0
    patience: int = 10
    max_missing: float = 0.2
    coverage: float = 0.8

    def __post_init__(self) -> None:
        check_whole(
            self, trees=(1, 10_000), leaves=(2, 1024), min_leaf=(1, None), bins=(2, 255), patience=(0, None)
        )
        check_leaves(self.learning_rate, self.l2, self.coverage)
        check_between(self, max_missing=(0, 1))
        if not 0 < self.max_features <= 1:
            raise ValueError(f"max_features: {self.max_features} is not above 0, up to 1")

    def fit(self, data: TrainingSet) -> ForestPredictor:
        """Fit every horizon.

        Raises
        ------
        ModelError
            If no column varies, a horizon has fewer than 40 labelled rows, or its label never changes.
        PluginError
            If LightGBM is not installed.
        """
        from btcframe_models.forest import ForestPredictor, Grown

        learned, rows = window("lightgbm", data, self.max_missing)
        library = _library()
        train, test = self._last_split(data, rows)
        count = len(data.horizons_ns)
        trees: list[Tree] = []
        sigma = np.zeros(count)
        for h in range(count):
            sequence, sigma[h] = self._horizon(library, learned, h, train, test, data.seed)
            trees += sequence
        grown = Grown(
            forest(trees, single=False),
            start=np.zeros(count),  # LightGBM adds it to the leaves of the first tree
            trees=np.ones(count),
            scale=np.ones(count),
            sigma=sigma,
            used=learned.used,
            max_missing=int(self.max_missing * np.count_nonzero(learned.used)),
            width=statistics.NormalDist().inv_cdf((1 + self.coverage) / 2),
        )
        return ForestPredictor(data.columns, data.horizons_ns, grown)

    def as_found(self, predictor: ForestPredictor) -> LightGBM:
        """The same recipe with the number of trees that was found: nothing is set aside to find it again."""
        outputs = predictor.grown.forest.outputs
        return replace(self, trees=max(1, len(outputs) // len(predictor.horizons_ns)), patience=0)

    def load(self, directory: Path) -> ForestPredictor:
        """Read what `ForestPredictor.save` wrote."""
        from btcframe_models.forest import load_forest

        return load_forest(directory)

    def _last_split(self, data: TrainingSet, rows: Ints) -> tuple[Ints, Ints]:
        """Places in `rows` to learn from and to judge by; both empty where there are none."""
        nothing = np.empty(0, np.int64)
        if not self.patience:
            return nothing, nothing
        try:
            splits = list(data.splitter.split(data.row_ns[rows], data.t_end[rows]))
        except ModelError as error:
            log.warning(
                "lightgbm: %d trees, for the window cannot be split to find out: %s", self.trees, error.what
            )
            return nothing, nothing
        return (splits[-1].train, splits[-1].test) if splits else (nothing, nothing)

    def _horizon(
        self, library: Any, w: Window, h: int, train: Ints, test: Ints, seed: int
    ) -> tuple[list[Tree], float]:
        """Trees of one horizon, and the standard deviation of what is left."""
        y, known = w.y[:, h], np.isfinite(w.y[:, h])
        trees, judged = self.trees, np.flatnonzero(known)
        settings = self._settings(seed)
        train, test = train[known[train]], test[known[test]]
        fitted = None
        if min(len(train), len(test)) >= FEWEST:
            learn = library.Dataset(w.x[train], y[train], weight=w.weight[train], params=settings)
            judge = library.Dataset(
                w.x[test], y[test], weight=w.weight[test], params=settings, reference=learn
            )
            fitted = library.train(
                settings, learn, trees, valid_sets=[judge],
                callbacks=[library.early_stopping(self.patience, verbose=False)],
            )  # fmt: skip
            trees, judged = max(1, fitted.best_iteration), test
        whole = library.train(
            settings, library.Dataset(w.x[known], y[known], weight=w.weight[known], params=settings), trees
        )
        said = (fitted or whole).predict(w.x[judged], num_iteration=trees)
        return trees_of(whole, h), weighted_deviation(y[judged] - said, w.weight[judged])

    def _settings(self, seed: int) -> dict[str, Any]:
        return {
            "objective": "regression", "metric": "l2", "learning_rate": self.learning_rate, "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf, "lambda_l2": self.l2, "max_bin": self.bins,
            "feature_fraction": self.max_features, "num_threads": 1, "deterministic": True, "force_row_wise": True,
            "seed": seed, "verbosity": -1,
        }  # fmt: skip


def trees_of(fitted: Any, output: int) -> list[Tree]:
    """The trees of a fitted Booster, in order."""
    return [_tree(tree["tree_structure"], output) for tree in fitted.dump_model()["tree_info"]]


def _tree(root: dict[str, Any], output: int) -> Tree:
    nodes, left, right = [root], [-1], [-1]
    for at, node in enumerate(nodes):  # it grows while it is walked: breadth first
        if "split_feature" in node:
            left[at], right[at] = len(nodes), len(nodes) + 1
            nodes += [node["left_child"], node["right_child"]]
            left += [-1, -1]
            right += [-1, -1]
    threshold = np.array([node.get("threshold", 0.0) for node in nodes])
    tiny = np.abs(threshold) <= ZERO
    threshold[tiny] = np.where(threshold[tiny] < 0, np.nextafter(-ZERO, -np.inf), ZERO)
    return Tree(
        feature=np.array([node.get("split_feature", -1) for node in nodes]),
        threshold=threshold,
        left=np.array(left),
        right=np.array(right),
        # where training had none missing, LightGBM takes a missing value for 0
        missing_left=np.array(
            [
                node.get("default_left", False) if node.get("missing_type") == "NaN" else value >= 0.0
                for node, value in zip(nodes, threshold, strict=True)
            ]
        ),
        value=np.array([node.get("leaf_value", 0.0) for node in nodes])[:, None],
        output=output,
    )


def _library() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise PluginError(
            f"model=lightgbm cannot be fitted: {error}",
            hint="What was fitted before still predicts: only fitting needs it. model=boosting needs nothing more.",
            next="pip install 'btcframe-models[lightgbm]'",
        ) from error
    return lightgbm
