"""Where a session's pipeline starts: from the best that an earlier run remembers, or from nothing.

Three memories, the best first. The saved state goes on to the same bits, advanced over what the session log holds
after it. The session log alone makes the same rows again, also for other features. The store has a build's raw rows.
A memory that another config made, that ends too long before the first event or after it, or that is damaged, is
refused with the reason, and the next is tried. A restart is a reconnect: the book is unusable from the memory's end to
the feed's first snapshot, and the rows between are GAP rows, as in a session that never stopped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from btcframe.api import Batch, Feed
from btcframe.config import duration, nodes
from btcframe.errors import BtcframeError, DataError
from btcframe.learning.building import compiler
from btcframe.learning.stored_rows import read_rows
from btcframe.pipeline import Pipeline
from btcframe.pipeline.recorded import recorded_feed
from btcframe.provenance import code_digest, code_of
from btcframe.run import Run, load_manifest
from btcframe.session_log import CommandItem, SessionLog
from btcframe.sessions.saved_state import SavedState, read_state, write_state
from btcframe.sessions.session import SESSION, START, STATE, header, instrument_of, open_pipeline
from btcframe.trading.onlookers import Log
from btcframe.types import EVENT, NS, EventArray, EventFlag, Instrument, Kind, duration_name

WARM_START = "warm_start"
"""Name of the session log's command for a state restored before the first event: its data are way and sha256."""

SLOTS = ("clock", "features", "regime")
"""The slots whose memory a state is."""

CORE = (
    "btcframe.kernels",
    "btcframe.clocks",
    "btcframe.pipeline.containment",
    "btcframe.pipeline.parts",
    "btcframe.pipeline.pipeline",
    "btcframe.pipeline.selection",
    "btcframe.types",
)
"""The code of the core that decides what a memory means."""


@dataclass(frozen=True)
class WarmStart:
    """What a session starts from.

    Parameters
    ----------
    way : str                   saved state, session log, store, or cold
    first_ns : int              local time of the session's first event
    unknown : int               rows that some column still needs before it can be known
    refused : mapping           why the better ways were not taken
    state : SavedState or None  what to restore; it stands at the first event
    gap_ns : int                from the memory's end to the first event
    note : str                  what of the memory could not be used
    """

    way: str
    first_ns: int
    unknown: int
    refused: Mapping[str, str]
    state: SavedState | None = None
    gap_ns: int = 0
    note: str = ""

    def plain(self) -> dict[str, Any]:
        """Plain values, for the manifest and the observers."""
        rows = self.state.rows if self.state else 0
        told = {k: v for k, v in vars(self).items() if k != "state"}
        return told | {"refused": dict(self.refused), "rows": rows}

    def describe(self) -> str:
        """A line on what was taken, and one on everything that was not."""
        lines = ["Cold start: nothing is remembered"]
        if self.state is not None:
            lines = [
                f"Warm start from the {self.way}: {self.state.rows:,} rows, {_span(self.gap_ns)} before now"
            ]
        if self.unknown:
            lines[0] += f"; everything is known after {self.unknown:,} more rows"
        if self.note:
            lines.append(f"  {self.note}")
        return "\n".join([*lines, *(f"  not from the {way}: {why}" for way, why in self.refused.items())])


@dataclass(frozen=True)
class _Asked:
    """What a memory is wanted for."""

    run: Run
    instrument: Instrument
    first_ns: int
    directory: Path
    identity: Mapping[str, Any]


def begin_from(run: Run, start: WarmStart, pipeline: Pipeline, log: Log) -> None:
    """Start the pipeline from what was found, kept for the replay, and say what that is.

    Parameters
    ----------
    run : Run
    start : WarmStart
    pipeline : Pipeline     that has consumed nothing
    log : Log               of the session

    Raises
    ------
    StoreError
        If it cannot be kept.
    """
    told = start.plain()
    if start.state is not None:
        told["sha256"] = write_state(run.dir / START, start.state)
        log.command(start.first_ns, WARM_START, way=start.way, sha256=told["sha256"])
        pipeline.restore(start.state.memory)
    run.manifest.setdefault("results", {})["warm_start"] = told
    run.notify("warm_start", **told)
    run.say(start.describe())


