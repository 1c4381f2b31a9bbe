"""The page of a comparison of regimes: complete, safe, drawn in every window."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import pytest
from report.regimes import compared, found_in

from btcframe.plugins import Catalog
from btcframe.report.regimes_page import regimes_page

FIGURES = "[...document.querySelectorAll('.plot')].map(p => p.querySelectorAll('svg path').length)"
MANIFEST = {"btcframe": "0", "started": "2026-01-01T00:00:00+00:00"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Path:
    return compared(tmp_path_factory.mktemp("regimes"), catalog)


@pytest.fixture
def found(directory: Path) -> dict[str, Any]:
    return found_in(directory)


def specs(page: str) -> list[dict[str, Any]]:
    return [
        json.loads(text)
        for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    ]


def test_it_says_the_verdict_and_every_regime(found: dict[str, Any]) -> None:
    page = regimes_page("here", MANIFEST, found)
    assert f"<strong>{found['verdict']['answer']}.</strong>" in page
    for sentence in found["verdict"]["sentences"]:
        assert f"<li>{escape(sentence)}</li>" in page
    for method in found["methods"]:
        for label in method["labels"]:
            assert f"<span>{label}</span>" in page
    for title in ("Which tells more", "What followed", "How steady", "How alike", "Method"):
        assert f">{title}</h2>" in page
    for title in ("The price, by the regime that hht found", "How long a visit lasts", "hht: where it goes"):
        assert f">{title}</h3>" in page
    assert "hht and the true state" in page
    assert "nan" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL).lower()


def test_the_strips_stand_under_the_price(found: dict[str, Any]) -> None:
    price = next(s for s in specs(regimes_page("here", MANIFEST, found)) if "yaxis3" in s["layout"])
    strips = [t for t in price["data"] if t["type"] == "heatmap"]
    assert [t["y"] for t in strips] == [["hht"], ["volatility"]]
    assert price["layout"]["xaxis"]["anchor"] == "y3"
    bottoms = [price["layout"][key]["domain"] for key in ("yaxis3", "yaxis2", "yaxis")]
    assert all(low[1] < high[0] for low, high in itertools.pairwise(bottoms))
    assert len(strips[0]["z"][0]) == len(found["price"]["ns"])


def test_names_are_text_and_nothing_else(found: dict[str, Any]) -> None:
    name = '<img src=x onerror="alert(1)">'
    as_text = json.dumps(found).replace('"hht"', json.dumps(name))
    page = regimes_page("here", MANIFEST, json.loads(as_text))
    assert "<img" not in page


def test_what_is_not_known_is_left_out(found: dict[str, Any]) -> None:
    bare = copy.deepcopy(found)
    for method in bare["methods"]:
        method["truth"] = None
        method["explained"] = dict.fromkeys(("value", "low", "high"))
        for regime in method["regimes"]:
            regime |= {"rows": 0, "visits": 0, "share": None, "dwell": {"mean": None, "quantiles": []}}
            for followed in regime["followed"]:
                nothing = dict.fromkeys(("value", "low", "high"))
                followed |= {"rows": 0, "mean": nothing, "volatility": nothing, "quantiles": [], "up": None}
    bare["pairs"], bare["added"] = [], {}
    bare["stretch"]["spectrum"] = None
    page = regimes_page("here", MANIFEST, bare)
    assert "One method alone has nothing to agree with." in page
    assert "There are too few prices here for a spectrum" in page


@pytest.mark.parametrize(
    "window",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    ],
    ids=["light", "dark", "phone"],
)
def test_it_is_drawn_and_fits(directory: Path, opened: Callable[..., Any], window: dict[str, Any]) -> None:
    seen = opened(directory / "report.html", **window)
    assert not seen.complaints
    assert seen.requests == [(directory / "report.html").as_uri()]
    drawn = seen.evaluate(FIGURES)
    assert len(drawn) == 7 and all(paths > 2 for paths in drawn)
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")
