"""The page of stylised facts in every window: drawn, on its own, and never wider than the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from btcframe.clocks.time import TimeClock
from btcframe.facts.measure import measure
from btcframe.pipeline import Pipeline
from btcframe.report.facts_page import facts_page
from btcframe.sources.synthetic import Synthetic
from btcframe_regimes import Volatility

FIGURES = "[...document.querySelectorAll('.plot')].map(p => p.querySelectorAll('svg path').length)"
LEGEND = "getComputedStyle(document.querySelector('section p span span')).color"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic markets side by side."""
    found = []
    for seed in (1, 2):
        feed, clock = Synthetic(duration="10m").open(seed=seed), TimeClock("100ms")
        pipeline = Pipeline(feed.instrument, clock, {}, Volatility())
        facts = measure(feed, pipeline, clock.period_ns, lambda n: None)
        found.append(facts._replace(name=f"BTC/USDT:USDT seed {seed}"))
    page = tmp_path_factory.mktemp("facts") / "facts.html"
    page.write_text(facts_page(found), encoding="utf-8")
    return page


@pytest.mark.parametrize(
    "window",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    ],
    ids=["light", "dark", "phone"],
)
def test_it_is_drawn_and_fits(path: Path, opened: Callable[..., Any], window: dict[str, Any]) -> None:
    seen = opened(path, **window)
    assert not seen.complaints
    assert seen.requests == [path.as_uri()]
    drawn = seen.evaluate(FIGURES)
    assert len(drawn) > 14 and all(paths > 2 for paths in drawn)
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_its_colours_follow_the_window_and_the_paper(path: Path, opened: Callable[..., Any]) -> None:
    seen = opened(path, color_scheme="dark")
    dark = seen.evaluate(LEGEND)
    seen.page.emulate_media(media="print")
    seen.page.wait_for_selector('html[data-drawn*=" light "]', state="attached")
    assert seen.evaluate(LEGEND) != dark
    assert seen.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    assert not seen.complaints
