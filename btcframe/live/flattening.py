"""The way out without a session: cancel what works at a real venue, and close what is held, by its own journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import numpy as np

from btcframe.api import Action, Gateway, Host, Intent, RealVenue
from btcframe.types import EVENT, NS, Instrument, OrderState, TimeInForce

TRIES = 5
"""Orders that may be sent to close what is held: the market may give less than was asked for."""

STEP_NS = NS // 20
"""Between two looks at what was answered."""

SETTLE_NS = 5 * NS
"""How long the position that a venue tells may be another than our fills add up to."""


class Flattened(NamedTuple):
    """What was done at a venue.

    Parameters
    ----------
    closed : int            lots, signed as they were held
    left : int              lots that are still held
    notes : tuple of str    what was canceled, refused and answered
    """

    closed: int
    left: int
    notes: tuple[str, ...]


def flatten(
    venue: RealVenue,
    instrument: Instrument,
    session: str,
    *,
    close: bool = True,
    patience_ns: int = 30 * NS,
    now: Callable[[], int] = time.time_ns,
) -> Flattened:
    """Cancel every order of ours, and close what is held at the market.

    Parameters
    ----------
    venue : RealVenue
    instrument : Instrument
    session : str           a new id: of the orders that close
    close : bool            False: what is held stays
    patience_ns : int       how long an order's end is waited for
    now : callable          ns UTC

    Raises
    ------
    ConfigError, DataError, StoreError
        See RealVenue.connect.
    """
    notes: list[str] = []
    host = Host(
        session, now, lambda: None, lambda kind, **data: None, lambda said: None,
        lambda code, why: notes.append(f"{code}: {why}"),
    )  # fmt: skip
    gateway, recovered = venue.connect(instrument, host, opening=False)
    notes += recovered.notes
    with closing(gateway):
        held = left = recovered.position.lots
        for order_id in range(1, TRIES + 1) if close else ():
            if not left:
                break
            side = -1 if left > 0 else 1
            out = Intent(Action.SUBMIT, side, abs(left), 0, TimeInForce.IOC, True, reason="flatten")
            gateway.submit(order_id, out, now())
            deadline, ended = now() + patience_ns, False
            while not ended and now() < deadline:
                _, (orders, fills, _) = gateway.advance(np.empty(0, EVENT), now() + STEP_NS)
                left += int((fills["side"] * fills["lots"]).sum())
                ended = any(OrderState(state).final for state in orders["state"].tolist())
            if not ended:
                notes.append(f"an order to close {left:+,} lots was not answered")
                break
        left = _told(gateway, left, now)
    return Flattened(held - left, left, tuple(notes))


def _told(gateway: Gateway, left: int, now: Callable[[], int]) -> int:
    """What the venue says is held, lots. It may take a moment until that is what our fills add up to."""
    until_ns = now() + SETTLE_NS
    while (lots := gateway.reconcile().lots) != left and now() < until_ns:
        gateway.advance(np.empty(0, EVENT), now() + STEP_NS)
    return lots
