"""What a market looks like, in numbers, and beside other markets that were measured before."""

from __future__ import annotations

import contextlib
from pathlib import Path

from btcframe.errors import ConfigError
from btcframe.facts.measure import FILE, Facts, as_json, load, measure
from btcframe.live_sources import needs_recording
from btcframe.pipeline import Pipeline
from btcframe.pipeline.row_sources import needs_book
from btcframe.report.facts_page import PAGE, facts_page
from btcframe.report.facts_table import facts_table
from btcframe.report.page import save
from btcframe.run import Run, load_manifest, write_json

MOST_BESIDE = 25
"""Markets have a letter each in the table."""


def main(run: Run) -> Facts:
    """Measure the source's stylised facts; leave them as `facts.json` and a page, and print them as a table.

    Raises
    ------
    ConfigError, DataError
        If the source has no book, or not enough of one, or a run named in `beside` has no facts, or there are too
        many.
    """
    if len(run.config["beside"]) > MOST_BESIDE:
        raise ConfigError(
            f"beside: there are {len(run.config['beside'])} runs, and at most {MOST_BESIDE} fit beside a market",
            hint="Name those that are to be compared.",
        )
    source, clock = run.component("source"), run.component("clock")
    needs_recording(source, run.config["source"]["plugin"], "a market's facts")
    needs_book(source, run.config["source"]["plugin"], "its stylised facts need one")
    others = [_earlier(Path(directory)) for directory in run.config["beside"]]
    with contextlib.closing(source.open(seed=run.seed)) as feed, run.progress("measuring") as bar:
        pipeline = Pipeline(feed.instrument, clock, {}, run.component("regime"))
        facts = measure(feed, pipeline, clock.period_ns, bar.advance)
    if not source.fingerprint():  # made, not recorded: its day means nothing
        facts = facts._replace(name=run.config["source"]["plugin"])
    write_json(run.dir / FILE, as_json(facts))
    markets = told_apart([facts, *others])
    save(run.dir / PAGE, facts_page(markets))
    run.manifest.setdefault("results", {})["facts"] = {"market": dict(facts.market), "beside": len(others)}
    run.say(facts_table(markets))
    return facts


def _earlier(directory: Path) -> Facts:
    """The facts of a run that is whole."""
    load_manifest(directory)
    return load(directory)


def told_apart(markets: list[Facts]) -> list[Facts]:
    """The same with names that differ: a second one of a name gets a number."""
    seen: dict[str, int] = {}
    result = []
    for m in markets:
        seen[m.name] = seen.get(m.name, 0) + 1
        result.append(m if seen[m.name] == 1 else m._replace(name=f"{m.name} ({seen[m.name]})"))
    return result
