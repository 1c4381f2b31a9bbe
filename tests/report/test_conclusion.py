"""What a result proves: nothing, unless there is enough of it."""

from __future__ import annotations

import pytest

from btcframe.report.conclusion import MIN_DAYS, MIN_TRADES, conclusion, span_text
from btcframe.types import NS

DAY = 86_400 * NS


@pytest.mark.parametrize("net", [-1e6, 0.0, 1e6])
@pytest.mark.parametrize(
    ("span", "trades"), [(479 * NS, 10_000), (MIN_DAYS * DAY - 1, 10_000), (10_000 * DAY, MIN_TRADES - 1)]
)
def test_too_little_proves_nothing_whatever_the_result(span: int, trades: int, net: float) -> None:
    assert "prove nothing about profit" in conclusion(span, span, trades, net)


def test_enough_speaks_of_the_result() -> None:
    assert "lost money" in conclusion(40 * DAY, MIN_DAYS * DAY, MIN_TRADES, 0.0)
    assert "earned money" in conclusion(40 * DAY, MIN_DAYS * DAY, MIN_TRADES, 1.0)
    assert "not proof" in conclusion(40 * DAY, MIN_DAYS * DAY, MIN_TRADES, 1.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (119, "119 seconds"),
        (480, "8 minutes"),
        (479, "8 minutes"),
        (312, "5.2 minutes"),
        (7200, "2 hours"),
        (40 * 86400, "40 days"),
    ],
)
def test_spans_in_words(seconds: int, text: str) -> None:
    assert span_text(seconds * NS) == text
