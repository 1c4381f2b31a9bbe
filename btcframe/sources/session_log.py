"""Recorded sessions as a source: what was consumed then, through the decoder of the source it came from."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btcframe.api import Batch, Feed, Source
from btcframe.errors import ConfigError, DataError
from btcframe.pipeline.recorded import has_frames, recorded_feed
from btcframe.session_log import LOG, SessionLog
from btcframe.sources.files import fingerprint
from btcframe.types import Frame

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordedSession:
    """A session that was recorded, or traded on frames: the same frames in the same order give the same rows.

    Which decoder they need stands in the log's header. A log that was cut (a recorder was killed, or is still at work)
    is read up to its last whole block, and a warning says so.

    Parameters
    ----------
    path : str              a run's directory, or its session log; one file of a rotated log is read by itself
    recorded : Source, optional     the source that was recorded; default the one that the log names
    """

    path: str = ""
    recorded: Source | None = None

    def settled(self, build: Callable[..., Any]) -> RecordedSession:
        """With the source that the log names: called when a config is made into components.

        Raises
        ------
        ConfigError, PluginError
            If that source cannot be built here.
        DataError
            If there is no session log, or it names no source.
        """
        if not self.path or self.recorded is not None:
            return self
        return dataclasses.replace(
            self, recorded=build("source", self.origin(), where=str(self._session().paths[0]))
        )

    def origin(self) -> Mapping[str, Any]:
        """The node of the source that was recorded, from the log's header.

        Raises
        ------
        ConfigError
            If no log is named.
        DataError
            If there is none, or it names no source.
        """
        log = self._session()
        node: Mapping[str, Any] | None = log.header.get("source")
        if node is None:
            raise DataError("the session log does not say which source was recorded", where=str(log.paths[0]))
        return node

    def open(self, *, seed: int) -> SessionFeed:
        """Open the log.

        Raises
        ------
        ConfigError
            If none is named.
        DataError
            If there is none, it is damaged, or it holds no frames.
        """
        log, recorded = self._session(), self._recorded()
        part = log.header["part"]
        if part > 1:
            raise DataError(
                f"this is part {part} of a session log, and a book begins with part 1",
                where=str(log.paths[0]),
                next=f"Name the directory, with all parts: source.path={log.path.parent}",
            )
        if not has_frames(log):
            raise _without_frames(log, recorded)
        return SessionFeed(log, recorded_feed(log, recorded, seed=seed))

    def decode(self, frames: Iterable[list[Frame]]) -> Feed:
        """The decoding of the source that was recorded."""
        recorded: Any = self._recorded()
        decoded: Feed = recorded.decode(frames)
        return decoded

    def fingerprint(self) -> str:
        """sha256 over the contents of the log's files, in order; "" where none is named."""
        return fingerprint(tuple(str(path) for path in self._session().paths)) if self.path else ""

    @property
    def span_ns(self) -> int:
        """From the log's first stamp to its last, ns."""
        told = self._session().summary()
        return told.last_ns - told.first_ns

    def _session(self) -> SessionLog:
        if not self.path:
            raise ConfigError(
                "source.path: no session is named",
                hint="It is the directory of a run that was recorded, or traded on frames.",
                next="btcframe run source=session_log source.path=runs/DIRECTORY",
            )
        path = Path(self.path)
        return SessionLog(path / LOG if path.is_dir() else path)

    def _recorded(self) -> Source:
        if self.recorded is None:
            raise ConfigError(
                "source.recorded: which source was recorded is not known",
                hint="Components that a config describes find it in the log; one that is made by hand is given it.",
            )
        return self.recorded


def _without_frames(log: SessionLog, recorded: Source) -> DataError:
    plugin, its_seed = log.header["source"]["plugin"], log.header["seed"]
    if hasattr(recorded, "decode"):
        broken = f", and {log.cut:,} bytes of a broken block are left" if log.cut else ""
        cut = "" if log.complete else f": it was cut{broken}"
        return DataError(
            f"the session log holds no frames{cut}",
            where=str(log.paths[-1]),
            hint="Its session ended before anything came, or before the first of it was written.",
        )
    return DataError(
        f"the session log holds no frames: source {plugin} makes its events from config and seed",
        where=str(log.paths[0]),
        next=f"Make them again: source={plugin} seed={its_seed}, with its settings",
    )


class SessionFeed:
    """A log's market data; says at the end if the log was cut."""

    def __init__(self, log: SessionLog, feed: Feed) -> None:
        self.instrument = feed.instrument
        self._session, self._feed = log, feed

    def __iter__(self) -> Iterator[Batch]:
        yield from self._feed
        if not self._session.complete:
            _log.warning(
                "%s has no closing line: its session was killed, or is not over. What is whole was read; behind it "
                "are %s bytes of a block that is not.",
                self._session.path,
                f"{self._session.cut:,}",
            )

    def close(self) -> None:
        """Close the decoder."""
        self._feed.close()
