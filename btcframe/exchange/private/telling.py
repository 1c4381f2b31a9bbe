"""What clients are told of their orders: gathered while something happens, sent when it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from btcframe.exchange.private.orders import Execution, Order

Publish = Callable[[int, str, list[Any]], None]
"""Called with an account's uid, a topic, and what is new of it: orders, executions, or the listings held."""


class Telling:
    """Gathers what happened, and tells it: executions, orders, positions, wallet.

    Parameters
    ----------
    publish : callable
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._executions: list[Execution] = []
        self._orders: dict[Order, None] = {}

    def execution(self, execution: Execution) -> None:
        """An order was filled."""
        self._executions.append(execution)
        self._orders[execution.order] = None

    def event(self, execution: Execution) -> None:
        """Something was booked that is no fill of an order, as funding is."""
        self._executions.append(execution)

    def order(self, order: Order) -> None:
        """An order is in another state."""
        self._orders[order] = None

    def flush(self) -> None:
        """Tell all of it, account by account: the last state of each order, and every execution."""
        if not (self._orders or self._executions):
            return
        executions, self._executions = self._executions, []
        orders, self._orders = self._orders, {}
        uids = (*(order.uid for order in orders), *(execution.order.uid for execution in executions))
        for uid in dict.fromkeys(uids):
            own = [order for order in orders if order.uid == uid]
            done = [execution for execution in executions if execution.order.uid == uid]
            for topic, news in (("execution", done), ("order", own)):
                if news:
                    self._publish(uid, topic, news)
            touched = [order.listing for order in own] + [execution.listing for execution in done]
            held = list(dict.fromkeys(listing for listing in touched if listing.category != "spot"))
            if held:
                self._publish(uid, "position", held)
            if done:
                self._publish(uid, "wallet", [])
