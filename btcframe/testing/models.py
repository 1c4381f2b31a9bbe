"""The contract of a model: seeded, saved whole, and the same for one row as for a batch."""

from __future__ import annotations

import dataclasses
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

from btcframe.api import Part, Parted, Predictor, Split, TrainingSet
from btcframe.errors import ModelError
from btcframe.testing.checks import (
    ContractError,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    differing,
    global_generators,
    name_of,
)
from btcframe.testing.markets import START_NS
from btcframe.testing.surroundings import undisturbed
from btcframe.types import NS, PREDICTION, Floats, Ints, StateArray

VALUES = ("mean", "p_up", "low", "high")
UNTOUCHED = -12345.5


@dataclasses.dataclass(frozen=True)
class Blocks:
    """A plain purged walk-forward: train on what is before a block and known by its start.

    Parameters
    ----------
    folds : int    number of test blocks
    """

    folds: int = 3

    def split(self, row_ns: Ints, t_end: Ints) -> Iterator[Split]:
        """Row indices of each fold, later blocks with longer training windows."""
        n = len(row_ns)
        known = t_end.max(axis=1) if t_end.shape[1] else row_ns
        for k in range(1, self.folds + 1):
            start, stop = k * n // (self.folds + 1), (k + 1) * n // (self.folds + 1)
            if start < stop:
                before = np.flatnonzero(known[:start] < row_ns[start])
                yield Split(before.astype(np.int64), np.arange(start, stop, dtype=np.int64))


def training_set(n: int = 800, seed: int = 0) -> TrainingSet:
    """A small market with a weak linear signal, some missing values, unknown labels at the end."""
    rng = np.random.default_rng([seed, 0x70])
    # among them what a model may look for by name
    columns = ("f0", "f1", "log_return_5", "f3", "f4", "f5")
    horizons = (5 * NS, 30 * NS)
    row_ns = START_NS + NS * np.arange(1, n + 1)
    x = rng.normal(0.0, (1.0, 1.0, 10.0, 0.1, 1.0, 1e-6), (n, 6))
    signal = x[:, 0] - 0.05 * x[:, 2]
    y = np.stack([signal + rng.normal(0, 2, n), 0.5 * signal + rng.normal(0, 4, n)], axis=1)
    t_end = row_ns[:, None] + np.array(horizons, np.int64)
    if n:
        y[t_end > row_ns[-1]] = np.nan
    x[rng.random(x.shape) < 0.01] = np.nan
    return TrainingSet(
        x=x, columns=columns, row_ns=row_ns, y=y, t_end=t_end, horizons_ns=horizons,
        weight=np.where(rng.random(n) < 0.1, 0.5, 1.0), regime=rng.dirichlet((2.0, 3.0, 1.0), n),
        regimes=("calm", "normal", "wild"), splitter=Blocks(), seed=17,
    )  # fmt: skip


def predict(predictor: Predictor, x: Floats, regime: Floats, chunk: int = 0) -> StateArray:
    """Predictions for all rows, in one call or in chunks; what the predictor must fill holds UNTOUCHED before."""
    n, h = len(x), len(predictor.horizons_ns)
    out = np.zeros((n, h), PREDICTION)
    for name in VALUES:
        out[name] = UNTOUCHED
    out["row_ns"], out["model"], out["horizon_ns"] = 7, 3, np.array(predictor.horizons_ns, np.int64)
    for start in range(0, n, chunk or max(n, 1)):
        part = slice(start, start + (chunk or n))
        predictor.predict(x[part], regime[part], out[part])
    return out


def _compare(before: StateArray, after: StateArray) -> str:
    """'p_up at row 3, horizon 0: 0.51 and 0.52' for the first difference, '' without."""
    for name in VALUES:
        found = np.argwhere(differing(before[name], after[name]))
        if len(found):
            t, j = found[0]
            return f"{name} at row {t}, horizon {j}: {before[name][t, j]} and {after[name][t, j]}"
    return ""


