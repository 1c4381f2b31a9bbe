"""Which model predicts in a session: the promoted one; if it fails, the one promoted before it; then none.

Two threads. A `Follower` looks at the alias, and reads, checks and rehearses what it names, in a thread of its own: it
may take as long as it takes. A `Ladder` belongs to the thread that predicts; it holds models that are ready, so that
changing them is changing a reference. What it says becomes a promotion of the session's log, which a replay repeats.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from btcframe.errors import BtcframeError, ModelError
from btcframe.models.artefacts import FittedModel
from btcframe.models.drift import ModelWatch
from btcframe.models.profile import Profile
from btcframe.types import NS, PREDICTION

STEPS = ("production", "previous", "none")
"""Who predicts: the model that was promoted, the one before it, nobody. The last means that nothing is opened."""

BLIND = 30
"""Rows in a row without a prediction although everything it rests on was there, after which a model has failed."""


class Candidate(NamedTuple):
    """A model that is ready to predict.

    Parameters
    ----------
    model : FittedModel
    name : str                  where its artefact lies
    fitted_ns : int             end of the data it was fitted on; 0 where that is not known
    profile : Profile or None   what its training was like
    """

    model: FittedModel
    name: str
    fitted_ns: int = 0
    profile: Profile | None = None


class Standing(NamedTuple):
    """Who predicts, and why.

    Parameters
    ----------
    step : str      of STEPS; "" in a session without a model
    why : str       why it took over; "" for the one that the session began with
    digest : str    of the model, "" without
    mock : bool     whether it predicts noise
    """

    step: str = ""
    why: str = ""
    digest: str = ""
    mock: bool = False

    def __str__(self) -> str:
        told = f"{self.step} {self.digest[:12]}".strip() if self.step else "no model"
        return " · ".join(filter(None, ("MOCK" if self.mock else "", told, self.why)))


class Ladder:
    """The models of a session, the best first, and which of them predicts. For the thread that predicts.

    Parameters
    ----------
    candidates : sequence of Candidate      at most two: the promoted one, and the one before it

    Attributes
    ----------
    standing : Standing
    falls : int         times that the present one has failed
    """

    def __init__(self, candidates: Sequence[Candidate] = ()) -> None:
        self._candidates: tuple[Candidate, ...] = tuple(candidates)
        self._at = 0
        self._offered: deque[tuple[tuple[Candidate, ...], str]] = deque()
        self.falls = 0
        self.standing = self._stands("") if candidates else Standing()

    @property
    def present(self) -> Candidate | None:
        """Who predicts."""
        return self._candidates[self._at] if self._at < len(self._candidates) else None

    def offer(self, candidates: Sequence[Candidate], why: str) -> None:
        """Others were promoted; from any thread."""
        self._offered.append((tuple(candidates), why))

    @property
    def waiting(self) -> bool:
        """Whether others were offered."""
        return bool(self._offered)

    def take(self) -> Candidate | None:
        """Take the last ones that were offered: the best of them predicts from now on."""
        while self._offered:
            self._candidates, why = self._offered.popleft()
        self._at = 0
        return self._now(why)

    def down(self, why: str) -> Candidate | None:
        """The present one has failed: who predicts now, None for nobody."""
        self._at = min(self._at + 1, len(self._candidates))
        self.falls += 1
        return self._now(why)

    @property
    def failed(self) -> bool:
        """Whether the best one does not predict."""
        return bool(self._candidates) and self._at > 0

    def again(self, why: str) -> Candidate | None:
        """Give the best one another try."""
        self._at = 0
        return self._now(why)

    def _now(self, why: str) -> Candidate | None:
        self.standing = self._stands(why)
        return self.present

    def _stands(self, why: str) -> Standing:
        if (present := self.present) is None:
            return Standing(STEPS[-1], why)
        return Standing(STEPS[self._at], why, present.model.digest, present.model.mock)


class Sentinel:
    """Sees that a model which predicts nothing is noticed.

    Attributes
    ----------
    blind : int     rows in a row without a prediction although all was there; to be set to 0 where one comes
    """

    def __init__(self) -> None:
        self.blind = 0

    def missed(self, whole: bool) -> str:
        """A row has no prediction at some horizon; `whole`: everything that the model takes was there.

        Returns
        -------
        str     why the model has failed; "" as long as it has not
        """
        self.blind += bool(whole)
        if self.blind < BLIND:
            return ""
        self.blind = 0
        return f"it predicted nothing for {BLIND} rows whose columns were all there"


class Aliases(Protocol):
    """The part of a registry that is followed, see `registry.Registry`."""

    def alias(self, name: str) -> str | None:
        """The model that an alias names."""

    def previous(self, name: str) -> str | None:
        """The one that it named before."""

    def find(self, name: str) -> Path:
        """The artefact of a model."""


class Follower:
    """Follows an alias. Step by step, or in a thread by `running`.

    Parameters
    ----------
    aliases : Aliases
    alias : str
    load : callable         reads and checks an artefact; raises what `load_model` does where it cannot predict here
    hand : callable         takes the candidates of a promotion, the best first, and why; from this thread
    tell : callable         ``tell(kind, **data)``: model_refused, model_ready
    every_ns : int          between two looks; 0: it never looks
    present : sequence of Candidate     those that the session began with
    target : str or None    the model that the alias named then

    Attributes
    ----------
    counts : dict           looks, promoted, refused
    """

    def __init__(
        self,
        aliases: Aliases,
        alias: str,
        load: Callable[[Path], Candidate],
        hand: Callable[[Sequence[Candidate], str], None],
        tell: Callable[..., None],
        *,
        every_ns: int,
        present: Sequence[Candidate],
        target: str | None,
    ) -> None:
        self._aliases, self._alias, self._load, self._hand, self._tell = aliases, alias, load, hand, tell
        self._every_ns, self._present, self._target = every_ns, tuple(present), target
        self._numbers = {candidate.model.digest: candidate.model.index for candidate in present}
        self._unreadable = self._unfit = ""  # why the alias, or the model that it names, cannot be used
        self.counts = {"looks": 0, "promoted": 0, "refused": 0}

    @property
    def refused(self) -> str:
        """Why the model that the alias names now was refused, or the alias could not be read; "" where neither is so."""
        return self._unreadable or self._unfit

    def look(self) -> None:
        """Look at the alias; where it names another model, have it ready and hand it over, or say why not."""
        self.counts["looks"] += 1
        try:
            target = self._aliases.alias(self._alias)
            if target is None:
                raise ModelError("it names no model any more")
        except BtcframeError as error:
            before, self._unreadable = self._unreadable, f"{self._alias}: {error.what}"
            if self._unreadable != before:
                self._refuse(self._alias, error)
            return
        self._unreadable = ""
        if target == self._target:
            return
        self._target, self._unfit = target, ""
        try:
            best = self._ready(target)
        except BtcframeError as error:
            self._unfit = f"{target}: {error.what}"
            self._refuse(target, error)
            return
        if best is self._present[0]:
            return  # another one was refused meanwhile, and this one has stayed
        self._present = (best, *self._before(best))
        self.counts["promoted"] += 1
        self._tell("model_ready", model=best.name, digest=best.model.digest, mock=best.model.mock)
        self._hand(self._present, f"promoted to {self._alias}")

    def _before(self, best: Candidate) -> tuple[Candidate, ...]:
        """The model that was promoted before the best one, if there is one and it is sound."""
        try:
            name = self._aliases.previous(self._alias)
            return () if name is None or best.model.digest.startswith(name) else (self._ready(name),)
        except BtcframeError as error:
            self._tell("model_refused", model=str(name), why=error.what, step=STEPS[1])
            return ()

    def _ready(self, name: str) -> Candidate:
        for candidate in self._present:
            if candidate.model.digest.startswith(name):
                return candidate
        try:
            candidate = self._load(self._aliases.find(name))
        except BtcframeError:
            raise
        except Exception as error:  # of a plugin: its model is refused, as any that cannot be read
            raise ModelError(f"{type(error).__name__}: {error}", where=name) from error
        model = candidate.model
        number = self._numbers.setdefault(model.digest, max(self._numbers.values(), default=-1) + 1)
        return candidate._replace(model=replace(model, index=number))

    def _refuse(self, model: str, error: BtcframeError) -> None:
        """Say that the present models stay, and why."""
        self.counts["refused"] += 1
        self._tell("model_refused", model=model, why=error.what, step=STEPS[0])

    @contextmanager
    def running(self) -> Iterator[Follower]:
        """Look now and then while the block lasts."""
        if not self._every_ns:
            yield self
            return
        stopped = threading.Event()
        thread = threading.Thread(target=self._run, args=(stopped,), name="model-follower", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stopped.set()
            thread.join()

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._every_ns / NS):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - whatever happens, the next promotion must be seen
                self._refuse(self._alias, ModelError(f"{type(error).__name__}: {error}"))


@dataclass(frozen=True)
class Production:
    """All that a session has to do with its models.

    Parameters
    ----------
    ladder : Ladder
    watch : ModelWatch
    follower : Follower or None     None where nothing is followed
    """

    ladder: Ladder
    watch: ModelWatch
    follower: Follower | None = None

    def counts(self) -> dict[str, int]:
        """What was counted: how often a model failed (fallen), and what the follower counts."""
        followed = self.follower.counts if self.follower else {}
        return {"fallen": self.ladder.falls, **followed}

    def plain(self) -> dict[str, Any]:
        """Who predicts, why, and how that model fares, as plain values; for any thread."""
        refused = self.follower.refused if self.follower else ""
        present = self.ladder.present
        told = {"refused": refused, "fitted_ns": present.fitted_ns if present else 0}
        return self.ladder.standing._asdict() | told | self.watch.health.plain()


def rehearse(candidate: Candidate) -> None:
    """Let a model predict a row of nothing, and one of zeros: its kernels are loaded then, and it is seen to work.

    Raises
    ------
    ModelError
        If it raises.
    """
    model = candidate.model
    scorer, horizons, d = model.scorer(), len(model.horizons_ns), len(model.regime_columns)
    for value in (np.nan, 0.0):
        x, descriptors = np.full((1, len(model.columns)), value), np.full((1, d), value)
        regime, out = np.full((1, len(model.regimes)), np.nan), np.zeros((1, horizons), PREDICTION)
        try:
            scorer.update(x, descriptors, np.zeros(1, np.int64), regime, out)
        except Exception as error:
            raise ModelError(
                f"the model raises {type(error).__name__} when it predicts: {error}", where=candidate.name
            ) from error
