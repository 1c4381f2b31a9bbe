"""Control frames: what a session consumed beside the exchange's messages, in its place among them.

A control frame is a Frame of ours, so a log holds it and a replay consumes it. Its stream begins with ``~``.
"""

from __future__ import annotations

CONTROL = "~"
"""What the stream of a control frame begins with."""

MARKET = "~market"
"""Which market it is, in which steps it is traded: what a session begins with."""

CONNECTED = "~connected"
"""A connection was opened; holds its address. No book lasts from one connection to another."""

LOST = "~lost"
"""A connection ended; holds why."""

FAILED = "~failed"
"""An attempt at a connection came to nothing; holds why."""

RESYNC = "~resync"
"""The topic of a book was subscribed anew; holds its name. Until its snapshot the book rests on nothing."""

RESUBSCRIBE = "~resubscribe"
"""Another topic was subscribed anew; holds its name."""

SHED = "~shed"
"""Messages were left out, for the session was overloaded; holds how many, ``{"frames": …, "bytes": …}``.

No book lasts over it.
"""

SPARED = "~spared"
"""Messages of optional topics were, which no book rests on; holds the same."""

HEARTBEAT = "~heartbeat"
"""Time passed, and nothing came."""

STEPPED = "~stepped"
"""Our wall clock was stepped; holds ``{"step_ns": …}``. No stamp was: they follow a session's own clock."""

ROUND_TRIP = "~time"
"""The exchange was asked for its time; holds ``sent_ns``, ``took_ns`` and ``server_ns``, or ``error``."""
