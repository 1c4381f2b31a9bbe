"""What observers are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SessionEvent:
    """What observers are told.

    kind : run_started, run_finished, run_failed, fold_done, gap, halt, promotion, build_done
    """

    kind: str
    ns: int
    run: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
