"""Sweeps: what their jobs are and became, and the processes and clusters that they work in. Nothing of Hydra's."""
