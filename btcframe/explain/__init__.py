"""`btcframe session explain`: one order from end to end, as values, as JSON and in words."""

from btcframe.explain.chain import Explained, Line, explain, orders
from btcframe.explain.words import describe, describe_orders, plain, plain_orders

__all__ = ["Explained", "Line", "describe", "describe_orders", "explain", "orders", "plain", "plain_orders"]
