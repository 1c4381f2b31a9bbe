"""Walk-forward: what each method says on rows it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from btcframe import scratch
from btcframe.api import Labeler, Regime, Split
from btcframe.errors import ModelError, PluginError
from btcframe.regime_study.ahead import log_volatility
from btcframe.regime_study.rows import Rows
from btcframe.regime_study.visits import Labels
from btcframe.split import WalkForward
from btcframe.types import Floats

LATE = "@later"
"""Follows a method's name where its hindsight is meant: no name of a config holds an @."""


@dataclass(frozen=True)
class Method:
    """One method of the comparison.

    Parameters
    ----------
    name : str                 in the config
    plugin : str
    regime : Regime
    late : Regime, optional    the same with hindsight; None where there is none
    unrevised : str            why there is none: "by definition", or what stops it
    """

    name: str
    plugin: str
    regime: Regime
    late: Regime | None
    unrevised: str


class Told(NamedTuple):
    """What a method said of the rows, fold by fold; outside of test windows nothing.

    Parameters
    ----------
    labels : tuple of str
    at : int8[n]               label of each row, −1 where there is none
    later : int8[n] or None    label of the same bar as it is told `later` rows on, −1 where it is not
    unrevised : str            why `later` says nothing; "" where it does
    volatility : float64[n]    training mean of ln forward volatility over the longest horizon, of the row's label
    means : float64[n, h]      training mean return, bps, of the row's label
    """

    labels: tuple[str, ...]
    at: Labels
    later: Labels | None
    unrevised: str
    volatility: Floats
    means: Floats


class Walked(NamedTuple):
    """All methods over all folds.

    Parameters
    ----------
    told : mapping              by method
    left_out : mapping          why, of those that could not be fitted
    test : slice                the rows of all test windows
    starts : tuple of int       first row of each
    base : float64[n]           training mean of ln forward volatility, of all training rows
    joint : mapping             float64[n] by method: that of the rows on which the first method and this one both say
                                what they say of the row; none where the first could not be fitted
    """

    told: Mapping[str, Told]
    left_out: Mapping[str, str]
    test: slice
    starts: tuple[int, ...]
    base: Floats
    joint: Mapping[str, Floats]


def methods(regimes: Mapping[str, Regime], plugins: Mapping[str, str], later: int) -> list[Method]:
    """Each regime with its hindsight, where it offers one.

    Parameters
    ----------
    regimes, plugins : mapping    component and name of its plugin, by name in the config
    later : int                   rows
    """
    found = []
    for name, regime in regimes.items():
        late, why = None, "it offers no hindsight"
        hindsight: Callable[[int], Regime | None] | None = getattr(regime, "hindsight", None)
        if hindsight is not None:
            try:
                late, why = hindsight(later), "never, by definition"
            except ValueError as error:
                why = f"it cannot be told {later} rows later: {error}"
        found.append(Method(name, plugins[name], regime, late, why))
    return found


def asked(found: Sequence[Method]) -> dict[str, Regime]:
    """Every regime whose descriptors are needed, by name."""
    wanted = {m.name: m.regime for m in found}
    return wanted | {f"{m.name}{LATE}": m.late for m in found if m.late is not None}


def walk(
    rows: Rows, forward: Floats, found: Sequence[Method], splitter: WalkForward, later: int, *,
    seed: int, advance: Callable[[float], None],
) -> Walked:  # fmt: skip
    """Fit every method on each fold's training rows and let it label the test window, its memory fresh.

    A method that cannot be fitted in some fold is left out of all: the others are compared on all rows.

    Parameters
    ----------
    rows : Rows
    forward : float64[n, h]    mean square of row returns, see `ahead.realised`
    found : sequence of Method
    splitter : WalkForward
    later : int                rows
    seed : int
    advance : callable         told of every fold

    Raises
    ------
    ModelError
        If the rows cannot be split, or no method can be fitted: the first one's reason.
    PluginError
        If a method has other labels in one fold than in another.
    """
    told = {method.name: _nothing(rows, method) for method in found}
    failed: dict[str, ModelError] = {}
    base, joint = _unknown(rows), {method.name: _unknown(rows) for method in found[1:]}
    volatility = _log_volatility(rows, forward)
    starts, stop = [], 0
    for index, split in enumerate(splitter.split(rows.row_ns, rows.t_end)):
        fold = _Fold(rows, volatility, index, split, later, seed)
        starts.append(int(split.test[0]))
        stop = int(split.test[-1]) + 1
        base[split.test] = _means(np.zeros(len(split.train), np.int8), fold.trained(volatility), 1)[0]
        seen: dict[str, Labels] = {}
        for method in found:
            if method.name not in failed:
                try:
                    told[method.name], seen[method.name] = _tell(fold, method, told[method.name])
                except ModelError as error:
                    failed[method.name] = error
        first = found[0].name
        for name in seen.keys() & joint.keys():
            if first in seen:
                joint[name][split.test] = _together(fold, told[first], seen[first], told[name], seen[name])
        advance(1)
    if len(failed) == len(found):
        raise next(iter(failed.values()))
    return Walked(
        {name: each for name, each in told.items() if name not in failed},
        {name: _one_line(error) for name, error in failed.items()},
        slice(starts[0], stop), tuple(starts), base,
        {name: promised for name, promised in joint.items() if not failed.keys() & {found[0].name, name}},
    )  # fmt: skip


