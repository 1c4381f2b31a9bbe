"""What the store `timescale` does: tables in PostgreSQL, with hypertables where TimescaleDB is there."""
