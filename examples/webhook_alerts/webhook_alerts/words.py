"""What is worth an alert, and in which words; every other kind of event is passed over."""

import platform
from pathlib import Path

WORDS = {
    "halt": "HALTED ({code}): {why}",
    "reducing": "only reduces ({code}): {why}",
    "resume": "goes on: {why}",
    "flat": "is flat: nothing is held any more",
    "gap": "has lost the book",
    "gap_over": "has the book again",
    "promotion": "another model predicts: {model} {why}",
    "model_refused": "a promoted model was refused: {why}",
    "model_unwatched": "nobody looks whether its model still fits: {why}",
    "order_unknown": "the outcome of order {link} is UNKNOWN ({asked}): {why}",
    "order_resolved": "order {link} came to: {came_to}",
    "reconciled": "was reconciled with the exchange: {why}",
    "venue_down": "the exchange's private stream is away: {why}",
    "venue_up": "the exchange's private stream is back",
    "journal_down": "the order journal cannot be written, nothing is opened: {why}",
    "journal_up": "the order journal can be written again",
    "lane_waits": "the disk is away or full: {error}",
    "lane_flows": "the disk is back",
    "spool_waits": "the store is away, rows wait: {error}",
    "spool_flows": "the store is back",
    "spool_lost": "rows for the store are LOST: {rows}",
    "run_failed": "ended ({status}): {error}",
}
"""By kind of event; in braces what its data may hold."""

LONGEST = 400
"""Characters of one alert."""


class _Data(dict):
    """What an event does not say is left out."""

    def __missing__(self, key):
        return "?"


def said(event):
    """An event in one line: which session, on which machine, and what; "" for one that nobody is woken for."""
    if event.kind not in WORDS:
        return ""
    text = " ".join(WORDS[event.kind].format_map(_Data(event.data)).split())
    run = Path(event.run).name or "btcframe"
    return f"{run} on {platform.node()} {text}"[:LONGEST]
