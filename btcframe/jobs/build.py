"""Events to the training table: rows, features, regime descriptors and labels in the store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from btcframe.api import Clock, Feed
from btcframe.config import duration
from btcframe.learning.building import (
    Build,
    Made,
    Write,
    build_id,
    build_table,
    check_horizons,
    describe,
    identity,
    write_build,
)
from btcframe.learning.partitions import Partition, PartitionedFeed, partitions_of
from btcframe.live_sources import needs_recording
from btcframe.pipeline import Pipeline
from btcframe.pipeline.parts import available_threads
from btcframe.pipeline.row_sources import check_clock
from btcframe.report.build_page import build_page
from btcframe.report.page import PAGE, save
from btcframe.run import Run
from btcframe.sections import Build as Section
from btcframe.settings import engine


def main(run: Run) -> Build:
    """Make the build that the config describes, and leave a page on its columns in the run's directory.

    Raises
    ------
    ConfigError, DataError, StoreError
    """
    made = build(run)
    save(run.dir / PAGE, build_page(run.dir.name, run.manifest, made.manifest))
    return made


def build(run: Run) -> Build:
    """Make the build that the config describes, or find it in the store.

    Raises
    ------
    ConfigError, DataError, StoreError
    """
    source, store = run.component("source"), run.component("store")
    needs_recording(source, run.config["source"]["plugin"], "a training table")
    what = identity(run.config, run.catalog, source.fingerprint())
    name = build_id(what)

    def waiting() -> None:
        run.say(f"Another process is making build {name}: waiting for it.")

    with store.claim(name, waiting):
        known = store.builds().get(name)
        made = Build(name, known, reused=True) if known is not None else _make(run, name, what, source, store)
    results = run.manifest.setdefault("results", {})
    results["build"] = results.get("build", {}) | {
        "id": name, "symbol": made.manifest["symbol"], "rows": made.rows, "reused": made.reused,
        "data": what["fingerprint"],
    }  # fmt: skip
    run.notify("build_done", build=name, rows=made.rows, reused=made.reused)
    run.say(describe(made))
    return made


def _make(run: Run, name: str, what: dict[str, Any], source: Any, store: Any) -> Build:
    clock, label = run.component("clock"), run.component("label")
    check_clock(source, clock)
    check_horizons(clock, label)
    with contextlib.closing(_opened(run, source, clock)) as feed, run.progress("building") as bar:
        features, select = run.components("features"), run.config["select"]
        settings = run.config["build"]
        pipeline = Pipeline(
            feed.instrument, clock, features, run.component("regime"),
            select=select, threads=settings.get("threads") or available_threads(),
        )  # fmt: skip

        def make(write: Write) -> Made:
            oracle = getattr(source, "oracle", None)
            return build_table(
                feed, pipeline, label, write, settings["batch"], bar.advance, oracle, raw=settings["rows"]
            )

        return write_build(store, name, what, make, feed.instrument.symbol)


def _opened(run: Run, source: Any, clock: Clock) -> Feed:
    """The market: its events, or, where the engine has several at work at a time, the rows that they make of it."""
    where = engine(run.config)
    whole: Callable[[], Feed] = partial(source.open, seed=run.seed)
    if where.kind == "local" and where.jobs == 1:
        return whole()
    settings = {"build": vars(Section(**run.config["build"]))}
    partitions, why = partitions_of(source, clock, duration(settings, "build", "partition"))
    if why:
        run.say(f"The market is built in one pass: {why}.")
        return whole()
    told: dict[str, Any] = {"count": len(partitions), "again": []}
    run.manifest.setdefault("results", {})["build"] = {"partitions": told}

    def again(partition: Partition, what: str) -> None:
        told["again"].append({"begin": partition.begin, "differs": what})
        begin = np.datetime64(partition.begin, "ns").astype("datetime64[s]")
        run.say(f"The partition from {begin}Z on is made again: {what} differs where the one before ends.")

    return PartitionedFeed(
        source, clock, partitions, seed=run.seed, where=where, directory=run.dir, again=again
    )
