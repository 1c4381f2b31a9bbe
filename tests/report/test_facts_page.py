from __future__ import annotations

import json
import re
from io import StringIO

import numpy as np
import pytest

from btcframe.clocks.time import TimeClock
from btcframe.facts.measure import SECTIONS, Facts, measure
from btcframe.facts.statistics import Line, Measured
from btcframe.pipeline import Pipeline
from btcframe.report.facts_page import facts_page
from btcframe.report.facts_table import facts_table, interval, number
from btcframe.sources.random_walk import RandomWalk
from btcframe_regimes import Volatility


@pytest.fixture(scope="module")
def walked() -> Facts:
    feed, clock = RandomWalk("10m", rate=20.0).open(seed=3), TimeClock("100ms")
    pipeline = Pipeline(feed.instrument, clock, {}, Volatility())
    return measure(feed, pipeline, clock.period_ns, lambda n: None)


def specs(page: str) -> list[dict]:
    return [
        json.loads(text)
        for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    ]


def test_the_page_holds_every_fact_and_every_figure(walked: Facts) -> None:
    page = facts_page([walked])
    for section in SECTIONS:
        assert section.title in page
        for fact in section.facts:
            assert f">{fact.title}<" in page
        for figure in section.figures:
            assert f">{figure.title}</h3>" in page
    assert "it needs a sample of a day or more" in page
    assert len(re.findall(r'class="plot"', page)) == len(specs(page)) > 12


def test_markets_side_by_side_have_a_colour_and_a_mark_each(walked: Facts) -> None:
    names = ["first", "second", "third"]
    page = facts_page([walked._replace(name=n) for n in names])
    for spec in specs(page):
        first = [t for t in spec["data"] if t["mode"] == "lines+markers"]
        assert [t["name"] for t in first] == names
        assert len({t["line"]["color"] for t in first}) == len({t["marker"]["symbol"] for t in first}) == 3
    assert "The shortest sample is first" in page


def test_names_are_text_and_nothing_else(walked: Facts) -> None:
    name = '</script><script>alert("x")</script>'
    page = facts_page([walked._replace(name=name), walked])
    assert "<script>alert" not in page


def test_nothing_is_drawn_that_has_no_place_on_its_axes(walked: Facts) -> None:
    line = Line(*(np.array(v) for v in ([1.0, 2.0, 3.0], [0.5, -0.1, np.nan], *[[np.nan] * 3] * 3)))
    page = facts_page([walked._replace(lines={**walked.lines, "sign_acf": line})])
    spec = specs(page[page.index('id="sign-acf"') :])[0]
    assert spec["data"][0]["x"] == [1.0] and spec["data"][0]["y"] == [0.5]
    assert "points that are not above 0" in page


def test_a_market_of_which_nothing_is_known_still_has_a_page(walked: Facts) -> None:
    empty = np.empty(0)
    blank = walked._replace(
        values={key: Measured(float("nan")) for key in walked.values},
        lines={key: Line(empty, empty, empty, empty, empty) for key in walked.lines},
    )
    page = facts_page([blank])
    assert "Nothing to draw: it needs a longer sample." in page
    assert not specs(page)


def test_a_price_that_never_moves_still_has_a_page(walked: Facts) -> None:
    still = {**walked.lines, "tail_1s": Line(*(np.empty(0) for _ in Line._fields))}
    facts_page([walked._replace(lines=still), walked])
    facts_page([walked._replace(lines=still)])


def test_the_table_of_one_market_has_intervals_and_counts(walked: Facts) -> None:
    text = printed(walked)
    assert "95 %" in text and " n " in text
    assert "random" not in text and walked.name in text
    for section in SECTIONS:
        for fact in section.facts:
            assert fact.title in text


def test_four_markets_fit_a_terminal_of_80_columns(walked: Facts) -> None:
    text = printed(*[walked._replace(name=f"a market with a long name {n}") for n in range(4)])
    assert "D  a market with a long name 3, 10 min" in text
    messages = next(line for line in text.splitlines() if line.startswith(" messages"))
    assert len(messages.split()) == 6


def printed(*markets: Facts) -> str:
    from rich.console import Console

    out = StringIO()
    Console(file=out, width=80).print(facts_table(markets))
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), ""),
        (0.0, "0"),
        (0.012345, "0.0123"),
        (12.34, "12.3"),
        (-1519.2, "-1,519"),
        (411375.0, "411,375"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_intervals() -> None:
    assert interval(Measured(1.0, 0.5, 1.5)) == "0.5 … 1.5"
    assert interval(Measured(1.0)) == ""
