"""The store, and what waits for it in the spool."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from btcframe.api import Addressed, Administered
from btcframe.doctor.finding import Finding, Level
from btcframe.errors import BtcframeError
from btcframe.plugins import Catalog
from btcframe.spool import use


def store(config: Mapping[str, Any], catalog: Catalog) -> Iterator[Finding]:
    """Whether the store answers, and is of this version."""
    name = config["store"]["plugin"]
    made = catalog.build("store", config["store"])
    if not isinstance(made, Administered):
        yield Finding(
            "store", Level.SKIPPED, f"{name} does not tell how it stands (btcframe.api.Administered)"
        )
        return
    try:
        found = made.status()
    except BtcframeError as error:
        yield Finding("store", Level.FAIL, f"{name}: {error.what}", error.next or error.hint)
        return
    where = made.address() if isinstance(made, Addressed) else name
    if not found.revision:
        yield Finding("store", Level.OK, f"{where}: nothing is made yet, the first write does it")
    elif found.revision != found.head:
        yield Finding(
            "store",
            Level.FAIL,
            f"{where}: its layout is of revision {found.revision}, this btcframe's is {found.head}",
            f"Back it up, then: btcframe db migrate store={name} …",
        )
    else:
        unsealed = sum(not build.sealed for build in found.builds)
        left = f", {unsealed} never sealed" if unsealed else ""
        yield Finding("store", Level.OK, f"{where}: {len(found.builds)} builds{left}")


def spool(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Rows that wait for the store, were refused by it, or are lost."""
    found = use.status(config["spool"], time.time_ns)
    if found.lost:
        yield Finding(
            "spool",
            Level.WARN,
            f"{found.lost:,} rows were lost since {found.path} was made: no disk and no memory took them",
            "What a session logged still has them: btcframe replay DIR. More room: spool.limit, spool.queue",
        )
    if found.apart or found.damaged:
        yield Finding(
            "spool",
            Level.WARN,
            f"{found.apart:,} rows were refused by the store and set apart, {found.damaged:,} pieces are damaged",
            "Why: btcframe db status. Try again: btcframe db drain --retry",
        )
    if found.rows:
        waits = f"{found.rows:,} rows wait in {found.path}, the oldest for {found.age_ns / 1e9:,.0f} s"
        said = f"{waits}: {found.error}" if found.error else waits
        yield Finding("spool", Level.WARN, said, "Bring them in: btcframe db drain")
    if not (found.lost or found.apart or found.damaged or found.rows):
        yield Finding("spool", Level.OK, f"nothing waits in {found.path}")
