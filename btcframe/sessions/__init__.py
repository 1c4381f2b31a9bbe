"""One market consumed from its start to its end: traded, recorded, replayed, begun warm, reported."""
