"""What a running session gives to whoever looks at it from another thread: its watcher, its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from btcframe.clock_offset import Offset
from btcframe.latency import Latency
from btcframe.watch.signals import ExecutionSignals

Number = int | float


class Observed(Protocol):
    """What a session gives to any thread, at any time."""

    @property
    def latency(self) -> Latency:
        """How long the stages take; it is copied before it is looked at."""

    def about(self) -> Mapping[str, str]:
        """What does not change: id, symbol, source, policy, venue, model."""

    def get_execution_signals(self) -> ExecutionSignals | None:
        """What is known now; None before the first batch."""

    def counters(self) -> Mapping[str, Mapping[str, Number]]:
        """What has been counted, by part and name; a copy."""

    def vetoes(self) -> Mapping[str, int]:
        """Intents that were denied, by code; a copy."""

    def model(self) -> Mapping[str, Any]:
        """Which model predicts, why it does, and how it fares, as plain values; a copy."""

    def offset(self) -> Offset | None:
        """Our clock less the exchange's, where it is estimated."""

    def ask(self, name: str, /, **data: Any) -> None:
        """Put a command to the trader: it is applied, and logged, before the next batch is consumed."""
