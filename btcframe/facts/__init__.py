"""Stylised facts: what a market looks like, in numbers that can be laid beside another market's.

Rows come from the pipeline and trades from the events, in one pass and flat memory.
"""
