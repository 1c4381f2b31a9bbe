"""The table of slots: what can be plugged in, and which methods it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from btcframe import api


@dataclass(frozen=True)
class Slot:
    """One kind of component.

    Parameters
    ----------
    name : str              config group and key
    protocol : type         the interface, in btcframe.api
    methods : tuple of str  what a class must have to be registered here
    many : bool             several components at once (features, risk), or exactly one
    summary : str           one line for `btcframe plugins`
    """

    name: str
    protocol: type
    methods: tuple[str, ...]
    summary: str
    many: bool = False


_ALL = (
    Slot("source", api.Source, ("open", "fingerprint"), "market events, recorded or live"),
    Slot("clock", api.Clock, ("period_ns", "state", "cuts"), "closes rows"),
    Slot(
        "store",
        api.Store,
        ("claim", "write", "seal", "scan", "builds", "discard", "record", "records"),
        "tables of builds and runs",
    ),
    Slot("features", api.Feature, ("columns", "state", "update"), "columns of X", many=True),
    Slot("regime", api.Regime, ("columns", "state", "update", "fit", "load"), "market state"),
    Slot("label", api.Label, ("columns", "horizons_ns", "max_horizon_ns", "lookback_ns", "label"), "targets"),
    Slot("model", api.Model, ("fit", "load"), "prediction"),
    Slot("policy", api.Policy, ("wakes", "decide"), "decision"),
    Slot("risk", api.Risk, ("check",), "veto", many=True),
    Slot("venue", api.Venue, ("open",), "orders"),
)

SLOTS: dict[str, Slot] = {slot.name: slot for slot in _ALL}

CHOICES: dict[str, Slot] = SLOTS | {"regimes": replace(SLOTS["regime"], many=True)}
"""What a config chooses components for, by key: every slot, and several regimes side by side, to be compared."""
