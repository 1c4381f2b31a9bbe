"""Numbers as a person reads them."""

from __future__ import annotations

import math

import pytest

from btcframe.report.metrics import Estimate
from btcframe.report.words import counted, number, percent, rounded, share, significant, span_text
from btcframe.types import NS


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (0.25, "0.25 seconds"),
        (119, "119 seconds"),
        (480, "8 minutes"),
        (479, "8 minutes"),
        (312, "5.2 minutes"),
        (7200, "2 hours"),
        (40 * 86400, "40 days"),
    ],
)
def test_spans_in_words(seconds: float, text: str) -> None:
    assert span_text(int(seconds * NS)) == text


def test_numbers() -> None:
    assert number(-1234.567) == "\N{MINUS SIGN}1,234.57"
    assert number(0.001, 2, sign=True) == number(-0.001, 2, sign=True) == "0.00"
    assert number(math.nan) == number(math.inf) == percent(math.nan) == share(math.nan) == "unknown"
    assert [significant(v) for v in (0.0, 0.01234, 12.345, -12345.6)] == [
        "0.000",
        "+0.0123",
        "+12.3",
        "\N{MINUS SIGN}12,346",
    ]
    assert percent(0.1234, 1).startswith("12.3") and share(-0.0000123).startswith("\N{MINUS SIGN}0.00123")
    assert (counted(1, "fill"), counted(1200, "fill")) == ("1 fill", "1,200 fills")


def test_an_interval_decides_how_many_decimals_are_worth_writing() -> None:
    assert rounded(Estimate(2.7465, -5.1412, 0.3871)) == ("+2.7", "\N{MINUS SIGN}5.1", "+0.4")
    assert rounded(Estimate(0.12345, 0.11, 0.135)) == ("+0.123", "+0.110", "+0.135")
    assert rounded(Estimate(1234.5, 1000.0, 1500.0), sign=False) == ("1,234", "1,000", "1,500")
    assert rounded(Estimate(2.7465)) == ("+2.75", "", "")
    assert rounded(Estimate(1.0, 1.0, 1.0)) == ("+1.00", "+1.00", "+1.00")
