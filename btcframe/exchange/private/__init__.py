"""The private side of the local exchange: keys, orders, matching, positions, and the streams that tell of them."""