# ---------------------------------------------------------------------------------------------------- the choice


def warm_start(
    run: Run, feed: Feed, whose: Mapping[str, Any] | None = None
) -> tuple[WarmStart | None, Iterator[Batch]]:
    """The best memory for the feed, and all batches of the feed.

    Parameters
    ----------
    run : Run
    feed : Feed
    whose : mapping, optional       `identity_of` the run, where that is known: it takes its time, and a market may wait

    Returns
    -------
    (start, batches) : (WarmStart or None, iterator of Batch)
        None where the config asks for no warm start.

    Raises
    ------
    DataError
        If the feed has no event.
    """
    if not run.config["warm_start"]:
        return None, iter(feed)
    first_ns, batches = _first(feed)
    directory, instrument = Path(run.config["warm_start"]), feed.instrument
    whose = whose or identity_of(run, instrument)
    return _best(_Asked(run, instrument, first_ns, directory, whose)), batches


def _best(asked: _Asked) -> WarmStart:
    refused: dict[str, str] = {}
    fresh_ns = duration(asked.run.config, "state", "fresh")
    for way, remember in (("saved state", _state), ("session log", _log), ("store", _store)):
        pipeline = open_pipeline(asked.run, asked.instrument)
        try:
            note = remember(asked, pipeline)
            gap_ns = _gap(pipeline.now_ns, asked.first_ns, fresh_ns)
        except BtcframeError as error:
            refused[way] = f"{error.what} ({error.where})" if error.where else error.what
            continue
        _bridge(pipeline, asked.first_ns)
        state = SavedState.of(pipeline, asked.identity, 0)
        return WarmStart(way, asked.first_ns, _unknown(pipeline), refused, state, gap_ns, note)
    return WarmStart("cold", asked.first_ns, _unknown(open_pipeline(asked.run, asked.instrument)), refused)


def started_from(log: SessionLog, directory: Path) -> SavedState | None:
    """The state that a recorded session restored before its first event; None where it started from nothing.

    Raises
    ------
    DataError
        If it is missing, damaged, or not the one that the log names.
    """
    first = next(iter(log), None)
    if isinstance(first, CommandItem) and first.name == WARM_START:
        return read_state(directory / START, first.data["sha256"])
    return None


def identity_of(run: Run, instrument: Instrument) -> dict[str, Any]:
    """Whose memory a pipeline's is, plain values: what it is told, the settings, the code, and what compiles it."""
    chosen = [(slot, path, node) for slot, path, node in nodes(run.config) if slot in SLOTS]
    code = code_of(((slot, node) for slot, _, node in chosen), run.catalog)
    return {
        **_seen(instrument),
        **{path: dict(node) for _, path, node in chosen},
        "select": list(run.config["select"]),
        "code": {name: code_digest(name) for name in CORE}
        | {k: v for k, v in code.items() if k != "btcframe"},
        "compiler": compiler(),
    }


# ---------------------------------------------------------------------------------------------------- the ways


def _state(asked: _Asked, pipeline: Pipeline) -> str:
    saved = read_state(asked.directory / STATE)
    _check_same(saved.identity, asked.identity)
    pipeline.restore(saved.memory)
    return _advance(asked, pipeline, saved.events)


def _log(asked: _Asked, pipeline: Pipeline) -> str:
    note = _advance(asked, pipeline, 0)
    if pipeline.now_ns < 0:
        raise DataError(f"it holds no event{f'; {note}' if note else ''}")
    return note


def _store(asked: _Asked, pipeline: Pipeline) -> str:
    run, manifest = asked.run, load_manifest(asked.directory)
    build = manifest.get("results", {}).get("build", {}).get("id")
    if not build:
        raise DataError("the run made no build")
    store = run.catalog.build("store", manifest["config"]["store"])
    if found := store.builds().get(build):
        code = code_digest("btcframe")
        _check_same(_rows_identity(found["symbol"], found["identity"]), {
            "symbol": asked.instrument.symbol, "clock": run.config["clock"], "code": {"btcframe": code},
            "compiler": compiler(),
        })  # fmt: skip
    for rows in read_rows(store, build, asked.first_ns):
        at = 0
        while at < len(rows):
            at = pipeline.push_rows(rows, at)
    if not pipeline.rows_seen:
        raise DataError(f"build {build} has no row before the first event")
    return ""