def check_seeded(model: Any) -> None:
    """Two fits give the same bits, and neither reads nor moves the global random generators."""
    data, answers, moved = training_set(), [], False
    for seed in (1, 2):
        with global_generators(seed) as drawn:
            answers.append(predict(model.fit(data), data.x, data.regime))
            moved = drawn()  # of the last one: what the first imports may draw
    where = _compare(*answers)
    cure = "Draw from np.random.default_rng(data.seed), or pass data.seed on as random_state."
    if where:
        raise ContractError(
            f"{name_of(model)} is unseeded: two fits of the same data differ: {where}"
            + (" (it draws from the global random generator)" if moved else ""),
            cure,
        )
    if moved:
        raise ContractError(f"{name_of(model)} is unseeded: it draws from the global random generator", cure)


def check_save_load(model: Any) -> None:
    """A predictor that was saved and loaded is the same to the bit."""
    data = training_set()
    fitted = model.fit(data)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "predictor"
        place.mkdir()
        fitted.save(place)
        loaded = dataclasses.replace(model).load(place)
    for what in ("columns", "horizons_ns"):
        if tuple(getattr(loaded, what)) != tuple(getattr(fitted, what)):
            raise ContractError(
                f"{name_of(model)}: {what} were {getattr(fitted, what)} and are {getattr(loaded, what)} after loading",
                "Save them with the rest.",
            )
    where = _compare(*(predict(p, data.x, data.regime) for p in (fitted, loaded)))
    if where:
        raise ContractError(
            f"{name_of(model)}: saved and loaded, it predicts something else: {where}",
            "Save every fitted number in full: float64 in .npy, or repr in JSON.",
        )


def check_row_of_one(model: Any) -> None:
    """One row at a time gives the bits of the batch."""
    data = training_set()
    fitted = model.fit(data)
    x, regime = data.x[:300], data.regime[:300]
    batch = predict(fitted, x, regime)
    for chunk in (1, 7):
        where = _compare(batch, predict(fitted, x, regime, chunk))
        if where:
            raise ContractError(
                f"{name_of(model)} predicts a row differently in a batch and in chunks of {chunk}: {where}",
                "Predict in one sequential kernel, not with matrix products: BLAS sums in another order.",
            )


def check_columns(model: Any) -> None:
    """Columns and horizons are recorded as they came: whoever loads the model is held to that order."""
    data = training_set()
    order = np.array([3, 0, 5, 1, 4, 2])
    turned = dataclasses.replace(
        data, x=data.x[:, order].copy(), columns=tuple(data.columns[i] for i in order)
    )
    fitted = model.fit(turned)
    if tuple(fitted.columns) != turned.columns or tuple(fitted.horizons_ns) != turned.horizons_ns:
        raise ContractError(
            f"{name_of(model)}: fitted on {turned.columns}, {turned.horizons_ns}, its predictor says "
            f"{tuple(fitted.columns)}, {tuple(fitted.horizons_ns)}",
            "Keep data.columns and data.horizons_ns as they are: the artefact is matched against them.",
        )


def check_missing_values(model: Any) -> None:
    """Rows with NaN get finite numbers or NaN, whatever is missing; the rows beside them are not touched."""
    data = training_set()
    fitted = model.fit(data)
    x = data.x[:60].copy()
    x[10, 2], x[20], x[30, :3] = np.nan, np.nan, np.nan
    whole = predict(fitted, x, data.regime[:60])
    other = x.copy()
    other[20] = 3.0
    where = _compare(np.delete(whole, 20, 0), np.delete(predict(fitted, other, data.regime[:60]), 20, 0))
    if where:
        raise ContractError(
            f"{name_of(model)}: a row changed the prediction of another: {where}",
            "Predict each row from its own values; fill missing ones with figures fitted in training.",
        )
    for name in VALUES:
        if (whole[name] == UNTOUCHED).any():
            raise ContractError(
                f"{name_of(model)} leaves PREDICTION.{name} unwritten",
                "Write mean, p_up, low and high of every row: NaN where the model has none.",
            )
        if np.isinf(whole[name]).any():
            raise ContractError(
                f"{name_of(model)} predicts an infinite {name}", "Write NaN where nothing is known."
            )


