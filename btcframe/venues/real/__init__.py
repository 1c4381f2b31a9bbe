"""Orders at a real exchange, through ccxt: nothing is lost, and nothing is sent twice (docs/ccxt.md)."""
