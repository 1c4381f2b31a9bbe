"""What trades with real orders: keys that are there, what the exchange says of the account, its journal."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from btcframe.doctor.finding import Finding, Level
from btcframe.errors import BtcframeError
from btcframe.plugins import Catalog
from btcframe.types import Instrument

_NAMED = re.compile(r"BTCFRAME_([A-Z0-9]+)_([A-Z0-9]+)_(KEY|SECRET)")


class Check(Protocol):
    """One thing that a venue says of itself."""

    @property
    def name(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def said(self) -> str: ...
    @property
    def do(self) -> str: ...


@runtime_checkable
class Checked(Protocol):
    """What a venue that sends real orders has for the doctor."""

    def checks(self, instrument: Instrument) -> Sequence[Check]:
        """Keys, rights, clock, modes, steps: one after the other, up to what the next one rests on."""


class Kept(NamedTuple):
    """A key and its secret, as far as both are in the environment."""

    key: bool
    secret: bool


def keys(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Which keys the environment holds, by exchange and endpoint; never what they are."""
    found: dict[str, set[str]] = {}
    for name, value in environment.items():
        if value.strip() and (match := _NAMED.fullmatch(name)):
            found.setdefault(f"{match[1]}_{match[2]}", set()).add(match[3])
    for stem, parts in sorted(found.items()):
        named = stem.lower().replace("_", " ")
        if parts == {"KEY", "SECRET"}:
            yield Finding("keys", Level.OK, f"{named}: key and secret are in the environment")
            continue
        (there,), (absent,) = parts, {"KEY", "SECRET"} - parts
        yield Finding(
            "keys",
            Level.WARN,
            f"{named}: the environment has its {there.lower()} and not its {absent.lower()}",
            f"Set BTCFRAME_{stem}_{absent}, or take both away",
        )
    if not found:
        yield Finding("keys", Level.OK, "the environment has no exchange's keys: paper needs none")


def venue(config: Mapping[str, Any], catalog: Catalog) -> Iterator[Finding]:
    """What the venue says of itself and of the account, where it sends orders to somebody."""
    name = config["venue"]["plugin"]
    made = catalog.build("venue", config["venue"])
    if not isinstance(made, Checked):
        yield Finding("venue", Level.SKIPPED, f"venue {name} sends orders to nobody")
        return
    try:
        with contextlib.closing(catalog.build("source", config["source"]).open(seed=0)) as feed:
            instrument = feed.instrument
    except BtcframeError as error:
        yield Finding(
            "venue", Level.SKIPPED, f"venue {name} was not asked: the source does not open", error.next
        )
        return
    for check in made.checks(instrument):
        level = Level.OK if check.ok else Level.FAIL
        yield Finding("venue", level, f"{check.name}: {check.said}", "" if check.ok else check.do)
