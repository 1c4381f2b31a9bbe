"""Claim: ridge predicts one row to the bit as in a batch, and tens of times as fast as scikit-learn's own `predict`.

Ours: `RidgePredictor.predict`: missing values, scaling, clipping, three horizons, probability and interval. Peer:
`sklearn.linear_model.Ridge.predict` fitted on the same standardised columns, which it is handed ready; mean only.
"""

from __future__ import annotations

import numpy as np

from benchmarks.frame import first, ratio, table, take_turns
from benchmarks.inputs import SEED
from btcframe.api import TrainingSet
from btcframe.kernels.linear import standardise
from btcframe.split import WalkForward
from btcframe.types import NS, PREDICTION
from btcframe_models import Ridge

ROWS, COLUMNS, HORIZONS = 100_000, 100, (5 * NS, 15 * NS, 60 * NS)
ONE = 2000  # rows served one at a time


def training_set() -> TrainingSet:
    rng = np.random.default_rng(SEED)
    x = rng.standard_t(4, (ROWS, COLUMNS))
    y = x @ rng.normal(0, 0.1, (COLUMNS, len(HORIZONS))) + rng.normal(0, 3, (ROWS, len(HORIZONS)))
    row_ns = NS * np.arange(1, ROWS + 1)
    return TrainingSet(
        x=x, columns=tuple(f"c{j}" for j in range(COLUMNS)), row_ns=row_ns, y=y,
        t_end=row_ns[:, None] + np.array(HORIZONS), horizons_ns=HORIZONS, weight=np.ones(ROWS),
        regime=np.ones((ROWS, 1)), regimes=("all",), splitter=WalkForward(2, NS, 1, True), seed=SEED,
    )  # fmt: skip


def main() -> None:
    from sklearn.linear_model import Ridge as Peer

    data = training_set()
    predictor = Ridge().fit(data)
    z = np.empty((ROWS, COLUMNS + 1))
    standardise(data.x, predictor.linear, z)
    z = np.ascontiguousarray(z[:, :-1])
    peer = Peer(alpha=ROWS).fit(z, data.y)  # our penalty is of the mean squared error, theirs of the sum
    out, one = np.zeros((ROWS, len(HORIZONS)), PREDICTION), np.zeros((1, len(HORIZONS)), PREDICTION)
    x, regime = data.x, data.regime

    def batch() -> None:
        predictor.predict(x, regime, out)

    def singly() -> None:
        for t in range(ONE):
            predictor.predict(x[t : t + 1], regime[:1], one)

    def peer_singly() -> None:
        for t in range(ONE):
            peer.predict(z[t : t + 1])

    started, _ = first(batch)
    theirs = peer.predict(z)
    worst = float(np.abs(out["mean"] - theirs).max() / theirs.std())
    assert worst < 1e-9, f"{worst:.1e} of the peer's standard deviation"
    for t in range(ONE):
        predictor.predict(x[t : t + 1], regime[:1], one)
        assert one.tobytes() == out[t : t + 1].tobytes(), f"row {t} alone has other bits"
    drift = sum((peer.predict(z[t : t + 1])[0] != theirs[t]).any() for t in range(ONE))
    timings = take_turns(batch, lambda: peer.predict(z), singly, peer_singly)
    rows = (ROWS, ROWS, ONE, ONE)
    names = (
        f"{ROWS:,} rows: ridge",
        f"{ROWS:,} rows: scikit-learn",
        "one row: ridge",
        "one row: scikit-learn",
    )
    table(
        f"Serving, {COLUMNS} columns, {len(HORIZONS)} horizons", "what", "rows", "per row", "× scikit-learn",
        rows=[
            (name, t.rate(n), t.each(n), ratio(t, timings[i | 1]))
            for i, (name, t, n) in enumerate(zip(names, timings, rows, strict=True))
        ],
        note=f"Means agree within {worst:.0e} σ. One row differs from the batch in 0 of {ONE:,} rows (ours) and "
        f"{drift:,} (scikit-learn). {started}",
    )  # fmt: skip
