"""Market regimes judged by use: which method tells more of what follows, out of sample, on the same rows."""

from __future__ import annotations

import contextlib
from typing import Any

from btcframe.config import splitter as splitter_of
from btcframe.errors import ConfigError
from btcframe.learning.building import check_horizons
from btcframe.live_sources import needs_recording
from btcframe.pipeline.parts import available_threads
from btcframe.pipeline.row_sources import check_clock
from btcframe.regime_study import ahead, rows, walk
from btcframe.regime_study.study import study
from btcframe.report.page import PAGE, save
from btcframe.report.regimes_page import FILE, regimes_page
from btcframe.report.regimes_table import regimes_table
from btcframe.run import Run, write_json
from btcframe.split import WalkForward


def main(run: Run) -> dict[str, Any]:
    """Compare the regimes of the config; leave `regimes.json` and a page, and print a table and the verdict.

    Raises
    ------
    ConfigError, DataError, ModelError, StoreError
    """
    source, clock, label = (run.component(slot) for slot in ("source", "clock", "label"))
    needs_recording(source, run.config["source"]["plugin"], "a verdict")
    check_clock(source, clock)
    check_horizons(clock, label)
    splitter, later = splitter_of(run.config), int(run.config["later"])
    if not isinstance(splitter, WalkForward):
        raise ConfigError(
            "validation.scheme: regimes are compared walking forward, as they are used",
            next="Leave it alone, or: validation.scheme=walk_forward",
        )
    plugins = {name: node["plugin"] for name, node in run.config["regimes"].items()}
    methods = walk.methods(run.components("regimes"), plugins, later)
    with contextlib.closing(source.open(seed=run.seed)) as feed, run.progress("reading") as bar:
        read = rows.read(
            feed, clock, label, walk.asked(methods), run.dir,
            threads=run.config["build"].get("threads") or available_threads(), advance=bar.advance,
        )  # fmt: skip
    forward = ahead.realised(read)
    folds = splitter.count(read.row_ns, read.t_end)
    with run.progress("labelling", total=folds, unit="folds") as bar:
        walked = walk.walk(read, forward, methods, splitter, later, seed=run.seed, advance=bar.advance)
    found = study(
        read, forward, methods, walked, source=run.config["source"]["plugin"], later=later, seed=run.seed
    )
    write_json(run.dir / FILE, found)
    save(run.dir / PAGE, regimes_page(run.dir.resolve().name, run.manifest, found))
    run.manifest.setdefault("results", {})["regimes"] = {
        "verdict": found["verdict"],
        "explained": {m["name"]: m["explained"] for m in found["methods"]},
        "added": found["added"],
        "left_out": found["left_out"],
        "test_rows": found["test_rows"],
        "page": PAGE,
    }
    run.say(regimes_table(found))
    return found
