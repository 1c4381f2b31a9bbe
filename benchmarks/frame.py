"""What all benchmarks share: turns, the first call apart, medians with their range, tables."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests"))  # the plain references stand there

console = Console(width=110 if not sys.stdout.isatty() else None, highlight=False)


class Timing(NamedTuple):
    """Seconds of one call, repeated."""

    times: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    def rate(self, n: int) -> str:
        """n things per second: median (min–max)."""
        return per_second(n / self.median, n / max(self.times), n / min(self.times))

    def each(self, n: int) -> str:
        """Microseconds per thing: median (min–max)."""
        median, low, high = (1e6 * t / n for t in (self.median, min(self.times), max(self.times)))
        return f"{median:,.2f} µs ({low:,.2f}–{high:,.2f})"

    def seconds(self) -> str:
        return f"{self.median:.2f} s ({min(self.times):.2f}–{max(self.times):.2f})"


def take_turns(*calls: Callable[[], Any], repeats: int = 5) -> list[Timing]:
    """Time each call `repeats` times in turns, after one of each that does not count."""
    for call in calls:
        call()
    times = [[_seconds(call) for call in calls] for _ in range(repeats)]
    return [Timing(t) for t in zip(*times, strict=True)]


def first(call: Callable[[], Any]) -> tuple[str, Any]:
    """What the first call of a process costs, which no other number holds; and what it returned.

    With a warm kernel cache it loads compiled kernels, with an empty one it compiles them.
    """
    start = time.perf_counter()
    result = call()
    return f"First call, kernels loaded or compiled: {time.perf_counter() - start:.2f} s.", result


def _seconds(call: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def per_second(median: float, low: float, high: float) -> str:
    scale, unit = (1e6, "M/s") if median >= 1e6 else (1e3, "k/s") if median >= 1e3 else (1, "/s")
    digits = 0 if median / scale >= 100 else 1 if median / scale >= 10 else 2
    return f"{median / scale:.{digits}f} {unit} ({low / scale:.{digits}f}–{high / scale:.{digits}f})"


def ratio(ours: Timing, peer: Timing) -> str:
    """How many times as fast as the peer."""
    times = peer.median / ours.median
    return f"{times:.1f}×" if times < 100 else f"{times:,.0f}×"


def table(title: str, *columns: str, rows: list[tuple[str, ...]], note: str = "") -> None:
    """Print a table: text on the left, numbers on the right."""
    shown = Table(title=title, title_justify="left", caption=note or None, caption_justify="left")
    for i, column in enumerate(columns):
        shown.add_column(column, justify="right" if i else "left")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


def skip(what: str) -> None:
    console.print(f"Skipped: {what}.", style="yellow")
