"""`btcframe session explain`: one order from end to end, as values, as JSON and in words."""

from btcframe.explain.chain import explain, newest, orders
from btcframe.explain.features import features
from btcframe.explain.values import Explained, Features, Line
from btcframe.explain.words import describe, describe_orders, plain, plain_orders

__all__ = [
    "Explained",
    "Features",
    "Line",
    "describe",
    "describe_orders",
    "explain",
    "features",
    "newest",
    "orders",
    "plain",
    "plain_orders",
]
