"""Where orders go: the core's own venues."""
