"""Several models as one: weights, probability and interval, learned from predictions of rows they had not seen.

In the training window, the members are fitted on what was before each of several parts of it and predict that part:
the window's own walk-forward. What comes of that decides how much each member counts, what its mean says of the
direction, and how far off it is. Then the members are fitted on the whole window.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from btcframe.api import Model, Part, Predictor, TrainingSet
from btcframe.errors import ModelError
from btcframe.kernels import kernel
from btcframe.types import PREDICTION, Floats, Ints, StateArray
from btcframe_models.parts import fitting_of, here, inside, together

log = logging.getLogger(__name__)

FEWEST = 100
"""Rows predicted ahead, below which the members count the same and nothing is calibrated."""


class Stack(NamedTuple):
    """What makes one prediction of those of m members, for h horizons and r regimes.

    Parameters
    ----------
    weights : float64[1 + r, h, m]   not negative; first those for any regime, then what counts in each
    slope, offset : float64[1 + q, h]    P(up) = 1/(1 + exp(−(offset + slope·mean))), first in any regime, then in each
                                         of q; NaN where it is not known
    low, high : float64[1 + q, h]        added to the mean, bps: the interval, likewise
    """

    weights: Floats
    slope: Floats
    offset: Floats
    low: Floats
    high: Floats


@kernel
def combine(means: Floats, regime: Floats, stack: Stack, out: StateArray) -> None:
    """Fill mean, p_up, low, high of out PREDICTION[n, h] from the members' means float64[m, n, h].

    mean = Σ_r p_r Σ_m w_rm f_m; without regimes, or where their probabilities are not known, Σ_m w_m f_m. NaN where a
    member that counts is. What is said of the direction and of the interval is mixed by the probabilities in the same
    way: a mean of 1 bps says more, and is nearer the truth, in a calm market.
    """
    m, n, horizons = means.shape
    weighted, judged = len(stack.weights) - 1, len(stack.slope) - 1
    for i in range(n):
        known = True
        for r in range(max(weighted, judged)):
            known = known and not math.isnan(regime[i, r])
        for h in range(horizons):
            mean = 0.0
            for a in range(m):
                weight = 0.0
                if known and weighted > 0:
                    for r in range(weighted):
                        weight += regime[i, r] * stack.weights[1 + r, h, a]
                else:
                    weight = stack.weights[0, h, a]
                if weight > 0.0:
                    mean += weight * means[a, i, h]
            up, low, high = 0.0, 0.0, 0.0
            if known and judged > 0:
                for r in range(1, 1 + judged):
                    p = regime[i, r - 1]
                    up += p / (1.0 + math.exp(-(stack.offset[r, h] + stack.slope[r, h] * mean)))
                    low += p * stack.low[r, h]
                    high += p * stack.high[r, h]
            else:
                up = 1.0 / (1.0 + math.exp(-(stack.offset[0, h] + stack.slope[0, h] * mean)))
                low, high = stack.low[0, h], stack.high[0, h]
            out[i, h].mean = mean
            out[i, h].p_up = up
            out[i, h].low = mean + low
            out[i, h].high = mean + high


@dataclass(frozen=True)
class StackPredictor:
    """Fitted members and what makes them one.

    Parameters
    ----------
    columns : tuple of str
    horizons_ns : tuple of int
    members : mapping of name to Predictor
    stack : Stack
    """

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]
    members: Mapping[str, Predictor]
    stack: Stack

    @property
    def weights(self) -> Mapping[str, Floats]:
        """How much each member counts in any regime, float64[h] each: for who looks at the model."""
        return {name: self.stack.weights[0, :, a] for a, name in enumerate(self.members)}

    @cached_property
    def _horizons(self) -> Ints:
        return np.array(self.horizons_ns, np.int64)  # once: of a tuple numpy makes an array at every row

    def predict(self, x: Floats, regime: Floats, out: StateArray) -> None:
        """Fill out PREDICTION[n, h]; see `combine`."""
        if x.shape[1] != len(self.columns):
            raise ModelError(f"the model was fitted on {len(self.columns)} columns, but got {x.shape[1]}")
        combine(means_of(self.members, x, regime, out), np.ascontiguousarray(regime), self.stack, out)
        out["horizon_ns"] = self._horizons

    def save(self, directory: Path) -> None:
        """Write stack.json, stack.npz, and a directory for each member."""
        head = {"columns": self.columns, "horizons_ns": self.horizons_ns, "members": list(self.members)}
        (directory / "stack.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
        np.savez(directory / "stack.npz", **self.stack._asdict())
        for name, member in self.members.items():
            (directory / name).mkdir()
            member.save(directory / name)


def load_stack(directory: Path, models: Mapping[str, Model]) -> StackPredictor:
    """Read what `StackPredictor.save` wrote, each member by its model."""
    head = json.loads((directory / "stack.json").read_text(encoding="utf-8"))
    with np.load(directory / "stack.npz", allow_pickle=False) as arrays:
        stack = Stack(**{name: arrays[name] for name in arrays.files})
    members = {name: models[name].load(directory / name) for name in head["members"]}
    return StackPredictor(tuple(head["columns"]), tuple(head["horizons_ns"]), members, stack)


def means_of(members: Mapping[str, Predictor], x: Floats, regime: Floats, like: StateArray) -> Floats:
    """float64[m, n, h]: what each member predicts."""
    means = np.empty((len(members), *like.shape))
    said = np.empty(like.shape, PREDICTION)
    for a, member in enumerate(members.values()):
        member.predict(x, regime, said)
        means[a] = said["mean"]
    return means


def fit_stack(
    who: str, models: Mapping[str, Model], data: TrainingSet, *, coverage: float, prior: float | None
) -> StackPredictor:
    """Fit members and weights here, one after the other; see `stacking`."""
    return here(stacking(who, models, data, coverage=coverage, prior=prior, finest=False), data)


def stacking(
    who: str,
    models: Mapping[str, Model],
    data: TrainingSet,
    *,
    coverage: float,
    prior: float | None,
    finest: bool = True,
) -> Generator[Sequence[Part], Sequence[Any], StackPredictor]:
    """Fit members and weights.

    Parameters
    ----------
    who : str                for messages
    models : mapping         the members, by name
    data : TrainingSet
    coverage : float         of the interval
    prior : float or None    rows' worth of the common weights in those of a regime; None: the regime does not matter
    finest : bool            whether members are fitted in parts of their own, where they have some

    Raises
    ------
    ModelError
        If a member cannot be fitted on the whole window.
    """
    made = yield from together([fitting_of(model, data, finest) for model in models.values()])
    members: dict[str, Predictor] = dict(zip(models, made, strict=True))
    means, rows = yield from _ahead(who, models, members, data, finest)
    regimes = 0 if prior is None else len(data.regimes)
    count = len(data.horizons_ns)
    stack = Stack(
        np.full((1 + regimes, count, len(models)), 1 / len(models)),
        *(np.full((1 + len(data.regimes), count), np.nan) for _ in range(4)),
    )
    for h in range(count):
        y, weight = data.y[rows, h], data.weight[rows]
        known = np.asarray(np.isfinite(y) & np.isfinite(means[:, :, h]).all(axis=0))
        if np.count_nonzero(known) < FEWEST:
            log.warning(
                "%s: %d rows of the training window could be predicted ahead, too few for weights: "
                "the members count the same, without probability and interval", who, np.count_nonzero(known),
            )  # fmt: skip
            continue
        f, y, weight = means[:, known, h].T, y[known], weight[known]
        regime = data.regime[rows][known]
        _set_weights(stack.weights[:, h], f, y, weight, regime, prior)
        _judge(stack, h, _mixed(stack.weights[:, h], f, regime), y, weight, regime, coverage)
    return StackPredictor(data.columns, data.horizons_ns, members, stack)


def _ahead(
    who: str, models: Mapping[str, Model], members: Mapping[str, Predictor], data: TrainingSet, finest: bool
) -> Generator[list[Part], Sequence[Any], tuple[Floats, Ints]]:
    """Predictions float64[m, n, h] of rows that were not learned from, and which rows these are."""
    recipes = [
        model.as_found(members[name]) if hasattr(model, "as_found") else model
        for name, model in models.items()
    ]
    parts: list[Floats] = []
    places: list[Ints] = []
    try:
        splits = list(data.splitter.split(data.row_ns, data.t_end))
    except ModelError as error:
        log.warning("%s: the training window cannot be parted: %s", who, error.what)
        splits = []
    fittings = []
    for index, split in enumerate(splits):
        before = data.part(split.train) if finest else data  # a fit in one part looks at it where it is done
        fittings += [inside(index, fitting_of(recipe, before, finest)) for recipe in recipes]
    fitted = iter((yield from together(fittings)))
    for split in splits:
        made = dict(zip(models, itertools.islice(fitted, len(models)), strict=True))
        wrong = [each for each in made.values() if isinstance(each, ModelError)]
        if wrong:  # a first part may be too short for a member: those behind it count
            log.warning("%s: a part of the training window cannot be learned from: %s", who, wrong[0].what)
            continue
        like = np.empty((len(split.test), len(data.horizons_ns)), PREDICTION)
        tested = data.part(split.test)
        parts.append(means_of(made, tested.x, tested.regime, like))
        places.append(split.test)
    if not parts:
        return np.empty((len(models), 0, len(data.horizons_ns))), np.empty(0, np.int64)
    return np.concatenate(parts, axis=1), np.concatenate(places)


def _set_weights(
    out: Floats, f: Floats, y: Floats, weight: Floats, regime: Floats, prior: float | None
) -> None:
    """Weights float64[1 + r, m] of the members f float64[n, m]."""
    gram, moment = _sums(f, y, weight)
    out[0] = non_negative(gram, moment)
    total = weight.sum()
    for r in range(len(out) - 1):
        share = np.nan_to_num(regime[:, r])
        own_gram, own_moment = _sums(f, y, weight * share)
        common = (prior or 0.0) / total
        out[1 + r] = non_negative(own_gram + common * gram, own_moment + common * moment)


def _judge(
    stack: Stack, h: int, mean: Floats, y: Floats, weight: Floats, regime: Floats, coverage: float
) -> None:
    """What a mean of horizon h says of direction and error: in any regime, and in each that was seen enough."""
    for r in range(len(stack.slope)):
        share = weight if r == 0 else weight * np.nan_to_num(regime[:, r - 1])
        if r and share.sum() < FEWEST * float(weight.mean()):
            for told in (stack.offset, stack.slope, stack.low, stack.high):
                told[r, h] = told[0, h]
            continue
        stack.offset[r, h], stack.slope[r, h] = logistic(mean, y, share)
        if r and math.isnan(stack.slope[r, h]):  # one direction only was seen in it
            stack.offset[r, h], stack.slope[r, h] = stack.offset[0, h], stack.slope[0, h]
        stack.low[r, h], stack.high[r, h] = conformal(y - mean, share, coverage)


def _sums(f: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats]:
    # sums of one row after the other, whatever the threads
    return np.einsum("na,nb,n->ab", f, f, weight), np.einsum("na,n,n->a", f, y, weight)


def non_negative(gram: Floats, moment: Floats) -> Floats:
    """argmin_{β ≥ 0} βᵀGβ − 2gᵀβ: least squares without negative weights (Lawson & Hanson 1974).

    Members that are alike share: G gets a millionth of its trace on the diagonal. All 0 where nothing is predicted.
    """
    from scipy.optimize import nnls

    m = len(moment)
    if not (trace := np.trace(gram)) > 0:
        return np.zeros(m)
    lower = np.linalg.cholesky(gram + 1e-6 * trace / m * np.eye(m))
    weights: Floats = nnls(lower.T, np.linalg.solve(lower, moment))[0]
    return weights


def _mixed(weights: Floats, f: Floats, regime: Floats) -> Floats:
    """The stack's mean of each row."""
    if len(weights) == 1:
        mean: Floats = f @ weights[0]
        return mean
    known = np.asarray(~np.isnan(regime).any(axis=1))
    own = np.where(known[:, None], np.nan_to_num(regime) @ weights[1:], weights[0])
    mixed: Floats = (f * own).sum(axis=1)
    return mixed


