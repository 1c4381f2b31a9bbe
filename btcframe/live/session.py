"""A session at work: the fast lane, in the thread that iterates the feed. docs/trade.md tells what runs where.

One turn of it takes a batch: what was asked from outside, the log's copy, the trader, the snapshot for whoever looks.
Nothing here waits for a disk, a store or another thread; what they need is put into the slow lane.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from btcframe.api import Batch, Feed, TraderState
from btcframe.clock_offset import ClockOffset, Offset
from btcframe.latency import Latency
from btcframe.live.inbox import Inbox
from btcframe.live.onlooker import Onlooker
from btcframe.live.session_line import Line
from btcframe.live.slow_lane import SlowLane
from btcframe.models.production import Candidate, Production
from btcframe.pipeline import Pipeline
from btcframe.sessions.recording import counters_of
from btcframe.sessions.saved_state import SavedState
from btcframe.trading.onlookers import VENUE
from btcframe.trading.trader import Trader
from btcframe.types import NS, EventArray
from btcframe.watch.signals import ExecutionSignals, Seen, Signals
from btcframe.watch.watching import numbers

SHOWN_NS = NS // 200
"""Between two snapshots for whoever looks, where no row was closed; a snapshot says how old it is."""

TEND_NS = NS
"""Between two looks at whether the slow lane is alive."""


class Session:
    """One session. Made whole by `jobs.trade`; `take` is for the trader's thread, all else for any.

    Parameters
    ----------
    about : mapping         what does not change: id, symbol, source, policy, venue, model
    feed : Feed
    pipeline : Pipeline
    trader : Trader
    slow : SlowLane
    onlooker : Onlooker     the trader's
    latency : Latency       the onlooker's
    production : Production     its models; the first of them predicts from the trader's schedule
    identity : mapping      of the pipeline, see SavedState
    state_ns : int          market time between two states; 0: none is kept
    parts : callable        further counters, by part
    inbox : Inbox, optional     what other threads have for it
    now : callable          the clock of EVENT.mono_ts

    Attributes
    ----------
    latency : Latency
    signals : Signals
    """

    def __init__(
        self,
        about: Mapping[str, str],
        feed: Feed,
        pipeline: Pipeline,
        trader: Trader,
        slow: SlowLane,
        onlooker: Onlooker,
        latency: Latency,
        production: Production,
        *,
        identity: Mapping[str, Any],
        state_ns: int,
        parts: Callable[[], Mapping[str, Mapping[str, int | float]]] = dict,
        inbox: Inbox | None = None,
        now: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._about, self._feed, self._pipeline, self._trader = dict(about), feed, pipeline, trader
        self._slow, self._onlooker, self.latency = slow, onlooker, latency
        self._identity, self._state_ns, self._parts, self._now = identity, state_ns, parts, now
        self._production, self._ladder = production, production.ladder
        self._watch_model(production.ladder.present)
        self.signals = Signals(latency, now)
        self._clock = ClockOffset()
        self._offset: Offset | None = None
        self._inbox = inbox or Inbox()
        self._saved = -1  # version of the trader that was handed over
        self._tended_ns = self._shown_ns = self._shown_rows = 0
        self._state_due_ns: int | None = None
        self._line = Line(now)
        self._counts = {"batches": 0, "frames": 0, "bytes": 0, "events": 0}
        self.first_ns = self.last_ns = 0

    # ------------------------------------------------------------------------------------------ the fast lane

    def take(self, batch: Batch) -> None:
        """One turn: everything that a batch brings about.

        Raises
        ------
        PluginError
            If the venue contradicts itself.
        """
        events = batch.events
        if self._inbox.told:
            self._note()
        if self._inbox.asked:
            self._obey(events)
        if self._ladder.waiting:
            self._promote(self._ladder.take())
        self._slow.batch(batch)
        self._clock.take(batch)
        self.latency.decoded(events, self._clock.offset_ns)
        self._trader.consume(events)
        if (stalled := self._onlooker.stalled) is not None:
            self._contain(*stalled)
        if failure := self._onlooker.failure:
            self._promote(self._ladder.down(failure))
        self._count(batch)
        mono_ns = self._now()
        if len(events) and (self.rows != self._shown_rows or mono_ns - self._shown_ns >= SHOWN_NS):
            self._shown_rows, self._shown_ns = self.rows, mono_ns
            self._publish(events)
        self._remember(mono_ns)

    def _obey(self, events: EventArray) -> None:
        """Do what was asked, before these events: the first ones tell what time it is."""
        first, asked = not self._counts["events"], self._inbox.asked
        while asked and (len(events) or not first):
            name, data = asked.popleft()
            self._trader.command(name, **data, **({"ns": events["local_ts"][0].item()} if first else {}))
            if name == "resume" and self._ladder.failed:
                self._promote(self._ladder.again("another try: resumed"))

    def _note(self) -> None:
        """Write down what the venue acted upon."""
        while self._inbox.told:
            ns, said = self._inbox.told.popleft()
            self._slow.command(ns, VENUE, **said)

    def _promote(self, candidate: Candidate | None) -> None:
        """Another model predicts from the next row on, or none: a command of the log, as any other."""
        why = self._ladder.standing.why
        if candidate is None:
            self._trader.promote(None, why=why)
        else:
            self._trader.promote(candidate.model, candidate.name, candidate.fitted_ns, why)
        self._watch_model(candidate)

    def _watch_model(self, candidate: Candidate | None) -> None:
        self._onlooker.begin(candidate is not None)
        self._slow.model(candidate)

    def _contain(self, name: str, took_ns: int) -> None:
        self._onlooker.stalled = None
        if name not in self._pipeline.contained:
            self._trader.command("contain", name=name, why=f"it stalled: {took_ns / 1e6:,.0f} ms for one row")

    def _count(self, batch: Batch) -> None:
        counts = self._counts
        counts["batches"] += 1
        if frames := batch.frames:
            counts["frames"] += len(frames)
            counts["bytes"] += sum([len(frame.data) for frame in frames])
        if n := len(batch.events):
            counts["events"] += n
            self.last_ns = batch.events["local_ts"][-1].item()
            self.first_ns = self.first_ns or batch.events["local_ts"][0].item()

    def _publish(self, events: EventArray) -> None:
        trader = self._trader
        if (market := trader.market()) is not None:
            mono_ns, local_ns = events["mono_ts"][-1].item() or self._now(), events["local_ts"][-1].item()
            self.signals.publish(
                Seen(
                    mono_ns, local_ns, self._pipeline.book_ns, market, trader.account(), trader.cause, trader.contained,
                    self._ladder.standing, trader.position_known,
                )
            )  # fmt: skip

    def _remember(self, mono_ns: int) -> None:
        """Hand over what a restart must know, where it has changed or is due; and see to the slow lane."""
        if (version := self._trader.version) != self._saved:
            self._saved = version
            self._keep_account()
        now_ns = self._pipeline.now_ns
        if self._state_ns and now_ns > 0:
            if self._state_due_ns is None:
                self._state_due_ns = now_ns + self._state_ns
            if now_ns >= self._state_due_ns:
                self._state_due_ns = now_ns + self._state_ns
                self._keep_state()
        if mono_ns - self._tended_ns >= TEND_NS:
            self._tended_ns = mono_ns
            self._offset = self._clock.offset
            self._slow.tend()

    def _keep_account(self) -> None:
        self._slow.account({"symbol": self._about["symbol"], "saved_ns": self.last_ns, **self._trader.save()})

    def _keep_state(self) -> None:
        state = SavedState.of(self._pipeline, self._identity, self._counts["events"])
        self._slow.state(state, sum(array.nbytes for array in state.memory.values()))

    def end(self, *, flatten: bool) -> None:
        """The last turn: nothing works any more, and all is written.

        Raises
        ------
        StoreError
            If it cannot be.
        """
        self._trader.finish(flatten=flatten)
        self._note()
        self._keep_account()
        if self._state_ns and self._counts["events"]:
            self._keep_state()
        self._slow.close()

    def run(
        self,
        batches: Iterable[Batch],
        stop: Callable[[], bool],
        show: Callable[[Callable[[], str]], None],
        duration_ns: int = 0,
        *,
        live: bool,
    ) -> str:
        """Take batches until it is asked to stop, the time is over, or there are no more.

        Parameters
        ----------
        batches : iterable of Batch
        stop : callable         whether it was asked
        show : callable         see `run.Show`
        duration_ns : int       from the first item on; 0: no limit
        live : bool             whether the market waits for nobody: then what is too much was left out before

        Returns
        -------
        str     why it ended: asked, duration or end
        """
        for batch in batches:
            if not live:
                self._slow.wait_for_room()
            self.take(batch)
            show(self.line)
            if stop():
                return "asked"
            if duration_ns and self.last_ns - self.first_ns >= duration_ns:
                return "duration"
        return "end"

    # ------------------------------------------------------------------------------------------ for any thread

    def ask(self, name: str, /, **data: Any) -> None:
        """Put a command to the trader: it is applied, and logged, before the next batch is consumed."""
        self._inbox.ask(name, **data)

    def about(self) -> Mapping[str, str]:
        """What does not change."""
        return self._about

    def get_execution_signals(self) -> ExecutionSignals | None:
        """What is known now; None before the first row."""
        return self.signals.read()

    def counters(self) -> Mapping[str, Mapping[str, int | float]]:
        """What has been counted, by part and name."""
        told: dict[str, Mapping[str, int | float]] = {"session": dict(self._counts)}
        told |= {part: dict(counted) for part, counted in counters_of(self._feed).items()}
        if (shed := getattr(self._feed, "shed", None)) is not None:
            told["shed"] = numbers(shed)
        told["lane"] = numbers(self._slow.counters)
        told["trader"] = dict(self._trader.counts)
        told["models"] = self._production.counts()
        return {**told, **self._parts()}

    @property
    def rows(self) -> int:
        """Closed so far."""
        return self._trader.counts["rows"]

    @property
    def cause(self) -> str:
        """Why the trader may not do all it could; "" where it may."""
        return self._trader.cause

    def vetoes(self) -> Mapping[str, int]:
        """Intents that were denied, by code."""
        return dict(self._trader.vetoes)

    def model(self) -> Mapping[str, Any]:
        """Which model predicts, why it does, and how it fares: see `Standing` and `Health`."""
        return self._production.plain()

    def offset(self) -> Offset | None:
        """Our clock less the exchange's, as of the last second."""
        return self._offset

    def line(self) -> str:
        """How it stands, in a line for a terminal; the trader's thread asks for it."""
        return self._line.of(self)

    def plain(self) -> dict[str, Any]:
        """What it counted, for the manifest."""
        return {
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "counters": {part: dict(counted) for part, counted in self.counters().items()},
            "vetoes": dict(self.vetoes()),
            "latency": self.latency.plain(),
            "clock": self._clock.offset.plain(),
            "contained": dict(self._trader.contained),
            "model": self._production.plain(),
            "state": TraderState(self._trader.state).name.lower(),
            "cause": self.cause,
            "differs": self._trader.differs,
        }
