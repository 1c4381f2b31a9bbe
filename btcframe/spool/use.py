"""The spool for whoever has no session: what a run keeps, what `btcframe db` drains and shows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from btcframe.api import Store
from btcframe.errors import StoreError
from btcframe.spool.directory import Journal
from btcframe.spool.drain import Drain
from btcframe.spool.frames import Entry, packed
from btcframe.spool.segment import SegmentWriter, segment_name, segments, sync_folder, unwritable
from btcframe.spool.settings import address_of, settings_of
from btcframe.spool.status import Counters, SpoolStatus, read_counters, read_status, write_counters


class Drained(NamedTuple):
    """What a drain did: rows and batches brought in, rows set apart, rows left, and why they are left."""

    rows: int
    batches: int
    apart: int
    left: int
    error: str


def keep(
    settings: Mapping[str, Any],
    store: Store,
    entries: Iterable[Entry],
    now_ns: Callable[[], int] = time.time_ns,
) -> Path:
    """Write entries that a store could not take into the spool; they are safe on the disk when this returns.

    Needs no lock: any number of processes may keep while another one drains.

    Parameters
    ----------
    settings : mapping      the section `spool` of a config
    store : Store           which they are for
    entries : iterable of Entry     taken one at a time, so memory stays flat
    now_ns : callable       the clock, ns UTC

    Returns
    -------
    Path
        The new file in the spool.

    Raises
    ------
    StoreError
        If the disk, or spool.limit, has no room for them; nothing is left behind.
    """
    folder, limit = Path(settings["path"]), settings["limit"]
    name = folder / segment_name(now_ns())
    hidden = folder / f".{name.name}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = sum(path.stat().st_size for path in segments(folder))
        segment = SegmentWriter(hidden, address_of(store))
        try:
            for entry in entries:
                segment.append(packed(entry, now_ns()))
                if used + segment.size > limit:
                    raise StoreError(
                        f"the spool cannot take these rows: with them it would hold more than {limit:,} bytes",
                        where=str(folder),
                        next="Bring in what waits, btcframe db drain, or allow more: spool.limit=…",
                    )
            segment.sync()
            hidden.rename(name)
            sync_folder(folder)
        finally:
            segment.close()
            hidden.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    return name


def drain(
    settings: Mapping[str, Any],
    store: Store,
    *,
    retry: bool = False,
    anyway: bool = False,
    told: Callable[[int], None] = lambda rows: None,
    now_ns: Callable[[], int] = time.time_ns,
) -> Drained:
    """Bring what waits for `store` in, until nothing is left or it fails.

    Parameters
    ----------
    settings : mapping      the section `spool` of a config
    store : Store
    retry : bool            first put back what was set apart, to be tried again
    anyway : bool           also what was put aside for another store
    told : callable         is given the rows brought in by each step
    now_ns : callable       the clock, ns UTC

    Raises
    ------
    StoreError
        If another process uses the spool, it cannot be read, or what waits is for other stores alone.
    """
    asked = settings_of(settings)
    path = Path(asked.path)
    if not path.is_dir():
        return Drained(0, 0, 0, 0, "")
    journal = Journal(path, None if anyway else address_of(store), limit=asked.limit)
    try:
        if retry:
            journal.retry()
        if not anyway:
            _check_ours(read_status(path, now_ns()), address_of(store))
        steps = Drain(
            journal,
            store,
            every_ns=0,
            batch=asked.batch,
            now_ns=now_ns,
            uniform=random.random,
            tell=lambda kind, **data: None,
            patience=1,
        )
        rows = batches = apart = 0
        while (step := steps.step(again=True)).wait_ns is not None:
            rows, batches, apart = rows + step.rows, batches + step.batches, apart + step.apart
            told(step.rows)
            if steps.failures > 1 and not step.rows:  # twice: so that what is refused lets the rest pass
                break
        lost = read_counters(path).lost
        write_counters(path, Counters(lost, steps.failures, steps.error))
        return Drained(rows, batches, apart, journal.tally().rows, steps.error)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        journal.close()


def _check_ours(there: SpoolStatus, address: str) -> None:
    others = [other for other in there.stores if other != address]
    if others and address not in there.stores:
        raise StoreError(
            f"what waits is for another store: {', '.join(others)}",
            where=there.path,
            hint=f"This one is {address}.",
            next="Name that store, or bring it into this one all the same: btcframe db drain --anyway",
        )


def status(settings: Mapping[str, Any], now_ns: Callable[[], int] = time.time_ns) -> SpoolStatus:
    """How the spool stands, while a session uses it, too.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    path = Path(settings["path"])
    try:
        return read_status(path, now_ns())
    except OSError as error:
        raise unwritable(path, error) from error
