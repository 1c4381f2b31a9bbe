"""Claim: the ensemble is trained on two days of rows in minutes, and predicts in microseconds what scikit-learn's own
members take milliseconds for.

194,974 rows of the synthetic market, all 90 features, three horizons. Training: `btcframe train model=ensemble` on a
build that is there, a whole process and its children, with the memory of all of them; and one fit on all rows. Serving:
the peer is `predict` of the very members that scikit-learn grew, mean only: HistGradientBoostingRegressor for each
horizon, ExtraTreesRegressor at one job, Ridge on columns that it is handed standardised; their weighted sum. Ours are
missing values, scaling, members, weights, probability and interval. Boosting and extra trees are compared to the bit first.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.frame import console, first, ratio, table, take_turns
from benchmarks.inputs import SEED
from benchmarks.main import BTCFRAME, process
from btcframe.api import TrainingSet
from btcframe.config import splitter
from btcframe.learning.folds import Recipe, training_set
from btcframe.learning.tables import TABLE, Layout, TrainingTable, read_training
from btcframe.plugins import discover
from btcframe.types import PREDICTION
from btcframe_models import boosting, extra_trees
from btcframe_models.ensemble import Ensemble
from btcframe_models.stacking import StackPredictor, means_of

WALK, FINAL, MEMORY, ROW, TIMES = 240, 75, 4.0, 40, 100
"""Goals: seconds, seconds, GB, µs, × scikit-learn."""
DURATION = "194974s"
ONE = 500  # rows that scikit-learn is given one at a time


def reached(figure: float, goal: float, unit: str, *, least: bool = False) -> str:
    """The goal, and whether it was missed."""
    good = figure >= goal if least else figure <= goal
    return f"{'≥' if least else '≤'} {goal:g}{unit}" + ("" if good else ", MISSED")


class Cost(NamedTuple):
    seconds: float
    cpu: float
    gigabytes: float  # of a process and its children, what they share counted once


def family(pid: int) -> list[int]:
    """A process and all below it that still live."""
    found = [pid]
    for at in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{at}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def resident(pid: int) -> float:
    """GB of a process and all below it; a page that several share counts a part for each."""
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError):  # it has just ended
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
    return total / 1024**2


def watched(*command: str) -> Cost:
    """Run a command to its end, and look at the memory meanwhile. Raises if it fails."""
    peak = 0.0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while child.poll() is None:
            peak = max(peak, resident(child.pid))
            time.sleep(0.2)
        seconds = time.perf_counter() - start
        output.seek(0)
        if child.returncode:
            raise RuntimeError(f"{' '.join(command)} left with {child.returncode}:\n{output.read().decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu, peak)


@contextlib.contextmanager
def built() -> Iterator[tuple[Path, TrainingTable]]:
    """The default market's training table, in a lake of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        process(
            *BTCFRAME,
            "build",
            f"source.duration={DURATION}",
            f"hydra.run.dir={folder / 'build'}",
            f"store.path={folder / 'lake'}",
        )
        store = discover().build("store", {"plugin": "delta", "path": str(folder / "lake")})
        ((build, manifest),) = store.builds().items()
        layout = Layout.from_manifest(manifest["layout"])
        yield folder, read_training(store, build, layout, manifest["tables"][TABLE])


def whole(of: TrainingTable) -> TrainingSet:
    """All rows, as a final fit is given them."""
    catalog = discover()
    settings = {"validation": {"folds": 5, "embargo": "1m", "min_train": 500, "expanding": True}}
    regime = catalog.build("regime", {"plugin": "volatility"})
    known = np.flatnonzero(np.isfinite(of.y).all(axis=1))
    return training_set(of, known, Recipe(regime, Ensemble(), splitter(settings).inner(), SEED))[1]


def fit(data: TrainingSet) -> tuple[StackPredictor, dict[Any, Any], Cost]:
    """The ensemble, what scikit-learn grew for it by horizon (None: the forest), and what it took."""
    grown: dict[Any, Any] = {}

    def kept(name: Any, trees_of: Any, fitted: Any, *output: int) -> Any:
        grown.setdefault(output[0] if output else None, fitted)  # those on the whole window come first
        return trees_of(fitted, *output)

    with (
        mock.patch.object(boosting, "trees_of", partial(kept, "boosting", boosting.trees_of)),
        mock.patch.object(extra_trees, "trees_of", partial(kept, "extra_trees", extra_trees.trees_of)),
    ):
        start, cpu = time.perf_counter(), time.process_time()
        fitted = Ensemble().fit(data)
        cost = Cost(time.perf_counter() - start, time.process_time() - cpu, resident(os.getpid()))
    return fitted, grown, cost