class _Fold(NamedTuple):
    rows: Rows
    volatility: Floats
    number: int
    split: Split
    later: int
    seed: int

    def trained(self, array: Floats) -> Floats:
        """The training rows of an array."""
        part: Floats = scratch.take(array, self.split.train, self.rows.directory)
        return part

    def fit(self, regime: Regime, name: str) -> Labeler:
        descriptors = self.trained(self.rows.descriptors[name])
        try:
            return regime.fit(descriptors, seed=self.seed)
        except ModelError as error:
            where = f"fold {self.number}, {len(self.split.train):,} training rows"
            raise ModelError(error.what, where=where, hint=error.hint, next=error.next) from error
        finally:
            scratch.forget(descriptors)

    def tested(self, labeler: Labeler, name: str) -> Labels:
        """What a labeler says of the test window, its memory fresh."""
        return _labelled(labeler, scratch.take(self.rows.descriptors[name], self.split.test))


def _tell(fold: _Fold, method: Method, told: Told) -> tuple[Told, Labels]:
    """Fill in a fold's test window; what the method says of the training rows comes with it."""
    rows, test = fold.rows, fold.split.test
    labeler = fold.fit(method.regime, method.name)
    if told.labels and labeler.labels != told.labels:
        raise PluginError(
            f"regime {method.name} is labelled {', '.join(labeler.labels)} in fold {fold.number}, and "
            f"{', '.join(told.labels)} before"
        )
    k = len(labeler.labels)
    seen = _labelled(labeler, fold.trained(rows.descriptors[method.name]))
    mine = fold.tested(labeler, method.name)
    told.at[test] = mine
    told.volatility[test] = _means(seen, fold.trained(fold.volatility), k)[mine]
    y = fold.trained(rows.y)
    for h in range(y.shape[1]):
        told.means[test, h] = _means(seen, y[:, h], k)[mine]
    later = told.later
    if later is not None and method.late is not None:
        name = f"{method.name}{LATE}"
        try:
            answers = fold.tested(fold.fit(method.late, name), name)
        except ModelError as error:
            told = told._replace(later=None, unrevised=f"its hindsight cannot be fitted: {_one_line(error)}")
        else:
            later[test[: max(len(answers) - fold.later, 0)]] = answers[fold.later :]
    return told._replace(labels=tuple(labeler.labels)), seen


def _together(fold: _Fold, a: Told, seen_a: Labels, b: Told, seen_b: Labels) -> Floats:
    """What two methods together promise of the test window's volatility."""
    k = len(b.labels)

    def pairs(first: Labels, second: Labels) -> Labels:
        return np.where((first >= 0) & (second >= 0), first.astype(np.int16) * k + second, -1)

    means = _means(pairs(seen_a, seen_b), fold.trained(fold.volatility), len(a.labels) * k)
    found: Floats = means[pairs(a.at[fold.split.test], b.at[fold.split.test])]
    return found


def _labelled(labeler: Labeler, descriptors: Floats) -> Labels:
    """The likeliest regime of each row, int8[n], −1 where its probabilities are unknown; the first of equals."""
    found = np.full(len(descriptors), -1, np.int8)
    state = labeler.state()
    for part in scratch.pieces(len(descriptors), descriptors):
        out = np.full((part.stop - part.start, len(labeler.labels)), np.nan)
        labeler.update(descriptors[part], state, out)
        known = np.isfinite(out).all(axis=1)
        found[part][known] = np.argmax(out[known], axis=1)
    return found


def _means(labels: Labels, values: Floats, k: int) -> Floats:
    """Mean of the known values of each label, float64[k + 1]; that of all where a label has none, NaN for label −1."""
    counts, sums = np.zeros((2, k + 1))  # the last one is for no label
    for part in scratch.pieces(len(labels), values):
        known = np.isfinite(values[part])
        label = np.where(labels[part] >= 0, labels[part], k)[known]
        counts += np.bincount(label, minlength=k + 1)
        sums += np.bincount(label, values[part][known], k + 1)
    with np.errstate(invalid="ignore"):
        mean = np.where(counts > 0, sums / np.maximum(counts, 1), sums.sum() / counts.sum())
    mean[k] = np.nan
    return mean


def _log_volatility(rows: Rows, forward: Floats) -> Floats:
    """That of the longest horizon, float64[n]."""
    out = _unknown(rows)
    longest = int(np.argmax(rows.horizons_ns))
    for part in scratch.pieces(len(out), out, forward):
        out[part] = log_volatility(forward[part, longest])
    return out


def _nothing(rows: Rows, method: Method) -> Told:
    n = len(rows.row_ns)
    later = np.full(n, -1, np.int8) if method.late is not None else None
    means = scratch.zeros(rows.y.shape, np.float64, rows.directory)
    why = "" if method.late is not None else method.unrevised
    return Told((), np.full(n, -1, np.int8), later, why, _unknown(rows), means)


def _unknown(rows: Rows) -> Floats:
    out: Floats = scratch.zeros((len(rows.row_ns),), np.float64, rows.directory)
    out[:] = np.nan
    return out


def _one_line(error: ModelError) -> str:
    return f"{error.what} ({error.where})" if error.where else error.what
