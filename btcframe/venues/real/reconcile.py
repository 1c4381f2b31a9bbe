"""Our view of the account against the exchange's: what that means, as plain values. Nothing here asks or writes.

Start-up, reconnect and the check now and then are this one comparison. It may be made as often as one likes: what was
taken in once is no news the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from btcframe.venues.real.records import PREFIX, Asked, Execution, Stand


class Ours(NamedTuple):
    """What we know.

    Parameters
    ----------
    working : mapping of link to Asked      orders that are not final, as far as we know
    position : int                          lots that the fills known add up to
    has : callable                          whether a fill is known, by its id
    """

    working: Mapping[str, Asked]
    position: int
    has: Callable[[str], bool]


class Theirs(NamedTuple):
    """What the exchange says.

    Parameters
    ----------
    open : tuple of Stand           all orders that work in this market, whoever's
    found : mapping of link to Stand        what it said of ours that are not among them
    executions : tuple of Execution         since long enough ago
    lots : int                      what it holds for the account
    """

    open: tuple[Stand, ...]
    found: Mapping[str, Stand]
    executions: tuple[Execution, ...]
    lots: int


class Plan(NamedTuple):
    """What follows from the comparison.

    Parameters
    ----------
    executions : tuple of Execution     fills that were not known, oldest first
    stands : tuple of Stand             how our orders stand
    unfound : tuple of str              links of ours that it was not asked for, or does not know (yet)
    others : tuple of Stand             working orders of ours by their id, that are in no journal of this account
    persons : tuple of Stand            working orders of somebody else
    difference : int                    lots that the exchange holds more than all fills add up to
    """

    executions: tuple[Execution, ...]
    stands: tuple[Stand, ...]
    unfound: tuple[str, ...]
    others: tuple[Stand, ...]
    persons: tuple[Stand, ...]
    difference: int


def compared(ours: Ours, theirs: Theirs) -> Plan:
    """What is to be taken in, what was lost, and what does not add up."""
    fresh: dict[str, Execution] = {}
    for execution in sorted(theirs.executions, key=lambda e: e.venue_ns):
        if not ours.has(execution.exec_id):
            fresh.setdefault(execution.exec_id, execution)
    works = {stand.link: stand for stand in theirs.open if stand.link}
    stands, unfound = [], []
    for link in ours.working:
        if (stand := works.get(link) or theirs.found.get(link)) is not None:
            stands.append(stand)
        else:
            unfound.append(link)
    strangers = [stand for stand in theirs.open if stand.link not in ours.working]
    added = sum(e.side * e.lots for e in fresh.values())
    return Plan(
        executions=tuple(fresh.values()),
        stands=tuple(stands),
        unfound=tuple(unfound),
        others=tuple(s for s in strangers if s.link.startswith(PREFIX)),
        persons=tuple(s for s in strangers if not s.link.startswith(PREFIX)),
        difference=theirs.lots - ours.position - added,
    )
