"""Training on a build: out-of-sample predictions, what they are worth, and the models that made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from btcframe.api import Model
from btcframe.combinatorial import Combinatorial
from btcframe.config import splitter as splitter_of
from btcframe.errors import BtcframeError
from btcframe.jobs import build as build_job
from btcframe.learning.building import Build
from btcframe.learning.folds import FINAL, MODELS, Fold, OutOfSample, Recipe, joined
from btcframe.learning.leaks import Suspicion, plain, suspicions
from btcframe.learning.predictions import (
    PREDICTIONS,
    against_oracle,
    judge,
    judge_baseline,
    plain_found,
    plain_metrics,
    write_predictions,
)
from btcframe.learning.promotion import alone, newest, promote, wanted
from btcframe.learning.side_by_side import train_folds
from btcframe.learning.tables import TrainingTable, read_training
from btcframe.learning.training import TrainResult, Work, check_room, fit_final, path_of
from btcframe.models.artefacts import load_model, made_by
from btcframe.pipeline.selection import chosen
from btcframe.report.judgement import judged
from btcframe.report.metrics import Metrics
from btcframe.report.prediction import metrics_table, paths_table, verdicts
from btcframe.report.trials import trials_of
from btcframe.report.worth import Worth, round_trip_bps, worth_of
from btcframe.run import Run
from btcframe.scratch import take
from btcframe.sections import Validation
from btcframe.settings import engine
from btcframe.truth import expected_name, known, read_truth
from btcframe.types import Floats, Ints

BASELINE = "persistence"
"""The model that is fitted beside every other one. The other baseline, zero, needs no fit."""


class Walked(NamedTuple):
    """What the folds came to.

    Parameters
    ----------
    windows : list of dict      what a `Fold` says of each
    found : OutOfSample         one walk over the rows that were tested
    regimes : tuple of str
    unfit : str                 why there is no baseline; "" where there is one
    paths : list of OutOfSample    all walks of a combinatorial training, the first is `found`; otherwise none
    """

    windows: list[dict[str, int]]
    found: OutOfSample
    regimes: tuple[str, ...]
    unfit: str
    paths: list[OutOfSample]


def main(run: Run) -> TrainResult:
    """Train on the build that the config describes; it is made first where it does not exist.

    With `promote.to`, the final fit goes into the registry and through the gate: `promotion`.

    Raises
    ------
    ConfigError, DataError, ModelError, PluginError, StoreError
    """
    with alone(run):
        result = _train(run)
        promote(run)
    return result


def _train(run: Run) -> TrainResult:
    if isinstance(splitter := splitter_of(run.config), Combinatorial):
        splitter.tested()  # before any work: what it needs may not be installed
    _check_room(run)
    build = build_job.build(run)
    # now: after hours of training the store may be away
    trials = trials_of(run.component("store"), run.config, build.manifest["symbol"])
    table = read_training(run.component("store"), build.id, build.layout, build.rows, run.dir)
    table = newest(table, run.config)
    work, without = _work(run, build, table)
    walked = _walk(run, work)
    found, without = walked.found, without or walked.unfit
    row_ns, y, t_end = (take(array, found.rows, run.dir) for array in (table.row_ns, table.y, table.t_end))
    expected = _expected(run, build, row_ns)
    write_predictions(
        run.dir / PREDICTIONS, table, found, walked.regimes, expected,
        baseline="" if without else BASELINE, aged=not walked.paths,
    )  # fmt: skip
    metrics = judge(table, found, seed=run.seed)
    baseline = () if without else judge_baseline(table, found, seed=run.seed)
    oracle = against_oracle(table, found, expected, seed=run.seed) if expected else ()
    worth = _worth(run, build, walked, row_ns, y, t_end, told=not without, trials=trials)
    folds = () if walked.paths else tuple(
        Fold(artefact=run.dir / MODELS / f"fold-{window['index']}", **window) for window in walked.windows
    )  # fmt: skip
    leaking = _suspicions(run, table, found, folds)
    told = {
        "scheme": run.config["validation"].get("scheme", Validation.scheme),
        "folds": [vars(fold) | {"artefact": f"{MODELS}/{fold.artefact.name}"} for fold in folds],
        "metrics": [plain_metrics(m) for m in metrics],
        "baselines": {BASELINE: [plain_metrics(m) for m in baseline]} if baseline else {},
        "worth": [w.plain() for w in worth],
        "suspicions": [plain(s) for s in leaking],
    }
    if oracle:
        told["oracle"] = [plain_found(f) for f in oracle]
    run.manifest.setdefault("results", {})["train"] = told
    run.say(metrics_table(metrics, oracle, {BASELINE: baseline} if baseline else {}))
    if without:
        run.say(f"Without the baseline {BASELINE}: {without}")
    if walked.paths:
        told["paths"] = _paths(run, table, walked.paths)
    for suspicion in leaking:
        run.say(f"This looks like a leak. {suspicion.words}")
    run.say(verdicts(metrics, oracle))
    run.say(judged(told["worth"]))
    if run.config["validation"].get("final") or wanted(run.config).to:
        _final(run, work, walked, told)
    return TrainResult(build.id, folds, row_ns, found.predictions, y, t_end, metrics, oracle)


def _suspicions(
    run: Run, table: TrainingTable, found: OutOfSample, folds: Sequence[Fold]
) -> tuple[Suspicion, ...]:
    """What looks like a leak; of a combinatorial training, which keeps no models, without a look at columns."""
    last = load_model(folds[-1].artefact, run.catalog) if folds else None
    return suspicions(table, found, last, seed=run.seed)


def _work(run: Run, build: Build, table: TrainingTable) -> tuple[Work, str]:
    """What the folds are made of, and why there is no baseline; "" where there is one."""
    splitter = splitter_of(run.config)
    baseline: Model | None = None
    without = ""
    try:
        baseline = run.catalog.build("model", {"plugin": BASELINE})
    except BtcframeError as error:  # it is a plugin's: another installation may not have it
        without = error.what
    recipe = Recipe(
        run.component("regime"), run.component("model"), splitter.inner(), run.seed, baseline,
        run.config["validation"].get("uniqueness", Validation.uniqueness),
    )  # fmt: skip
    manifest = {
        slot: run.config[slot] for slot in ("clock", "features", "select", "regime", "label", "model")
    }
    manifest |= {"build": build.id, "seed": run.seed, "symbol": build.manifest["symbol"]}
    manifest["run"] = made_by(run.manifest)
    kept = None if isinstance(splitter, Combinatorial) else run.dir / MODELS
    return Work(table, splitter, recipe, kept, manifest), without


def _walk(run: Run, work: Work) -> Walked:
    """Fit and judge all folds."""
    windows: list[dict[str, int]] = []
    parts: list[OutOfSample] = []
    regimes: tuple[str, ...] = ()
    unfit = ""
    where, at_once = engine(run.config), run.config["validation"].get("jobs")
    with run.progress("training", total=work.count(), unit="folds") as bar:
        for trained in train_folds(work, where=where, directory=run.dir, at_once=at_once):
            windows.append(trained.window)
            parts.append(trained.part)
            regimes, unfit = trained.regimes, unfit or trained.unfit
            run.notify("fold_done", **trained.window)
            bar.advance(1)
    if not isinstance(work.splitter, Combinatorial):
        return Walked(windows, joined(parts, run.dir), regimes, unfit, [])
    edges = work.splitter.windows(work.table.row_ns, work.table.t_end)
    paths = [path_of(splits, edges, parts, run.dir) for splits in work.splitter.paths()]
    return Walked(windows, paths[0], regimes, unfit, paths)


def _worth(
    run: Run, build: Build, walked: Walked, row_ns: Ints, y: Floats, t_end: Ints, *, told: bool, trials: int
) -> tuple[Worth, ...]:
    """What the predictions are worth; `told` says whether there is a baseline."""
    found, horizons = walked.found, build.layout.horizons_ns
    return worth_of(
        found.predictions, [found.baseline[:, h] for h in range(len(horizons))] if told else (), y, t_end, row_ns,
        None if walked.paths else found.age_ns, found.regime, walked.regimes,
        horizons_ns=horizons, cost_bps=round_trip_bps(run.config["venue"]), trials=trials, seed=run.seed,
    )  # fmt: skip


def _paths(run: Run, table: TrainingTable, paths: Sequence[OutOfSample]) -> list[list[dict[str, Any]]]:
    """Metrics of every path and horizon, shown and as plain values."""
    metrics: list[tuple[Metrics, ...]] = [judge(table, path, seed=run.seed) for path in paths]
    run.say(paths_table(metrics))
    return [[plain_metrics(m) for m in each] for each in metrics]


def _final(run: Run, work: Work, walked: Walked, told: dict[str, Any]) -> None:
    """Fit once more, on all rows, for use after them."""
    artefact = run.dir / MODELS / FINAL
    with run.progress("final fit", total=1, unit="fits") as bar:
        fit_final(
            work,
            len(walked.windows),
            walked.found,
            {"metrics": told["metrics"]},
            artefact,
            engine(run.config),
        )
        bar.advance(1)
    told[FINAL] = f"{MODELS}/{FINAL}"


def _check_room(run: Run) -> None:
    """Where the source knows how long its market is, look whether the disk has room for a training on it."""
    span_ns = getattr(run.component("source"), "span_ns", None)
    if span_ns is None:
        return
    features = chosen(run.components("features"), run.config["select"])
    columns = len(features) + len(run.component("regime").columns())
    rows = span_ns // run.component("clock").period_ns
    check_room(run.dir, rows, columns, len(run.component("label").horizons_ns))


def _expected(run: Run, build: Build, row_ns: Ints) -> list[Floats]:
    """What the oracle expects at these rows, an array a horizon; none where the market's truth is not known."""
    if not known(build.manifest):
        return []
    names = [expected_name(horizon) for horizon in build.layout.horizons_ns]
    columns = read_truth(run.component("store"), build.id, names, row_ns, run.dir)
    return [columns[name] for name in names]
