"""The settings of a spool, and the address of the store that rows are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from btcframe.api import Addressed, Store
from btcframe.types import duration_ns


class Settings(NamedTuple):
    """The section `spool` of a config; see `btcframe.config.Spool`."""

    path: str
    fsync: str
    interval_ns: int
    every_ns: int
    batch: int
    limit: int
    queue: int


def settings_of(section: Mapping[str, Any]) -> Settings:
    """From a section that was checked."""
    return Settings(
        section["path"],
        section["fsync"],
        duration_ns(section["interval"], zero=True),
        duration_ns(section["every"], zero=True),
        section["batch"],
        section["limit"],
        section["queue"],
    )


def address_of(store: Store) -> str:
    """Where a store keeps its rows: what it says itself, or else its class and all its settings."""
    if isinstance(store, Addressed):
        return store.address()
    return f"{type(store).__qualname__} {vars(store)}"
