"""The page of a comparison: what it says, and how a person meets it in a window, on a phone and on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report.test_browser import PHONE, drawn_for, fine
from small_runs import CONFIG, changed, manifest, predicted, sweep, traded

from btcframe.plugins import Catalog, discover
from btcframe.report.page import save
from btcframe.runs.comparison import compare
from btcframe.runs.figures import pareto
from btcframe.runs.figures_settings import AXES, MAPS, heat_maps, parallel, told_apart
from btcframe.runs.find import runs_in
from btcframe.runs.page import comparison_page
from btcframe.runs.ranking import told

Open = Callable[..., Any]

TICKS = """[...document.querySelectorAll('.xaxislayer-above, .yaxislayer-above')].map(
    axis => [...axis.querySelectorAll('text')].map(tick => tick.textContent))"""
"""What stands at each axis of each figure."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve runs without any edge, of two settings, that hardly earn or lose anything, and one that failed."""
    place = tmp_path_factory.mktemp("page") / "sweep"
    rng = np.random.default_rng(1)
    for k in range(12):
        config = changed(CONFIG, model__alpha=10.0 ** (k % 4), policy__threshold_bps=float(k // 4))
        traded(place / str(k), 2e-7 * rng.standard_normal(120), config, turnover=1.2 + 0.12 * k)
    manifest(place / "12", CONFIG, status="failed", error="<b>no</b>")
    return place


def text_of(page: str) -> str:
    return re.sub(
        r"\s+", " ", re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    )


def test_it_says_what_was_found_with_how_much_was_tried(swept: Path, catalog: Catalog) -> None:
    compared = compare(runs_in(swept), catalog)
    text = text_of(comparison_page(compared, ["runs/sweep"]))
    for expected in (
        "What this has found: nothing .", "Trials on this market 12 all of them here", "The number of trials is 12", "12,870 splits; noise has 50 %",
        "The winner is within noise of the median", "λ = ln(ω/(1 − ω))", "Journal of Computational Finance 20", "2 more runs",
        "its status is &#x27;failed&#x27;: &lt;b&gt;no&lt;/b&gt;", "Nothing is left out silently.", "from runs/sweep",
    ):  # fmt: skip
        assert expected in text, expected
    (found,) = compared.markets
    for row in found.rows:
        assert " ".join(told("return", row.measures["return"]).split()) in text


def test_figures_show_every_run(swept: Path, catalog: Catalog) -> None:
    (found,), _ = compare(runs_in(swept), catalog)
    assert told_apart(found) == ["policy.threshold_bps", "model.alpha"]
    lines = parallel(found).data
    assert sum(sum(x is None for x in one["x"]) for one in lines) == 12
    (heat,) = heat_maps(found)
    cells = heat.data[0]
    for row in found.rows:
        y, x = (
            cells["y"].index(f"{row.settings['policy.threshold_bps']:.0f}"),
            cells["x"].index(f"{row.settings['model.alpha']:.0f}"),
        )
        assert cells["z"][y][x] == pytest.approx(row.ratio)
    assert cells["x"] == ["1", "10", "100", "1000"]  # by size, not by name
    for against in ("drawdown", "turnover"):
        figure = pareto(found, against)
        front = {(x, y) for x, y in zip(figure.data[0]["x"], figure.data[0]["y"], strict=True)}
        points = {(row.measures[against], row.measures["return"]) for row in found.rows}
        assert front == {
            (x, y) for x, y in points if not any(a <= x and b >= y and (a, b) != (x, y) for a, b in points)
        }  # fmt: skip


def test_many_settings_and_one(tmp_path: Path, catalog: Catalog) -> None:
    rng = np.random.default_rng(2)
    for k in range(8):
        bits = [float(k >> n & 1) for n in range(3)]
        config = changed(
            CONFIG, model={"plugin": "ridge", "alpha": bits[0], "clip": bits[1]}, policy={"plugin": "market", "size": bits[2], "note": f"<i>{k}"},
            clock__every=f"{k}s", risk__max__size=float(k), regime__window=k,
        )  # fmt: skip
        traded(tmp_path / "many" / str(k), 1e-4 * rng.standard_normal(60), config)
    (found,), _ = compare(runs_in(tmp_path / "many"), catalog)
    figure = parallel(found)
    assert f"{len(found.settings) - AXES} settings more could not be shown" in str(figure.note)
    assert len(heat_maps(found)) == MAPS and "median of the runs in each cell" in str(
        heat_maps(found)[0].note
    )
    (found,), _ = compare(runs_in(sweep(tmp_path / "one", 1e-4 * rng.standard_normal((60, 3)))), catalog)
    (heat,) = heat_maps(found)
    assert len(heat.data[0]["z"]) == 1
    (found,), _ = compare(runs_in(sweep(tmp_path / "alone", 1e-4 * rng.standard_normal((60, 1)))), catalog)
    assert "Settings, and what" not in comparison_page(compare(runs_in(tmp_path / "alone"), catalog), [])


def test_many_values_become_ranges_and_durations_are_in_order(tmp_path: Path, catalog: Catalog) -> None:
    rng = np.random.default_rng(4)
    for k in range(24):
        config = changed(
            CONFIG, model__alpha=float(10 ** (k / 8)), clock__every=("500ms", "2s", "10s")[k % 3]
        )
        traded(tmp_path / str(k), 1e-4 * rng.standard_normal(60), config)
    (found,), _ = compare(runs_in(tmp_path), catalog)
    (heat,) = heat_maps(found)
    assert heat.data[0]["y"] == ["500ms", "2s", "10s"]
    assert heat.data[0]["x"][0] == "1 to 2.37" and len(heat.data[0]["x"]) == 6
    mine = [
        row.ratio
        for row in found.rows
        if row.settings["clock.every"] == "2s" and row.settings["model.alpha"] <= 2.4
    ]
    assert heat.data[0]["z"][1][0] == pytest.approx(np.median(mine))
    labels = [note["text"] for note in parallel(found).layout["annotations"]]
    assert (
        labels.count("1") == 1 and "750" in labels and sum(label.startswith("1.3") for label in labels) == 0
    )


def test_in_every_window(swept: Path, catalog: Catalog, opened: Open, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    save(page, comparison_page(compare(runs_in(swept), catalog), ["runs/sweep"]))
    seen = opened(page, color_scheme="light")
    drawn_for(seen, "light", 1280)
    fine(seen, page)
    assert seen.evaluate("document.querySelectorAll('.plot').length") == 6
    for axis in seen.evaluate(TICKS):
        assert len(set(axis)) == len(axis), axis
    seen.page.emulate_media(color_scheme="dark")
    drawn_for(seen, "dark", 1280)
    fine(seen, page)
    seen.page.emulate_media(media="print")
    drawn_for(seen, "light", 1280)
    assert seen.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    assert not seen.complaints
    fine(opened(page, **PHONE), page)


def test_several_markets_predictions_and_hostile_names(
    catalog: Catalog, opened: Open, tmp_path: Path
) -> None:
    evil = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
    rng = np.random.default_rng(3)
    for k in range(3):
        config = changed(CONFIG, model={"plugin": "ridge", "alpha": float(k), "note": f"{evil}{k}", evil: k})
        predicted(tmp_path / "a" / str(k), rng.standard_normal(900), rng.standard_normal(900), config)
        predicted(
            tmp_path / "b" / str(k), rng.standard_normal(90), rng.standard_normal(90), changed(config, seed=8)
        )
    page = tmp_path / "page.html"
    compared = compare(runs_in(tmp_path), catalog)
    assert len(compared.markets) == 2
    save(page, comparison_page(compared, [evil]))
    seen = opened(page, **PHONE)
    fine(seen, page)
    assert seen.evaluate("window.hacked") is None
    assert seen.evaluate("document.querySelectorAll('main img, header img').length") == 0
    names = seen.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(names) == len(set(names))
    assert "On other markets: BTC/USDT:USDT seed=8, 3 runs: nothing" in text_of(
        page.read_text(encoding="utf-8")
    )
