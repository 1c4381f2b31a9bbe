"""What the terminal makes of a line that says how something stands."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.cli.console import JOINT, folded

LINE = (
    "0:00:10 BTC/USDT:USDT 60,012.35 · -0.01 @ 60,016.80 · 100,000.41 (+0.41) · 3 fills · 50/s · p99 2.1 ms"
)


def test_a_line_of_a_session_at_every_width() -> None:
    assert folded(LINE, 120) == LINE
    assert folded(LINE, 80).splitlines() == [
        "0:00:10 BTC/USDT:USDT 60,012.35 · -0.01 @ 60,016.80 · 100,000.41 (+0.41)",
        "3 fills · 50/s · p99 2.1 ms",
    ]
    assert folded(LINE, 40).splitlines() == [
        "0:00:10 BTC/USDT:USDT 60,012.35",
        "-0.01 @ 60,016.80 · 100,000.41 (+0.41)",
        "3 fills · 50/s · p99 2.1 ms",
    ]
    assert folded("HALTED: what somebody wrote about it", 20).splitlines() == [
        "HALTED: what",
        "somebody wrote about",
        "it",
    ]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.text("ab -é", min_size=1, max_size=30).map(str.strip).filter(bool), min_size=1, max_size=8),
    st.integers(5, 60),
)
def test_nothing_is_lost_and_nothing_is_too_wide(parts: list[str], width: int) -> None:
    lines = folded(JOINT.join(parts), width).splitlines()
    assert all(0 < len(line) <= width for line in lines)
    kept = "".join(" ".join(lines).replace(JOINT, " ").split())
    assert kept == "".join("".join(parts).split())
