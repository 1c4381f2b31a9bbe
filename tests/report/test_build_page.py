"""A build's page: every column, why values are missing, and what older builds can still tell."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs.small import make_run

from btcframe.api import Column
from btcframe.checkup.collect import Collector
from btcframe.checkup.numbers import Checkup
from btcframe.errors import DataError
from btcframe.jobs import build as build_job
from btcframe.plugins import Catalog
from btcframe.report.build_page import build_page
from btcframe.report.page import PAGE, save
from btcframe.report.sections_columns import UNCHECKED
from btcframe.run import load_manifest
from btcframe.sessions.reporting import gather, said_again
from btcframe.testing.markets import rough_rows
from btcframe.types import NS

Open = Callable[..., Any]

PHONE = {
    "viewport": {"width": 400, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
WIDE = """[...document.querySelectorAll('body *')].filter(e =>
    !e.closest('.skip, thead, svg') && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"""
SPILLED = """[...document.querySelectorAll('section table')].filter(t =>
    t.getBoundingClientRect().right > t.closest('.body').getBoundingClientRect().right + 1).length"""
NAMES = """[...document.querySelectorAll('.plot')].map(p => {
    const boxes = [...p.querySelectorAll('.ytick text')].map(t => t.getBoundingClientRect());
    return {shown: boxes.length,
            overlaps: boxes.some((a, i) => i && Math.min(a.bottom, boxes[i - 1].bottom)
                                             - Math.max(a.top, boxes[i - 1].top) > 3),
            cut: boxes.some(b => b.left < p.getBoundingClientRect().left - 1)};
})"""


@pytest.fixture(scope="module")
def built(home: Path, catalog: Catalog) -> Path:
    """The directory of a finished build with windows that never fill."""
    features = {name: {"plugin": name} for name in ("book", "returns", "toxicity")}
    run = make_run(home, catalog, "built", verb="build", features=features)
    with run.recorded():
        build_job.main(run)
    return run.dir


def manifest_of(built: Path, catalog: Catalog) -> tuple[dict[str, Any], dict[str, Any]]:
    run = load_manifest(built)
    store = catalog.build("store", run["config"]["store"])
    return run, copy.deepcopy(store.builds()[run["results"]["build"]["id"]])


def many(k: int = 96) -> Checkup:
    """Long names, holes, likenesses: what a page of all features has to bear."""
    rng = np.random.default_rng(0)
    rows = rough_rows(3000)
    x = rng.standard_normal((len(rows), k))
    x[:, 1::3] = x[:, ::3] + 0.05 * x[:, 1::3]
    x[:, ::4] += np.linspace(0, 4, len(rows))[:, None]
    x[np.isnan(rows["mid"])] = np.nan
    columns = [Column(f"a_column_of_some_length_{j}_bps", inputs=("mid",), warmup=7 * j) for j in range(k)]
    for j in range(k):
        x[: 7 * j, j] = np.nan
    collector = Collector(columns)
    collector.add(rows, x)
    return collector.finish()


def test_every_column_stands_on_the_page_and_what_lacks_values_has_a_reason(
    built: Path, catalog: Catalog
) -> None:
    page = (built / PAGE).read_text()
    text = re.sub(r"<script.*?</script>|<[^>]*>", " ", page, flags=re.DOTALL)
    run, build = manifest_of(built, catalog)
    for name in (*build["layout"]["columns"], *build["layout"]["regime_columns"]):
        assert name in text
    assert re.search(r"vpin_50.*?it still waits for 50 full buckets \(", text, re.DOTALL)
    assert run["results"]["build"]["id"] in text


def test_again_it_is_the_same_page(built: Path, catalog: Catalog) -> None:
    first = (built / PAGE).read_bytes()
    (built / PAGE).unlink()
    assert said_again(built, catalog).startswith("Report: ")
    assert (built / PAGE).read_bytes() == first


def test_a_build_that_is_reused_is_told_the_same(home: Path, built: Path, catalog: Catalog) -> None:
    run, _ = manifest_of(built, catalog)
    again = make_run(home, catalog, "built-again", verb="build", features=run["config"]["features"])
    with again.recorded():
        build_job.main(again)
    assert again.manifest["results"]["build"]["reused"]
    ours = (again.dir / PAGE).read_text().partition("<main")[2]
    assert (
        ours.partition("<footer")[0]
        == (built / PAGE).read_text().partition("<main")[2].partition("<footer")[0]
    )
    said = "\n".join(again.console.lines)  # type: ignore[attr-defined]
    assert "columns checked:" in said and "it still waits for 50 full buckets" in said


def test_what_the_store_no_longer_holds_is_said(built: Path, catalog: Catalog) -> None:
    run = load_manifest(built)
    run["results"]["build"]["id"] = "000000000000"
    from btcframe.sessions.reporting import report_build

    with pytest.raises(DataError, match="the store no longer holds build 000000000000"):
        report_build(built, run, catalog)
    with pytest.raises(DataError, match="Sessions and predictions are those of run, train, backtest"):
        gather(built, load_manifest(built), catalog)


def test_older_builds_say_that_nothing_was_checked(built: Path, catalog: Catalog) -> None:
    run, build = manifest_of(built, catalog)
    del build["checkup"]
    build["summary"]["warmup"] = 100
    page = build_page("old", run, build)
    assert UNCHECKED in page and "Columns that lack more values than the warm-up takes" in page
    build["checkup"] = {"rows": 3}
    assert "checkup of its columns is another version&#x27;s" in build_page("old", run, build)


def test_a_table_without_columns(built: Path, catalog: Catalog) -> None:
    run, build = manifest_of(built, catalog)
    collector = Collector(())
    collector.add(rough_rows(100), np.empty((100, 0)))
    build["checkup"] = collector.finish().as_manifest()
    assert "The table has no column to check." in build_page("none", run, build)
    collector = Collector((Column("one"),))
    collector.add(rough_rows(100), np.random.default_rng(0).random((100, 1)))
    build["checkup"] = collector.finish().as_manifest()
    assert "1 column of 100 rows checked: nothing stands out." in build_page("one", run, build)


@pytest.mark.parametrize(
    "window", [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"]
)
def test_readable_with_many_columns(
    built: Path, catalog: Catalog, opened: Open, tmp_path: Path, window: dict[str, Any]
) -> None:
    run, build = manifest_of(built, catalog)
    found = many()
    assert found.last_ns - found.first_ns == (found.rows - 1) * NS
    build["checkup"] = found.as_manifest()
    save(tmp_path / PAGE, build_page("many", run, build))
    seen = opened(tmp_path / PAGE, **window)
    assert not seen.complaints and seen.requests == [(tmp_path / PAGE).as_uri()]
    assert seen.evaluate(WIDE) == [] and seen.evaluate(SPILLED) == 0
    figures = seen.evaluate(NAMES)
    assert [f["shown"] for f in figures] == [40, 40, 96, 3]  # the last is the quality
    assert not any(f["overlaps"] or f["cut"] for f in figures)


def test_a_hostile_column_is_text(built: Path, catalog: Catalog, opened: Open, tmp_path: Path) -> None:
    evil = "\"'></script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
    run, build = manifest_of(built, catalog)
    rows = rough_rows(500)
    collector = Collector([Column(evil, unit=evil, formula=evil, awaits=evil, inputs=(evil,)), Column("b")])
    collector.add(rows, np.full((500, 2), np.nan))
    build["checkup"] = collector.finish().as_manifest()
    save(tmp_path / PAGE, build_page(evil, run, build))
    seen = opened(tmp_path / PAGE)
    assert seen.evaluate("window.hacked") is None and not seen.complaints


def test_the_page_of_a_run_has_the_columns_too(finished: Path) -> None:
    page = (finished / PAGE).read_text()
    assert 'id="columns"' in page and 'id="likeness"' in page
