"""The orders of a script through our simulated venue, by its public door."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from btcframe.api import Action, Gateway, Intent
from btcframe.types import FILL, EventArray, StateArray, TimeInForce


def run(events: EventArray, commands: npt.NDArray[np.void], gateway: Gateway) -> StateArray:
    """Every fill in the order in which it was reported: FILL[n]."""
    heard: list[StateArray] = []
    local, at = events["local_ts"], 0
    for command in commands:
        ns = int(command["ns"])
        stop = int(np.searchsorted(local, ns, "right"))
        _advance(gateway, events[at:stop], ns, heard)
        at = stop
        send(gateway, command)
    _advance(gateway, events[at:], int(local[-1]), heard)
    return np.concatenate(heard) if heard else np.empty(0, FILL)


def _advance(gateway: Gateway, events: EventArray, until_ns: int, heard: list[StateArray]) -> None:
    while True:
        taken, reports = gateway.advance(events, until_ns)
        events = events[taken:]
        heard.append(reports.fills)
        if not len(events) and not len(reports.orders):
            return


def send(gateway: Gateway, command: np.void) -> None:
    """Send one command."""
    ns, order_id = int(command["ns"]), int(command["order_id"])
    ticks, lots = int(command["ticks"]), int(command["lots"])
    if command["action"] == Action.SUBMIT:
        tif = TimeInForce(int(command["tif"]))
        gateway.submit(order_id, Intent(Action.SUBMIT, int(command["side"]), lots, ticks, tif), ns)
    elif command["action"] == Action.AMEND:
        gateway.amend(order_id, ticks, lots, ns)
    else:
        gateway.cancel(order_id, ns)
