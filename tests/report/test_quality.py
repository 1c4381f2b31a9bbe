"""The part of a page on the quality of the rows: words, picture, causes; and what an older build can still tell."""

from __future__ import annotations

import html
import re
from typing import Any

import numpy as np
import pytest

from btcframe.checkup.collect import Collector
from btcframe.report import sections_quality
from btcframe.report.elements import Html
from btcframe.types import NS, ROW, RowArray, RowFlag

from .test_run_page import unpacked

N = 6400


def market() -> RowArray:
    """Good rows, but for an hour in the middle: stale, then gone, then back."""
    rows = np.zeros(N, ROW)
    rows["row_ns"] = 1_721_260_800 * NS + NS * np.arange(N)
    rows["quality"] = 1.0
    rows["flags"][3000:3100], rows["quality"][3000:3100] = RowFlag.STALE, 0.25
    rows["flags"][3100:3150], rows["quality"][3100:3150] = RowFlag.GAP, 0.0
    rows["flags"][3150], rows["quality"][3150:3156] = RowFlag.PARTIAL, 1 - 0.5 ** np.arange(1, 7)
    return rows


def section(rows: RowArray) -> tuple[str, Any]:
    """Its text, and what its figure draws."""
    collector = Collector(())
    collector.add(rows, np.empty((len(rows), 0)))
    found = collector.finish()
    body: Html = sections_quality.section({"checkup": found.as_manifest()}).body
    text = re.sub(r"<script.*?</script>|<[^>]*>", " ", body.text, flags=re.DOTALL)
    return " ".join(text.split()), sections_quality.figure(found)


def test_words_say_how_good_when_it_was_worst_and_why() -> None:
    text, _ = section(market())
    assert (
        "Quality 0.9803 on average, below 1 in 2 % of the rows: 100 with a book older than usual, 50 without a "
        "usable book, 6 after a snapshot." in text
    )
    assert "A row weighs in training what its quality is." in text
    worst = re.search(r"Lowest around (\S+ \S+) UTC: (\S+) on average over 128 rows, (.*?)\.", text)
    assert worst is not None
    assert worst[1] == "2024-07-18 00:52:15"
    assert worst[3] == "50 without a usable book, 28 with a book older than usual, 6 after a snapshot"
    assert "with a book older than usual 100 2 %" in text.replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_the_picture_is_the_history() -> None:
    rows = market()
    _, figure = section(rows)
    *bars, mean = figure.data
    expected = rows["quality"].reshape(-1, 128).mean(axis=1)
    np.testing.assert_allclose(unpacked(mean["y"]), expected, atol=1e-6)
    below = (rows["quality"] < 1).reshape(-1, 128).mean(axis=1)
    np.testing.assert_allclose(sum(unpacked(bar["y"]) for bar in bars), below)
    assert [bar["name"] for bar in bars] == [
        "without a usable book",
        "with a book older than usual",
        "after a snapshot",
    ]
    np.testing.assert_allclose(np.diff(unpacked(mean["x"])), 128_000)
    assert unpacked(mean["x"])[0] == pytest.approx(rows["row_ns"][:128].mean() / 1e6, abs=1)


def test_where_all_is_well_there_is_no_picture() -> None:
    rows = market()[:3000]
    text, _ = section(rows)
    assert text == "Quality 1 in all 3,000 rows. A row weighs in training what its quality is."


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (None, "cannot be read"),
        ({}, "was made before builds did that"),
        ({"checkup": {"columns": {}}}, "is another version's"),
    ],
)
def test_what_cannot_be_told_is_said(build: dict[str, Any] | None, said: str) -> None:
    assert said in html.unescape(sections_quality.section(build).body.text)