class Peer:
    """scikit-learn's own members, and their weighted sum."""

    def __init__(self, fitted: StackPredictor, grown: dict[Any, Any]) -> None:
        from sklearn.linear_model import Ridge

        self.boosting = [grown[h] for h in range(len(fitted.horizons_ns))]
        self.forest = grown[None].set_params(n_jobs=1)
        self.linear = Ridge()
        line = fitted.members["ridge"].linear  # type: ignore[attr-defined]
        self.linear.coef_, self.linear.intercept_ = line.coef, line.intercept
        self.line, self.stack = line, fitted.stack.weights[0]
        self.spread = fitted.members["extra_trees"].grown.scale  # type: ignore[attr-defined]

    def ready(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns as each member takes them: made beforehand, not timed."""
        z = np.clip((x - self.line.center) / np.where(self.line.scale > 0, self.line.scale, np.inf), -5, 5)
        return x, x.astype(np.float32), np.ascontiguousarray(np.nan_to_num(z))

    def members(self, x: np.ndarray, single: np.ndarray, z: np.ndarray) -> np.ndarray:
        """float64[m, n, h]: ridge, boosting, extra trees."""
        boosted = np.stack([each.predict(x) for each in self.boosting], axis=1)
        return np.stack((self.linear.predict(z), boosted, self.forest.predict(single) * self.spread))

    def predict(self, x: np.ndarray, single: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.einsum("mnh,hm->nh", self.members(x, single, z), self.stack)


def main() -> None:
    with built() as (folder, of):
        walk = watched(
            *BTCFRAME, "train", "model=ensemble", f"source.duration={DURATION}", f"hydra.run.dir={folder / 'train'}",
            f"store.path={folder / 'lake'}",
        )  # fmt: skip
        data = whole(of)
        fitted, grown, final = fit(data)
    training_table(of, walk, final)
    serving(data, fitted, grown)


def training_table(of: TrainingTable, walk: Cost, final: Cost) -> None:
    rows = [
        (name, f"{cost.seconds:.0f} s", reached(cost.seconds, goal, " s"), f"{cost.cpu:.0f} s",
         f"{cost.gigabytes:.1f} GB", reached(cost.gigabytes, MEMORY, " GB"))
        for name, cost, goal in (("walk-forward, 5 folds", walk, WALK), ("one fit on all rows", final, FINAL))
    ]  # fmt: skip
    table(
        f"Training the ensemble, {len(of):,} rows, {len(of.layout.columns)} columns, 3 horizons", "what", "wall", "goal",
        "CPU", "memory", "goal", rows=rows,
        note="The walk-forward is the whole command, the build apart. CPU is of all threads.",
    )  # fmt: skip


def serving(data: TrainingSet, fitted: StackPredictor, grown: dict[Any, Any]) -> None:
    x, regime = data.x, data.regime
    peer = Peer(fitted, grown)
    given = peer.ready(x)
    out, one = np.zeros((len(x), 3), PREDICTION), np.zeros((1, 3), PREDICTION)

    def batch() -> None:
        fitted.predict(x, regime, out)

    started, _ = first(batch)
    check(peer, fitted, data, given, out)
    theirs = peer.predict(*given)
    known = np.isfinite(out["mean"])
    worst = float(np.abs(out["mean"] - theirs)[known].max() / theirs.std())
    assert worst < 1e-9, f"{worst:.1e} of the peer's standard deviation"
    for t in range(ONE):
        fitted.predict(x[t : t + 1], regime[t : t + 1], one)
        assert one.tobytes() == out[t : t + 1].tobytes(), f"row {t} alone has other bits"
    ours = singly(lambda t: fitted.predict(x[t : t + 1], regime[t : t + 1], one), 20 * ONE)
    with threadpool_limits(1):  # for one row, more threads only wait for each other
        peers = singly(lambda t: peer.predict(*(a[t : t + 1] for a in given)), ONE)
    timings = take_turns(batch, lambda: peer.predict(*given), repeats=3)
    n = len(x)
    p50, p99 = (float(np.percentile(ours, q)) for q in (50, 99))
    times = float(np.median(peers)) / p50
    table(
        f"Serving the ensemble, {x.shape[1]} columns, 3 horizons", "what", "per row", "99 %", "goal", "× scikit-learn", "goal",
        rows=[
            ("one row: btcframe", f"{p50:.1f} µs", f"{p99:.1f} µs", reached(p50, ROW, " µs"), f"{times:,.0f}×",
             reached(times, TIMES, "×", least=True)),
            ("one row: scikit-learn", f"{np.median(peers):,.0f} µs", f"{np.percentile(peers, 99):,.0f} µs", "", "1×", ""),
            (f"{n:,} rows: btcframe", timings[0].each(n), "", "", ratio(*timings),
             reached(timings[1].median / timings[0].median, 1, "×", least=True)),
            (f"{n:,} rows: scikit-learn", timings[1].each(n), "", "", "1×", ""),
        ],
        note=f"Boosting and extra trees agree to the bit, the ensemble's mean within {worst:.0e} σ. {started}",
    )  # fmt: skip


def check(peer: Peer, fitted: StackPredictor, data: TrainingSet, given: Any, out: np.ndarray) -> None:
    """The members' means against scikit-learn's, to the bit for the trees, wherever we predict."""
    means = means_of(fitted.members, data.x, data.regime, out)
    theirs = peer.members(*given)
    for m, name in enumerate(fitted.members):
        known = np.isfinite(means[m])
        if name == "ridge":
            np.testing.assert_allclose(means[m][known], theirs[m][known], rtol=1e-9, atol=1e-9)
        else:
            assert means[m][known].tobytes() == theirs[m][known].tobytes(), f"{name} has other bits"
    console.print(f"{np.isfinite(means).all(axis=(0, 2)).mean():.1%} of the rows are predicted")


def singly(call: Any, rows: int) -> np.ndarray:
    """Microseconds of each call, one row each, after some that do not count."""
    for t in range(50):
        call(t)
    times = np.empty(rows)
    for t in range(rows):
        start = time.perf_counter_ns()
        call(t)
        times[t] = (time.perf_counter_ns() - start) / 1e3
    return times
