"""Combinatorial purged cross-validation: many walks over the same market, each row tested in several of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from btcframe.api import Split
from btcframe.errors import ConfigError, ModelError, PluginError
from btcframe.split import WalkForward, check_lasting, check_least, check_order, duration_text
from btcframe.types import Ints

MOST = 1000
"""Splits at most: each is a whole fit."""


@dataclass(frozen=True)
class Combinatorial:
    """Combinatorial purged cross-validation: train on some groups of rows, before and after those tested.

    The rows are cut into `groups` of equal numbers, in order of time. Every choice of `test_groups` of them is a split,
    so each group is tested in C(groups − 1, test_groups − 1) splits, and as many paths over all rows can be put
    together of them. Which groups a split tests, and which path each belongs to, skfolio says
    (CombinatorialPurgedCV). Its purge counts rows, which is exact only where all labels are equally long and no row is
    missing. So it is not used: a row is trained on where its longest label ends before a tested group begins, less the
    embargo, or it begins after the last label of that group has ended, plus the embargo:
    max_h t_end < first row − embargo, or row > max t_end of the group + embargo.

    Parameters
    ----------
    groups : int         at least 3
    test_groups : int    at least 2, fewer than the groups
    embargo_ns : int     time kept free on both sides of a tested group
    min_train : int      training rows a split needs after purging

    Raises
    ------
    ConfigError
        For settings that make no sense.

    References
    ----------
    López de Prado, Advances in Financial Machine Learning, 2018, ch. 7 and 12.
    """

    groups: int = 6
    test_groups: int = 2
    embargo_ns: int = 0
    min_train: int = 500

    def __post_init__(self) -> None:
        check_least(
            ("groups", self.groups, 3), ("test_groups", self.test_groups, 2), ("embargo", self.embargo_ns, 0),
            ("min_train", self.min_train, 1),
        )  # fmt: skip
        if self.test_groups >= self.groups:
            raise ConfigError(
                f"validation.test_groups: {self.test_groups} of {self.groups} groups leaves none to train on",
                where="validation",
            )
        if (splits := math.comb(self.groups, self.test_groups)) > MOST:
            raise ConfigError(
                f"validation.groups: {self.test_groups} of {self.groups} groups can be chosen in {splits:,} ways, "
                f"each a whole fit; the most are {MOST:,}",
                where="validation",
                hint="Use fewer groups, or test fewer at a time.",
            )

    def tested(self) -> Ints:
        """int64[splits, test_groups]: the groups that each split tests, in order of time.

        Raises
        ------
        PluginError
            If skfolio is not installed.
        """
        groups: Ints = self._skfolio().test_set_index
        return groups

    def paths(self) -> Ints:
        """int64[paths, groups]: the split that each group of a path is tested in.

        Raises
        ------
        PluginError
            If skfolio is not installed.
        """
        recombined: Ints = self._skfolio().recombined_paths
        return np.ascontiguousarray(recombined.T)

    def windows(self, row_ns: Ints, t_end: Ints) -> Ints:
        """int64[groups + 1]: the rows at which the groups begin, and behind them the end of the last.

        Parameters and errors as in `split`.
        """
        check_order(row_ns, t_end)
        n = len(row_ns)
        if n < self.groups:
            raise ModelError(
                f"{n:,} rows are too few for {self.groups} groups",
                where="validation.groups",
                hint="Every group needs at least one row.",
            )
        edges: Ints = n * np.arange(self.groups + 1) // self.groups
        check_lasting(row_ns, edges, int((t_end.max(axis=1) - row_ns).max()), "group", "validation.groups")
        return edges

    def count(self, row_ns: Ints, t_end: Ints) -> int:
        """How many splits there are, whatever the rows."""
        return math.comb(self.groups, self.test_groups)

    def split(self, row_ns: Ints, t_end: Ints) -> Iterator[Split]:
        """Splits, in the order of `tested`.

        Parameters
        ----------
        row_ns : int64[n]     strictly increasing
        t_end : int64[n, h]   when each label is known, never before its row

        Raises
        ------
        DataError
            If rows are duplicated or go back in time, or a label ends before its row.
        ModelError
            If a group is shorter than the longest label, or a split has too few rows to train on.
        PluginError
            If skfolio is not installed.
        """
        edges, latest = self.windows(row_ns, t_end), t_end.max(axis=1)
        for number, groups in enumerate(self.tested()):
            train = np.ones(len(row_ns), np.bool_)
            parts = [np.arange(edges[g], edges[g + 1]) for g in groups]
            for rows in parts:
                begins, ends = row_ns[rows[0]] - self.embargo_ns, latest[rows].max() + self.embargo_ns
                train &= (latest < begins) | (row_ns > ends)
            if np.count_nonzero(train) < self.min_train:
                raise ModelError(
                    f"split {number} tests {self.test_groups} of {self.groups} groups, and {np.count_nonzero(train):,} "
                    f"of {len(row_ns):,} rows are left to train on after purging and {duration_text(self.embargo_ns)} "
                    f"of embargo: at least {self.min_train:,} are needed",
                    where="validation.min_train",
                    hint="Test fewer groups, lower validation.min_train or validation.embargo, or use more data.",
                )
            yield Split(np.flatnonzero(train), np.concatenate(parts))

    def inner(self) -> WalkForward:
        """For a model's own use inside a training window: stacking, early stopping."""
        return WalkForward(3, self.embargo_ns, max(1, self.min_train // 4))

    def _skfolio(self) -> Any:
        try:
            from skfolio.model_selection import CombinatorialPurgedCV
        except ImportError as error:
            raise PluginError(
                f"combinatorial validation needs skfolio, which cannot be imported: {error}",
                where="validation.scheme",
                next="Install it: pip install 'btcframe[combinatorial]'",
            ) from error
        return CombinatorialPurgedCV(self.groups, self.test_groups)
