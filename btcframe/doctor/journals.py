"""The journals of accounts that real orders went to: who trades each now, and what it does not know the end of."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from btcframe.doctor.finding import Finding, Level
from btcframe.venues.real.lock import locks_of
from btcframe.venues.real.places import journals_in

_WORKING = "SELECT count(*) FROM orders WHERE state < 4 OR state = 5"
"""Orders that are not final, as the journal counts them (btcframe.venues.real.journal)."""


def journals(config: Mapping[str, Any]) -> Iterator[Finding]:
    """How the journals in the venue's directory stand; they are read, and not written."""
    if "journal" not in config["venue"]:
        yield Finding("journals", Level.SKIPPED, f"venue {config['venue']['plugin']} keeps none")
        return
    folder = journals_in(config["venue"]["journal"])
    found = sorted(folder.glob("*.sqlite"))
    for path in found:
        yield _journal(path)
    if not found:
        yield Finding("journals", Level.OK, f"no account has one in {folder} yet")


def _journal(path: Path) -> Finding:
    if holder := next(filter(None, map(_holder, locks_of(path))), ""):
        return Finding("journals", Level.OK, f"{path}: the account is traded by {holder}")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            working = database.execute(_WORKING).fetchone()[0]
    except sqlite3.Error as error:
        do = "Put back a copy of it: without it a session does not know which orders are its own"
        return Finding("journals", Level.FAIL, f"{path} cannot be read: {error}", do)
    if working:
        said = f"{path}: nobody trades the account, and {working} of its orders are not known to be over"
        do = "The next session asks for each and cancels what works: btcframe trade warm_start=…; or session flatten"
        return Finding("journals", Level.WARN, said, do)
    return Finding("journals", Level.OK, f"{path}: nobody trades the account, and all its orders are over")


def _holder(lock: Path) -> str:
    """Who holds an account's lock; "" where nobody does."""
    try:
        file = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            said = json.loads(lock.read_text())
            return f"process {said['pid']} in {said['dir']}"
        except (ValueError, KeyError, TypeError):
            return "another process"
    finally:
        os.close(file)
    return ""
