"""Decision trees as flat arrays: what an ensemble of them says of a row.

The trees are those that scikit-learn grew; walking them here takes microseconds a row where its `predict` takes
milliseconds, and gives the same bits for one row and for many. A tree says one number, for one of several outputs, or
one for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from btcframe.kernels import kernel
from btcframe.types import Floats, Ints

NODE = np.dtype(
    [
        ("threshold", "f8"),  # rows with x <= threshold go left; +inf in a leaf
        ("left", "i4"),  # index of the left child, the right one stands behind it; a leaf's own in a leaf
        ("feature", "i2"),  # column; 0 in a leaf
        ("missing", "i2"),  # where NaN goes: 0 left, 1 right
    ],
    align=True,
)
"""A node of 16 bytes: four of them share a cache line, which is what walking a tree costs."""

BLOCK = 64
"""Rows that go through one tree before the next tree is looked at: it stays in the cache for them."""


class Tree(NamedTuple):
    """One tree as scikit-learn keeps it: nodes by index, the root first.

    Parameters
    ----------
    feature : int64[m]       column, negative in a leaf
    threshold : float64[m]
    left, right : int64[m]   indices of the children
    missing_left : bool[m]   whether NaN goes left
    value : float64[m, w]    of the leaves; w numbers each
    output : int             which output the first of them is for
    """

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    missing_left: npt.NDArray[np.bool_]
    value: Floats
    output: int = 0


class Forest(NamedTuple):
    """Several trees.

    Parameters
    ----------
    nodes : NODE[m]      of all trees, each breadth first, so that two children are neighbours. A leaf leads to itself:
                         whoever is there may take another step
    values : float64[m, w]    of the leaves
    roots : int64[t]     the first node of each
    outputs : int64[t]   the first output of each
    single : bool        whether columns are compared in single precision, as scikit-learn's forests do
    """

    nodes: npt.NDArray[Any]
    values: Floats
    roots: Ints
    outputs: Ints
    single: bool


def forest(trees: Sequence[Tree], *, single: bool) -> Forest:
    """Lay trees out for walking, in their order.

    Raises
    ------
    ValueError
        If there are more than 2^31 nodes or 2^15 columns, or the trees' leaves differ in how many numbers they hold.
    """
    total = sum(len(tree.feature) for tree in trees)
    widest = max((int(tree.feature.max()) for tree in trees), default=0)
    if total > np.iinfo(np.int32).max or widest > np.iinfo(np.int16).max:
        raise ValueError(f"{total:,} nodes on {widest + 1:,} columns are more than a forest can hold")
    widths = {tree.value.shape[1] for tree in trees} or {1}
    if len(widths) > 1:
        raise ValueError(f"leaves hold {sorted(widths)} numbers: they must be as many in every tree")
    nodes, values = np.zeros(total, NODE), np.zeros((total, widths.pop()))
    roots = np.zeros(len(trees), np.int64)
    start = 0
    for t, tree in enumerate(trees):
        roots[t] = start
        start += _lay_out(tree, nodes[start:], values[start:], start)
    outputs = np.array([tree.output for tree in trees], np.int64)
    return Forest(nodes[:start], values[:start], roots, outputs, single)


def _lay_out(tree: Tree, nodes: npt.NDArray[Any], values: Floats, start: int) -> int:
    """Write a tree's nodes breadth first; how many there are."""
    level, done = np.zeros(1, np.int64), 0
    while len(level):
        place = slice(done, done + len(level))
        here = start + np.arange(done, done + len(level))
        done += len(level)
        inner = tree.feature[level] >= 0
        nodes["feature"][place] = np.where(inner, tree.feature[level], 0)
        nodes["threshold"][place] = np.where(inner, tree.threshold[level], np.inf)
        nodes["missing"][place] = np.where(inner & ~tree.missing_left[level], 1, 0)
        children = start + done + 2 * (np.cumsum(inner) - 1)
        nodes["left"][place] = np.where(inner, children, here)
        values[place] = np.where(inner[:, None], 0.0, tree.value[level])
        parents = level[inner]
        level = np.column_stack((tree.left[parents], tree.right[parents])).ravel()
    return done


@kernel
def _step(nodes, at, block, i):
    """The child to which row i of the block goes."""
    node = nodes[at]
    value = block[i, node.feature]
    side = np.int64(not value <= node.threshold)
    if math.isnan(value):
        side = np.int64(node.missing)
    return node.left + side


@kernel
def _add(out, row, output, value):
    for w in range(len(value)):
        out[row, output + w] += value[w]


@kernel
def add_forest(x, forest, out):
    """Add what every tree says of every row to out, tree after tree: the order does not depend on the number of rows.

    Parameters
    ----------
    x : float64[n, k]      what is not finite is missing
    forest : Forest
    out : float64[n, h]
    """
    nodes, values, roots, outputs, single = forest
    n, k = x.shape
    block = np.empty((min(n, BLOCK), k))
    for first in range(0, n, BLOCK):
        rows = min(BLOCK, n - first)
        for i in range(rows):
            for j in range(k):
                value = x[first + i, j]
                value = np.float64(np.float32(value)) if single else value
                block[i, j] = value if math.isfinite(value) else np.nan
        whole = len(roots) // 4 * 4
        for t in range(0, whole, 4):  # four at a time: the memory is asked for four nodes at once
            for i in range(rows):
                a, b, c, d = roots[t], roots[t + 1], roots[t + 2], roots[t + 3]
                while True:
                    a2, b2 = _step(nodes, a, block, i), _step(nodes, b, block, i)
                    c2, d2 = _step(nodes, c, block, i), _step(nodes, d, block, i)
                    if a2 == a and b2 == b and c2 == c and d2 == d:
                        break
                    a, b, c, d = a2, b2, c2, d2
                _add(out, first + i, outputs[t], values[a])
                _add(out, first + i, outputs[t + 1], values[b])
                _add(out, first + i, outputs[t + 2], values[c])
                _add(out, first + i, outputs[t + 3], values[d])
        for t in range(whole, len(roots)):
            for i in range(rows):
                a = roots[t]
                a2 = _step(nodes, a, block, i)
                while a2 != a:
                    a, a2 = a2, _step(nodes, a2, block, i)
                _add(out, first + i, outputs[t], values[a])
