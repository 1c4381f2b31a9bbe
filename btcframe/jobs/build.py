"""Events to the training table: rows, features, regime descriptors and labels in the store."""

from __future__ import annotations

import contextlib
from typing import Any

from btcframe.building import (
    Build,
    Write,
    build_id,
    build_table,
    check_horizons,
    describe,
    identity,
    write_build,
)
from btcframe.pipeline import Pipeline
from btcframe.run import Run
from btcframe.tables import Layout, Summary


def main(run: Run) -> Build:
    """Make the build that the config describes, or find it in the store.

    Raises
    ------
    ConfigError, DataError, StoreError
    """
    source, store = run.component("source"), run.component("store")
    what = identity(run.config, run.catalog, source.fingerprint())
    name = build_id(what)

    def waiting() -> None:
        run.say(f"Another process is making build {name}: waiting for it.")

    with store.claim(name, waiting):
        known = store.builds().get(name)
        build = (
            Build(name, known, reused=True) if known is not None else _make(run, name, what, source, store)
        )
    run.manifest.setdefault("results", {})["build"] = {
        "id": name, "rows": build.rows, "reused": build.reused, "data": what["fingerprint"],
    }  # fmt: skip
    run.notify("build_done", build=name, rows=build.rows, reused=build.reused)
    run.say(describe(build))
    return build


def _make(run: Run, name: str, what: dict[str, Any], source: Any, store: Any) -> Build:
    clock, label = run.component("clock"), run.component("label")
    check_horizons(clock, label)
    with contextlib.closing(source.open(seed=run.seed)) as feed, run.progress("building") as bar:
        features, select = run.components("features"), run.config["select"]
        pipeline = Pipeline(feed.instrument, clock, features, run.component("regime"), select=select)

        def make(write: Write) -> tuple[Layout, Summary]:
            oracle = getattr(source, "oracle", None)
            return build_table(
                feed, pipeline, label, write, run.config["build"]["batch"], bar.advance, oracle
            )

        return write_build(store, name, what, make, feed.instrument.symbol)
