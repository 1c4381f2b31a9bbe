"""Live market data of any exchange: the connection, the hand-over to the consumer's thread, the feed."""
