"""Our simulated venue and hftbacktest on the same orders: docs/judge.md."""
