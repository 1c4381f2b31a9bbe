"""Reading runs: which there are, how two differ, and what many of them, side by side, allow to be said."""
