"""Everything that is peculiar to Bybit's V5 market data."""
