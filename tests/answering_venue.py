"""A real venue as a session meets it, without an exchange: a thread of its own answers what a test tells it to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from btcframe.api import Action, Gateway, Host, Intent, Position, Recovered
from btcframe.endpoints import Endpoint
from btcframe.errors import ConfigError
from btcframe.types import FILL, FUNDING, ORDER, EventArray, Instrument, OrderState, StateArray
from btcframe.venues.timed import TimedReports

TICKS = 600_000
"""At which market orders are filled."""

Answer = Callable[["Scripted", Action, int, Intent | None], None]
"""What becomes of a request: ``answer(gateway, action, order_id, intent)``, in the venue's thread."""


def filled(gateway: Scripted, action: Action, order_id: int, intent: Intent | None) -> None:
    """An exchange that takes everything: orders are accepted, and filled at once where they are for the market."""
    if action == Action.CANCEL:
        gateway.state(order_id, OrderState.CANCELED)
        return
    gateway.state(order_id, OrderState.ACCEPTED)
    if intent is not None and not intent.ticks:
        gateway.state(order_id, OrderState.FILLED, intent.lots)  # before the fill: they come by two ways
        gateway.fill(order_id, intent.lots)


class Scripted:
    """An open venue."""

    def __init__(self, host: Host, answer: Answer, held: int) -> None:
        self.host, self._answer, self.held = host, answer, held
        self.reports = TimedReports(host.now, host.wake)
        self.sent: dict[int, Intent] = {}
        self._over: set[int] = set()
        self._requests: queue.SimpleQueue[tuple[Action, int, Intent | None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    # what a session asks

    def submit(self, order_id: int, intent: Intent, now_ns: int) -> None:
        self.sent[order_id] = intent
        self._requests.put((Action.SUBMIT, order_id, intent))

    def amend(self, order_id: int, ticks: int, lots: int, now_ns: int) -> None:
        self.sent[order_id] = self.sent[order_id]._replace(ticks=ticks, lots=lots)
        self._requests.put((Action.AMEND, order_id, self.sent[order_id]))

    def cancel(self, order_id: int, now_ns: int) -> None:
        self._requests.put((Action.CANCEL, order_id, None))

    @property
    def busy(self) -> bool:
        return self.reports.busy

    def advance(self, events: EventArray, until_ns: int) -> Any:
        return self.reports.advance(events, until_ns)

    def reconcile(self) -> Position:
        return Position(self.held)

    def counters(self) -> dict[str, int]:
        return {"requests": len(self.sent)}

    def close(self) -> None:
        self._requests.put(None)
        self._thread.join()

    # what it answers

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            if request[0] is not Action.CANCEL or request[1] not in self._over:  # it may have crossed the end
                self._answer(self, *request)

    def state(self, order_id: int, what: OrderState, lots: int = 0) -> None:
        intent, record = self.sent[order_id], np.zeros(1, ORDER)
        self._over |= {order_id} if what.final else set()
        record["order_id"], record["state"], record["filled_lots"] = order_id, what, lots
        record["ticks"], record["lots"], record["side"] = intent.ticks, intent.lots, intent.side
        record["tif"], record["reduce_only"], record["venue_ns"] = intent.tif, intent.reduce_only, 1
        self.reports.put(orders=record)

    def fill(self, order_id: int, lots: int, side: int = 0) -> None:
        record = np.zeros(1, FILL)
        record["side"] = side or self.sent[order_id].side
        record["order_id"], record["lots"], record["ticks"], record["fee"] = order_id, lots, TICKS, 0.01
        self.held += int(record["side"][0]) * lots
        self.reports.put(fills=record)

    def pay(self, amount: float) -> None:
        record = np.zeros(1, FUNDING)
        record["amount"], record["rate"], record["position_lots"] = amount, 1e-4, self.held
        self.reports.put(funding=record)


@dataclass(frozen=True)
class Elsewhere:
    """A venue that connects; what it is like stands in `NOW`.

    Parameters
    ----------
    real : bool
    endpoint : Endpoint
    """

    real: bool = False
    endpoint: Endpoint = Endpoint.mainnet
    NOW: ClassVar[dict[str, Any]] = {}

    def open(self, instrument: Instrument, *, seed: int) -> Gateway:
        raise ConfigError("it is opened by a session only")

    def connect(
        self, instrument: Instrument, host: Host, *, opening: bool = True
    ) -> tuple[Gateway, Recovered]:
        fills: StateArray = np.empty(0, FILL)
        found = Recovered(Position(), 50_000.0, fills, ())
        recovered: Recovered = self.NOW.get("recovered", found)
        gateway = Scripted(host, self.NOW.get("answer", filled), recovered.position.lots)
        self.NOW.setdefault("gateways", []).append(gateway)
        return gateway, recovered
