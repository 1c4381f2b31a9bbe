"""What passed between a session and an exchange about one order, from the session's log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from btcframe.explain.values import Heard
from btcframe.session_log import CommandItem, SessionLog
from btcframe.sessions.session import SESSION
from btcframe.trading.onlookers import VENUE


def heard(directory: Path, order_id: int) -> tuple[Heard, ...]:
    """Everything that the log says of it, oldest first; the whole log is read.

    Parameters
    ----------
    directory : Path      of the session
    order_id : int

    Raises
    ------
    DataError
        If the log cannot be read.
    """
    return tuple(
        Heard(item.ts, summary(item.data), item.data)
        for item in SessionLog(directory / SESSION)
        if isinstance(item, CommandItem) and item.name == VENUE and item.data.get("order") == order_id
    )


def summary(said: Mapping[str, Any]) -> str:
    """A message in a few words; of an exchange that we do not know, what kind it is."""
    told = said.get("told", said)
    if "answer" in said:
        why = " ".join(str(said[name]) for name in ("code", "said") if said.get(name))
        order = f", its order {said['venue_id']}" if said.get("venue_id") else ""
        return f"answer to {said['answer']}: {said.get('outcome', '')}{f' ({why})' if why else ''}{order}"
    if said.get("what") == "refused":
        return f"not sent: {said.get('why', '')}"
    if "execId" in told:
        return f"execution {told['execId']}: {told.get('execQty', '?')} at {told.get('execPrice', '?')}"
    if "orderStatus" in told:
        parts = [f"{told['orderStatus']}, {told.get('cumExecQty', '?')} of {told.get('qty', '?')} filled"]
        parts += [
            str(told[name])
            for name in ("rejectReason", "cancelType")
            if told.get(name) not in (None, "", "EC_NoError", "UNKNOWN")
        ]
        return f"order {', '.join(parts)}"
    what = str(said.get("what", "a message"))
    return f"{what} failed: {said['failed']}" if "failed" in said else what