def check_sound(model: Any) -> None:
    """Probabilities lie in [0, 1], bounds in order, and what belongs to the caller is left alone."""
    data = training_set()
    fitted = model.fit(data)
    out = predict(fitted, data.x, data.regime)
    if ((out["p_up"] < 0) | (out["p_up"] > 1)).any():
        raise ContractError(f"{name_of(model)} gives a p_up outside [0, 1]", "It is a probability.")
    if (out["low"] > out["high"]).any():
        raise ContractError(f"{name_of(model)} gives an interval with low > high", "Sort the bounds.")
    if (out["row_ns"] != 7).any() or (out["model"] != 3).any():
        raise ContractError(
            f"{name_of(model)} writes row_ns or model of PREDICTION",
            "They are the caller's: leave them alone.",
        )
    clean = ~np.isnan(data.x).any(axis=1)
    if np.isnan(out["mean"][clean]).all():
        raise ContractError(
            f"{name_of(model)} predicts nothing for complete rows", "mean is the expected return, bps."
        )


def check_input_untouched(model: Any) -> None:
    """Neither fit nor predict changes what it is given."""
    data = training_set()
    kept = {name: getattr(data, name).copy() for name in ("x", "row_ns", "y", "t_end", "weight", "regime")}
    predict(model.fit(data), data.x, data.regime)
    for name, before in kept.items():
        if differing(before, getattr(data, name)).any():
            raise ContractError(
                f"{name_of(model)} changes its input: {name} of the training set",
                "Other models are fitted on the same arrays: copy what you change.",
            )


def check_hopeless_data(model: Any) -> None:
    """No rows, or no label at all: ModelError, or a predictor that says NaN or a constant; nothing else."""
    data = training_set()
    none = dataclasses.replace(data, y=np.full_like(data.y, np.nan))
    for what, hopeless in (("no rows", training_set(0)), ("no labels", none)):
        try:
            out = predict(model.fit(hopeless), data.x, data.regime)
        except ModelError:
            continue
        except Exception as error:
            raise ContractError(
                f"{name_of(model)}.fit on {what} raises {type(error).__name__}: {error}",
                "Raise btcframe.errors.ModelError, saying what is missing.",
            ) from error
        if np.isinf(out["mean"]).any() or (out["mean"] == UNTOUCHED).any():
            raise ContractError(
                f"{name_of(model)} fitted on {what} predicts {out['mean'][0].tolist()}",
                "Raise ModelError where there is nothing to learn from.",
            )


def check_parts(model: Any) -> None:
    """One whose fit has parts makes the same predictor of them, whoever works on them: they are handed over, each apart."""
    whole = model.fit
    if not isinstance(model, Parted):
        return
    data = training_set()
    where = _compare(*(predict(p, data.x, data.regime) for p in (whole(data), _in_parts(model, data))))
    if where:
        raise ContractError(
            f"{name_of(model)} fitted part by part predicts something else: {where}",
            "A part rests on the training set and what it is given, and on nothing that another part made.",
        )


def _in_parts(model: Parted, data: TrainingSet) -> Predictor:
    """What its fit makes of its parts, the last of a step first."""
    fitting, found = model.fitting(data), cast("Any", None)
    while True:
        try:
            parts = fitting.send(found)
        except StopIteration as end:
            fitted: Predictor = end.value
            return fitted
        found = [_elsewhere(model, part, data) for part in reversed(parts)][::-1]


def _elsewhere(model: Any, part: Part, data: TrainingSet) -> Any:
    """What comes of a part for which everything was handed over, as to another process."""
    there, of = _handed(model, (part, data))
    return _handed(model, there.do(of))


def _handed(model: Any, what: Any) -> Any:
    try:
        return pickle.loads(pickle.dumps(what))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ContractError(
            f"{name_of(model)}: a part of its fit cannot be handed to another process: {error}",
            "`work` is a function of a module, and what it takes and gives pickles.",
        ) from error


def check_global_state(model: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""
    data = training_set()
    undisturbed(name_of(model), lambda: predict(model.fit(data), data.x, data.regime))


CHECKS = (
    check_seeded,
    check_save_load,
    check_row_of_one,
    check_columns,
    check_missing_values,
    check_sound,
    check_input_untouched,
    check_hopeless_data,
    check_parts,
    check_global_state,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
)
