"""Forests as flat arrays against a walk node by node, and against scikit-learn's own predict."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.kernels.trees import BLOCK, Forest, Tree, add_forest, forest

COLUMNS = 5
OUTPUTS = 3


def grown(rng: np.random.Generator, splits: int, width: int) -> Tree:
    """A tree of random splits, its nodes in random order behind the root."""
    feature, left, right = [-1], [0], [0]
    for _ in range(splits):
        at = int(rng.choice([i for i, f in enumerate(feature) if f < 0]))
        feature[at], left[at], right[at] = int(rng.integers(COLUMNS)), len(feature), len(feature) + 1
        feature, left, right = [*feature, -1, -1], [*left, 0, 0], [*right, 0, 0]
    m = len(feature)
    order = np.concatenate(([0], 1 + rng.permutation(m - 1)))  # where each node goes
    placed = np.argsort(order)
    return Tree(
        np.array(feature)[placed], rng.standard_normal(m), order[np.array(left)][placed],
        order[np.array(right)][placed], rng.random(m) < 0.5, rng.standard_normal((m, width)),
        0 if width == OUTPUTS else int(rng.integers(OUTPUTS)),
    )  # fmt: skip


def walked(tree: Tree, x: np.ndarray, *, single: bool) -> np.ndarray:
    at = 0
    while tree.feature[at] >= 0:
        value = float(np.float32(x[tree.feature[at]])) if single else float(x[tree.feature[at]])
        go_left = bool(tree.missing_left[at]) if not math.isfinite(value) else value <= tree.threshold[at]
        at = int(tree.left[at] if go_left else tree.right[at])
    said = np.zeros(OUTPUTS)
    said[tree.output : tree.output + tree.value.shape[1]] = tree.value[at]
    return said


def said(of: Forest, x: np.ndarray, start: float = 0.0, outputs: int = 1) -> np.ndarray:
    out = np.full((len(x), outputs), start)
    add_forest(x, of, out)
    return out


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    sizes=st.lists(st.integers(0, 12), max_size=9), seed=st.integers(0, 2**16), single=st.booleans(),
    width=st.sampled_from([1, OUTPUTS]),
    n=st.sampled_from([0, 1, 3, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5]),
)  # fmt: skip
def test_a_forest_says_what_its_trees_say_one_after_the_other(
    sizes: list[int], seed: int, single: bool, width: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    trees = [grown(rng, splits, width) for splits in sizes]
    x = rng.standard_normal((n, COLUMNS))
    x[rng.random(x.shape) < 0.2] = np.nan
    x[rng.random(x.shape) < 0.02] = np.inf
    for tree in trees[: len(x)]:  # exactly at a threshold
        x[0, tree.feature[0]] = tree.threshold[0]
    expected = np.full((n, OUTPUTS), 0.25)
    for tree in trees:
        for i, row in enumerate(x):
            expected[i] += walked(tree, row, single=single)
    of = forest(trees, single=single)
    np.testing.assert_array_equal(said(of, x, 0.25, OUTPUTS), expected)
    ones = [said(of, x[i : i + 1], 0.25, OUTPUTS)[0] for i in range(n)]
    assert np.array(ones).tobytes() == expected.tobytes()


@pytest.fixture(scope="module")
def market() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1500, COLUMNS)).round(2)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x, np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 1]) + rng.standard_normal(len(x))


def test_gradient_boosting_is_scikit_learns_to_the_bit(market: tuple[np.ndarray, np.ndarray]) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    x, y = market
    theirs = ensemble.HistGradientBoostingRegressor(max_iter=23, max_leaf_nodes=15).fit(x, y)
    trees = []
    for (predictor,) in theirs._predictors:
        nodes = predictor.nodes
        feature = np.where(nodes["is_leaf"] == 1, -1, nodes["feature_idx"])
        left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
        missing = nodes["missing_go_to_left"] == 1
        trees.append(Tree(feature, nodes["num_threshold"], left, right, missing, nodes["value"][:, None]))
    start = float(theirs._baseline_prediction[0, 0])
    assert said(forest(trees, single=False), x, start).tobytes() == theirs.predict(x).tobytes()


def test_extra_trees_are_scikit_learns_to_the_bit(market: tuple[np.ndarray, np.ndarray]) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    x, y = market
    theirs = ensemble.ExtraTreesRegressor(11, min_samples_leaf=3, random_state=0, n_jobs=1).fit(x, y)
    trees = []
    for tree in (estimator.tree_ for estimator in theirs.estimators_):
        feature = np.where(tree.children_left < 0, -1, tree.feature)
        missing, value = tree.missing_go_to_left == 1, tree.value[:, :, 0]
        trees.append(Tree(feature, tree.threshold, tree.children_left, tree.children_right, missing, value))
    ours = said(forest(trees, single=True), x) / len(trees)
    assert ours.tobytes() == theirs.predict(x).tobytes()


def test_what_a_forest_cannot_hold_is_refused() -> None:
    wide = Tree(
        *(np.array(a) for a in ([40_000, -1, -1], [0.0] * 3, [1, 0, 0], [2, 0, 0], [True] * 3, [[0.0]] * 3))
    )
    with pytest.raises(ValueError, match="3 nodes on 40,001 columns are more than a forest can hold"):
        forest([wide], single=False)
    narrow = [grown(np.random.default_rng(0), 2, width) for width in (1, OUTPUTS)]
    with pytest.raises(ValueError, match=r"leaves hold \[1, 3\] numbers"):
        forest(narrow, single=False)