def logistic(mean: Floats, y: Floats, weight: Floats, steps: int = 50) -> tuple[float, float]:
    """Offset and slope of P(y > 0) = 1/(1 + exp(−(offset + slope·mean))), by Newton's method (Platt 1999).

    Rows that did not move say nothing. A slope below 0 is none: a mean that predicts the opposite is not believed.
    """
    moved = (y != 0) & (weight > 0)
    up, mean, weight = (y[moved] > 0).astype(float), mean[moved], weight[moved]
    if not len(up) or up.min() == up.max():
        return math.nan, math.nan
    spread = float(np.sqrt(np.average(mean**2, weights=weight)))
    share = float(np.average(up, weights=weight))
    alone = math.log(share / (1 - share)), 0.0
    if not spread > 0:
        return alone
    z = np.column_stack((np.ones(len(mean)), mean / spread))
    beta = np.zeros(2)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(z @ beta, -30, 30)))
        gradient = z.T @ (weight * (up - p)) - 1e-6 * beta
        hessian = (z * (weight * p * (1 - p))[:, None]).T @ z + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-10:
            break
    return (float(beta[0]), float(beta[1] / spread)) if beta[1] >= 0 else alone


def conformal(left: Floats, weight: Floats, coverage: float) -> tuple[float, float]:
    """What to add to a mean for an interval that covers: weighted quantiles of what was left, with one more row's worth
    of doubt on either side (Vovk, Gammerman & Shafer 2005; Tibshirani et al. 2019 for weights).
    """
    order = np.argsort(left, kind="stable")
    left, share = left[order], np.cumsum(weight[order])
    doubt = float(weight.max())
    total = float(share[-1]) + doubt
    tail = (1 - coverage) / 2
    low = left[int(np.searchsorted(share, tail * total - doubt))] if tail * total > doubt else left[0]
    high = left[min(int(np.searchsorted(share, (1 - tail) * total)), len(left) - 1)]
    return min(float(low), 0.0), max(float(high), 0.0)
