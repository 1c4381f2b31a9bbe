"""The interfaces of all slots, one screen each. Protocols: nothing to inherit.

A component is a frozen dataclass (the recipe): its fields are hyper-parameters, config schema, command line and
docs. Whatever it produces that has memory is another object: a feature's `state()`, a source's `Feed`, a model's
`Predictor`, a regime's `Labeler`, a venue's `Gateway`. So there is no half-fitted or half-open component.
"""

from __future__ import annotations

from btcframe.api.columns import Column, Feature, Hindsight, Label, Labeler, Regime
from btcframe.api.learning import Fitting, Model, Part, Parted, Predictor, Split, Splitter, TrainingSet
from btcframe.api.market import SETTLED_NS, Batch, Clock, Enterable, Feed, FrameBatches, Source
from btcframe.api.observing import SessionEvent
from btcframe.api.storage import (
    Addressed,
    Administered,
    BuildStatus,
    Compacted,
    Store,
    StoreStatus,
    TableStatus,
    Verified,
)
from btcframe.api.trading import (
    Account,
    Action,
    Gateway,
    Host,
    Intent,
    Market,
    Policy,
    Position,
    ReadsColumns,
    RealVenue,
    Recovered,
    Reports,
    Risk,
    Stop,
    Stopper,
    Suited,
    TraderState,
    Venue,
    Veto,
    Wake,
    Wakes,
    Working,
)
from btcframe.api.version import API_VERSION

__all__ = [
    "API_VERSION",
    "SETTLED_NS",
    "Account",
    "Action",
    "Addressed",
    "Administered",
    "Batch",
    "BuildStatus",
    "Clock",
    "Column",
    "Compacted",
    "Enterable",
    "Feature",
    "Feed",
    "Fitting",
    "FrameBatches",
    "Gateway",
    "Hindsight",
    "Host",
    "Intent",
    "Label",
    "Labeler",
    "Market",
    "Model",
    "Part",
    "Parted",
    "Policy",
    "Position",
    "Predictor",
    "ReadsColumns",
    "RealVenue",
    "Recovered",
    "Regime",
    "Reports",
    "Risk",
    "SessionEvent",
    "Source",
    "Split",
    "Splitter",
    "Stop",
    "Stopper",
    "Store",
    "StoreStatus",
    "Suited",
    "TableStatus",
    "TraderState",
    "TrainingSet",
    "Venue",
    "Verified",
    "Veto",
    "Wake",
    "Wakes",
    "Working",
]
