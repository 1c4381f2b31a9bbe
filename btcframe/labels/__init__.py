"""Built-in labels: the only components that look ahead, each says how far."""
