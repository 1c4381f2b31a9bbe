"""What is counted of a session's requests, for its status, its metrics and its last words."""

from __future__ import annotations

from btcframe.venues.real.outcomes import Outcome

COUNTS = (
    "sent", "requests", "refused", "limited", "unknown", "settled", "lost", "dropped", "restored", "missed",
)  # fmt: skip
"""Orders sent; requests of any kind, and of these refused, refused by the limit of requests, and without a certain answer;
of the latter those whose outcome was found out, and orders that never arrived; streams that broke, times that all were
there again; fills that no stream told of in time."""

UNCERTAIN = (Outcome.UNKNOWN, Outcome.EXISTS)
"""Answers that do not tell whether it was done."""


def counted_as(outcome: Outcome) -> str:
    """Where an answer other than an OK is counted."""
    if outcome in UNCERTAIN:
        return "unknown"
    return "limited" if outcome is Outcome.LIMITED else "refused"
