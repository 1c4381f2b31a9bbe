"""The page as a person meets it: in a light and a dark window, on a phone, on paper; on its own, and drawn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from btcframe.plugins import Catalog
from btcframe.report.page import PAGE
from btcframe.sessions.reporting import report_again

Open = Callable[..., Any]

PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
FIGURES = "[...document.querySelectorAll('.plot')].map(p => p.querySelectorAll('svg path, svg image').length)"
TICK = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
MUTED = "getComputedStyle(document.querySelector('.origin')).color"
PAPER = "getComputedStyle(document.body).backgroundColor"
WIDE = """[...document.querySelectorAll('body *')].filter(e =>
    !e.closest('.skip, thead, svg') && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"""


def fine(seen: Any, path: Path) -> None:
    """Nothing complained, nothing was fetched, every figure is drawn, and nothing is wider than the window."""
    assert not seen.complaints
    assert seen.requests == [path.as_uri()]
    drawn = seen.evaluate(FIGURES)
    assert len(drawn) == int(seen.evaluate("document.documentElement.dataset.drawn").split()[0])
    assert all(paths > 2 for paths in drawn)
    assert seen.evaluate(WIDE) == []
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")


def drawn_for(seen: Any, scheme: str, width: int) -> None:
    seen.page.wait_for_selector(f'html[data-drawn$=" {scheme} {width}"]', state="attached")


def test_one_page_in_every_window(finished: Path, opened: Open) -> None:
    """Light, dark, narrow and printed, switched while it is open: the figures follow."""
    seen = opened(finished / PAGE, color_scheme="light")
    drawn_for(seen, "light", 1280)
    fine(seen, finished / PAGE)
    assert len(seen.evaluate(FIGURES)) >= 8
    light = seen.evaluate(PAPER)
    assert seen.evaluate(TICK) == seen.evaluate(MUTED)

    seen.page.emulate_media(color_scheme="dark")
    drawn_for(seen, "dark", 1280)
    fine(seen, finished / PAGE)
    assert seen.evaluate(PAPER) != light
    assert seen.evaluate(TICK) == seen.evaluate(MUTED)

    seen.page.set_viewport_size({"width": 320, "height": 700})
    drawn_for(seen, "dark", 320)
    fine(seen, finished / PAGE)

    folded = "[...document.querySelectorAll('details')].filter(d => !d.open).length"
    before = seen.evaluate(folded)
    seen.page.emulate_media(media="print")
    drawn_for(seen, "light", 320)  # printed from a dark window
    assert seen.evaluate(TICK) == seen.evaluate(MUTED)
    assert seen.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert (before > 3, seen.evaluate(folded)) == (True, 0)

    seen.page.emulate_media(media="screen")
    drawn_for(seen, "dark", 320)
    assert seen.evaluate(folded) == before
    assert not seen.complaints


def test_on_paper(finished: Path, opened: Open) -> None:
    seen = opened(finished / PAGE, color_scheme="dark")
    seen.page.emulate_media(media="print")
    drawn_for(seen, "light", 1280)
    sheet = 180 / 25.4 * 96  # A4 less its margins, CSS pixels
    ends = seen.evaluate(
        "[...document.querySelectorAll('.plot svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert 400 < max(ends) <= sheet + 1
    pdf = seen.page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") > 4
    assert not seen.complaints


def test_on_a_phone(finished: Path, opened: Open) -> None:
    seen = opened(finished / PAGE, **PHONE)
    fine(seen, finished / PAGE)
    # the words of a table's head stand beside its values
    assert seen.evaluate("getComputedStyle(document.querySelector('td'), '::before').content") != "none"


@pytest.mark.parametrize("run", ["untraded", "training"])
def test_runs_with_less_to_show(
    request: pytest.FixtureRequest, catalog: Catalog, opened: Open, run: str
) -> None:
    directory = request.getfixturevalue(run)
    report_again(directory, catalog)
    fine(opened(directory / PAGE, **PHONE), directory / PAGE)


def test_a_hostile_config_is_text(finished: Path, catalog: Catalog, opened: Open, tmp_path: Path) -> None:
    evil = "\"'></script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
    directory = tmp_path / "<img src=x onerror=window.hacked=1>"
    shutil.copytree(finished, directory)
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["command"] = [f"model.note={evil}"]
    manifest["packages"][evil] = evil
    manifest["machine"]["cpu"] = evil
    manifest["config"]["model"][evil] = {evil: [evil]}
    manifest["config"]["risk"][evil] = {"plugin": evil}
    manifest["config"]["source"]["plugin"] = evil
    manifest["config"]["store"]["path"] = f"{tmp_path}/{evil.replace('/', '')}"
    (directory / "manifest.json").write_text(json.dumps(manifest))
    report_again(directory, catalog)
    seen = opened(directory / PAGE)
    fine(seen, directory / PAGE)
    assert seen.evaluate("window.hacked") is None
    assert seen.evaluate("document.querySelectorAll('main img, header img').length") == 0
    assert seen.evaluate("document.body.innerText").count("window.hacked=1") > 5
