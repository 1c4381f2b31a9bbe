"""Clocks of the core."""
