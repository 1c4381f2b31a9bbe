"""What a session came to at other venues, as it is kept and shown; `btcframe.sessions.sensitivity` plays them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from btcframe.report.measures import Measures


class Variation(NamedTuple):
    """One change of the venue.

    Parameters
    ----------
    group : str           latency, fees, queue, fills
    name : str            in words
    settings : mapping    of the venue, that replace the session's
    """

    group: str
    name: str
    settings: Mapping[str, Any]


class Varied(NamedTuple):
    """What a session came to under a variation."""

    variation: Variation
    measures: Measures