def _rows_identity(symbol: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the raw rows of a build, of all that decides the build."""
    components = dict(identity["components"])
    code = {"btcframe": identity["code"]["btcframe"]}
    return {"symbol": symbol, "clock": components["clock"], "code": code, "compiler": identity["compiler"]}


def _advance(asked: _Asked, pipeline: Pipeline, skip: int) -> str:
    """Push what the session log holds after so many events. What is whole counts; returns what is not."""
    seen = 0
    try:
        log = SessionLog(asked.directory / SESSION)
        _check_same(_seen(instrument_of(log.header)), _seen(asked.instrument))
        source = asked.run.catalog.build("source", log.header["source"])
        with contextlib.closing(recorded_feed(log, source, seed=log.header["seed"])) as feed:
            for batch in feed:
                _push(pipeline, batch.events, skip - seen)
                seen += len(batch.events)
    except BtcframeError as error:
        return f"the session log cannot be used from event {seen:,} on: {error.what}"
    if seen < skip:
        return f"the session log ends {skip - seen:,} events before the saved state"
    return "" if log.complete else "the session was stopped: its log has no closing line"


def _push(pipeline: Pipeline, events: EventArray, start: int = 0) -> None:
    at = max(start, 0)
    while at < len(events):
        at, _ = pipeline.push(events, at)


def _bridge(pipeline: Pipeline, first_ns: int) -> None:
    """Let the time pass to the first event, with a book that nobody kept."""
    events = np.zeros(2, EVENT)
    events["kind"] = Kind.GAP, Kind.HEARTBEAT
    events["local_ts"] = min(pipeline.now_ns + 1, first_ns), first_ns
    events["flags"] = EventFlag.END
    _push(pipeline, events)


# ---------------------------------------------------------------------------------------------------- the checks


def _first(feed: Feed) -> tuple[int, Iterator[Batch]]:
    """Local time of the first event, and all batches."""
    batches = iter(feed)
    held: list[Batch] = []
    for batch in batches:
        held.append(batch)
        if len(batch.events):
            return int(batch.events["local_ts"][0]), chain(held, batches)
    raise DataError("the source gives no event: there is nothing to start for", where="source")


def _gap(now_ns: int, first_ns: int, fresh_ns: int) -> int:
    """Time from a memory's end to the first event, ns; DataError if it is too long, or runs backwards."""
    gap_ns = first_ns - now_ns
    if gap_ns < 0:
        raise DataError(f"it is from the future: it ends {_span(-gap_ns)} after the first event")
    if gap_ns > fresh_ns:
        raise DataError(
            f"it is stale: it ends {_span(gap_ns)} before the first event, and state.fresh is "
            f"{duration_name(fresh_ns)}"
        )
    return gap_ns


def _check_same(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """DataError with what differs, if anything does."""
    old, new = dict(_leaves(then)), dict(_leaves(now))
    differing = [name for name in new | old if old.get(name) != new.get(name)]
    if differing:
        told = [
            f"the code of {name.removeprefix('code.')}"
            if name.startswith("code.")
            else f"{name} ({old.get(name, 'none')} then, {new.get(name, 'none')} now)"
            for name in differing[:3]
        ]
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise DataError(f"it is of another config: {', '.join(told)}{more}")


def _seen(instrument: Instrument) -> dict[str, str]:
    """What a pipeline knows of its market: the least notional is the trader's."""
    return {name: value for name, value in header(instrument).items() if name != "min_notional"}


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}", inner


def _unknown(pipeline: Pipeline) -> int:
    slowest = max(column.warmup for column in (*pipeline.columns, *pipeline.regime_columns))
    return max(0, slowest - pipeline.rows_seen)


def _span(ns: int) -> str:
    return f"{ns / NS:,.3f} s"
