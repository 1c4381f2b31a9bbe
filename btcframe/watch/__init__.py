"""A session seen from outside: signals, status, metrics, and the switch that halts it."""
