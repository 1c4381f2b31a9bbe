"""A local exchange that speaks Bybit V5: its public WebSocket and its market REST, with faults on demand."""
