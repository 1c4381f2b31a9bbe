"""What observers are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SessionEvent:
    """What observers are told.

    kind : run_started, run_finished, run_failed, fold_done, promotion, build_done, warm_start;
        of a trader: reducing, halt, resume (data: state, code, why), flat (docs/sessions.md);
        of a session's market: gap (since_ns), when the book is lost, and gap_over (since_ns, until_ns);
        of a venue with real orders: order_unknown (link, asked, why), order_resolved (link, came_to), reconciled (why),
        venue_down (why), venue_up, journal_down (why), journal_up (docs/operations.md);
        of a session's slow lane: lane_waits, lane_flows, lane_restarted;
        of its models: promotion (row_ns, index, model; why, mock), model_ready, model_refused, model_unwatched;
        of a spool: spool_waits, spool_flows, spool_apart, spool_full, spool_lost, spool_restarted (docs/spool.md)
    """

    kind: str
    ns: int
    run: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
