"""The contract of a regime: descriptors like a feature's, and a labeler that knows its training rows only."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.api import Labeler
from btcframe.testing import features, markets, streams
from btcframe.testing.checks import (
    ContractError,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    first_difference,
    global_generators,
    name_of,
)
from btcframe.testing.features import COLUMN_CHECKS, check_cost, rows_for
from btcframe.testing.streams import Stream
from btcframe.testing.surroundings import undisturbed
from btcframe.types import Floats

SEED = 11


def stream_of(owner: str, labeler: Labeler) -> Stream:
    """A labeler as a stream of probabilities."""
    return Stream(f"{owner}'s labeler", tuple(labeler.labels), labeler.state, labeler.update)


def descriptors_of(regime: Any, *, rough: bool = True, seed: int = 0) -> Floats:
    """Descriptors of a synthetic market, NaN where they are not warm or a row was bad."""
    return streams.run(features.stream_of(regime), rows_for(regime, rough=rough, seed=seed))


def _fitted(regime: Any) -> tuple[Floats, Labeler]:
    """All descriptors, and a labeler fitted on the first two thirds."""
    descriptors = descriptors_of(regime)
    return descriptors, regime.fit(descriptors[: 2 * len(descriptors) // 3].copy(), seed=SEED)


def check_names(regime: Any) -> None:
    """Descriptors start with regime_, so that they stand apart from features in the table."""
    for column in regime.columns():
        if not column.name.startswith("regime_"):
            raise ContractError(
                f"{name_of(regime)}: descriptor {column.name} does not start with regime_",
                f"Call it regime_{column.name}: features and descriptors share one table.",
            )


def check_fit_prefix(regime: Any) -> None:
    """A labeler fitted on the first rows is the same whatever came after them."""
    rows = rows_for(regime, rough=True)
    cut = 2 * len(rows) // 3
    probe, answers = None, []
    for market in (rows, markets.other_future(rows, cut - 1)):
        fresh = dataclasses.replace(regime)
        descriptors = streams.run(features.stream_of(fresh), market)
        labeler = fresh.fit(descriptors[:cut], seed=SEED)
        probe = _probe(descriptors[:cut]) if probe is None else probe
        answers.append(streams.run(stream_of(name_of(regime), labeler), probe))
    found = first_difference(*answers)
    if found is not None:
        t, j = found
        raise ContractError(
            f"{name_of(regime)} peeks at the test rows: fitted on the rows before {cut}, it gives {labeler.labels[j]} the "
            f"probability {answers[0][t, j]}, and {answers[1][t, j]} when rows from {cut} on changed",
            "Fit on the array that is handed in, and on nothing seen elsewhere.",
        )


def _probe(descriptors: Floats) -> Floats:
    """The rows themselves, and an even grid over their range: it shows thresholds that lie between rows."""
    seen = descriptors[np.isfinite(descriptors).all(axis=1)]
    if not len(seen):
        return descriptors
    return np.concatenate([descriptors, np.linspace(seen.min(axis=0), seen.max(axis=0), 1000)])


def check_labeler_causal(regime: Any) -> None:
    """Probabilities at a row depend on rows up to it."""
    descriptors, labeler = _fitted(regime)
    n = len(descriptors)
    other = descriptors_of(regime, seed=3) * 1.7

    def changed(inputs: Floats, after: int) -> Floats:
        return np.concatenate([inputs[: after + 1], other[after + 1 :]])

    streams.check_causal(stream_of(name_of(regime), labeler), descriptors, changed, (n // 3, n // 2, n - 2))


def check_labeler_chunk_invariant(regime: Any) -> None:
    """Any split of the rows gives the same bits."""
    descriptors, labeler = _fitted(regime)
    streams.check_chunk_invariant(stream_of(name_of(regime), labeler), descriptors)


def check_labeler_restart(regime: Any) -> None:
    """State saved and restored goes on as if it had never stopped."""
    descriptors, labeler = _fitted(regime)
    stream = stream_of(name_of(regime), labeler)
    streams.check_state(stream)
    streams.check_restart(stream, stream, descriptors)


def check_labeler_input_untouched(regime: Any) -> None:
    """Neither fit nor update changes the descriptors."""
    descriptors = descriptors_of(regime)
    handed = descriptors.copy()
    labeler = regime.fit(handed, seed=SEED)
    if first_difference(descriptors, handed) is not None:
        raise ContractError(f"{name_of(regime)}.fit changes its input", "Copy what you change.")
    streams.check_input_untouched(stream_of(name_of(regime), labeler), descriptors)


def check_probabilities(regime: Any) -> None:
    """A row of probabilities lies in [0, 1] and sums to 1, or is NaN as a whole."""
    descriptors, labeler = _fitted(regime)
    out = streams.run(stream_of(name_of(regime), labeler), descriptors)
    unknown = np.isnan(out).all(axis=1)
    good = np.isfinite(out).all(axis=1) & (out >= 0).all(axis=1) & (out <= 1).all(axis=1)
    good &= np.abs(np.nansum(out, axis=1) - 1) <= 1e-9
    wrong = np.flatnonzero(~(good | unknown))
    if len(wrong) or unknown.all():
        t = int(wrong[0]) if len(wrong) else len(out) - 1
        raise ContractError(
            f"{name_of(regime)}: probabilities at row {t} are {out[t].tolist()}"
            + ("" if len(wrong) else ", like those of every row"),
            "Each row sums to 1 within 1e-9, or is NaN as a whole where the regime is not known.",
        )


def check_seeded(regime: Any) -> None:
    """Two fits with one seed give the same bits, whatever the global generator does."""
    descriptors = descriptors_of(regime)
    answers = []
    for seed in (1, 2):
        with global_generators(seed):
            labeler = regime.fit(descriptors.copy(), seed=SEED)
            answers.append(streams.run(stream_of(name_of(regime), labeler), descriptors))
    found = first_difference(*answers)
    if found is not None:
        t, j = found
        raise ContractError(
            f"{name_of(regime)}.fit is unseeded: two fits with seed={SEED} give {answers[0][t, j]} and "
            f"{answers[1][t, j]} at row {t}",
            "Draw from np.random.default_rng(seed), or pass seed on as random_state.",
        )


def check_save_load(regime: Any) -> None:
    """A labeler that was saved and loaded is the same to the bit."""
    descriptors, labeler = _fitted(regime)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "labeler"
        place.mkdir()
        labeler.save(place)
        loaded = dataclasses.replace(regime).load(place)
    if tuple(loaded.labels) != tuple(labeler.labels):
        raise ContractError(
            f"{name_of(regime)}: labels were {labeler.labels} and are {loaded.labels} after loading",
            "Save them with the rest.",
        )
    before, after = (streams.run(stream_of(name_of(regime), one), descriptors) for one in (labeler, loaded))
    found = first_difference(before, after)
    if found is not None:
        t, j = found
        raise ContractError(
            f"{name_of(regime)}: saved and loaded, the probability {j} at row {t} is {after[t, j]} instead of "
            f"{before[t, j]}",
            "Save every fitted number in full: float64 in .npy, or repr in JSON.",
        )


def check_global_state(regime: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""

    def work() -> None:
        descriptors, labeler = _fitted(regime)
        streams.run(stream_of(name_of(regime), labeler), descriptors)

    undisturbed(name_of(regime), work)


CHECKS = (
    *COLUMN_CHECKS,
    check_names,
    check_fit_prefix,
    check_labeler_causal,
    check_labeler_chunk_invariant,
    check_labeler_restart,
    check_labeler_input_untouched,
    check_probabilities,
    check_seeded,
    check_save_load,
    check_global_state,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
    check_cost,
)
