"""Why a trader may not open, or may do nothing at all: every cause with its time; the gravest counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from btcframe.api import Stop, TraderState
from btcframe.errors import BtcframeError, PluginError
from btcframe.trading.audit import Table
from btcframe.trading.onlookers import STOPPED, Log, Notify


class Cause(NamedTuple):
    """A stop that holds."""

    state: TraderState
    code: str
    detail: str
    since_ns: int
    until_ns: int  # when it ends by itself, 0 for never

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class Stops:
    """The causes that hold, one of each code, and the plugins the session goes on without.

    Parameters
    ----------
    table : Table of STOP
    contain : bool            whether a session goes on when a plugin raises
    log, notify : optional    told of every cause when it begins, and of the end of those that end

    Attributes
    ----------
    state : TraderState               the gravest of the causes
    contained : mapping of str        plugins that raised, or are switched off, and why
    raised : int                      how often one did
    """

    def __init__(self, table: Table, *, contain: bool, log: Log | None, notify: Notify | None) -> None:
        self._table, self._contains, self._log, self._notify = table, contain, log, notify
        self._causes: dict[str, Cause] = {}
        self._ends_ns = 0
        self.state = TraderState.ACTIVE
        self.contained: dict[str, str] = {}
        self.raised = 0

    @property
    def gravest(self) -> Cause | None:
        """The cause that counts: the first of the gravest."""
        return max(self._causes.values(), key=lambda cause: (cause.state, -cause.since_ns), default=None)

    def holds(self, code: str) -> bool:
        """Whether a cause of this code does."""
        return code in self._causes

    def add(self, stop: Stop, now_ns: int, row_ns: int) -> bool:
        """Let a stop hold. Returns whether that is news: a code that did not hold, or one that got graver."""
        held = self._causes.get(stop.code)
        if held is not None and held.state >= stop.state:
            return False
        until_ns = stop.until_ns if stop.state == TraderState.REDUCING else 0
        self._causes[stop.code] = Cause(stop.state, stop.code, stop.detail, now_ns, until_ns)
        self._weigh()
        code, why = (text.encode(errors="replace") for text in (stop.code, stop.detail))
        self._table.append((now_ns, row_ns, stop.state, 0, 0, 0, code[:48], why[:96]))
        told = {"state": stop.state.name, "code": stop.code, "why": stop.detail}
        if self._log:
            self._log.command(now_ns, STOPPED, **told)
        self.tell("halt" if stop.state == TraderState.HALTED else "reducing", **told)
        return True

    def expire(self, now_ns: int) -> bool:
        """Let go of the causes whose time is over. Returns whether there were any."""
        if not self._ends_ns or now_ns < self._ends_ns:
            return False
        over = [code for code, cause in self._causes.items() if 0 < cause.until_ns <= now_ns]
        for code in over:
            del self._causes[code]
        self._weigh()
        self.tell("resume", state=self.state.name, why=f"{', '.join(over)} is over")
        return True

    def clear(self, why: str, keep: tuple[str, ...] = ()) -> None:
        """Let go of all causes but those of the codes given, and give what was contained another try."""
        self._causes = {code: cause for code, cause in self._causes.items() if code in keep}
        self.contained.clear()
        self._weigh()
        self.tell("resume", state=self.state.name, why=why)

    def failed(self, who: str, error: Exception) -> Stop | None:
        """A plugin raised: what follows from it; None where that was known.

        Parameters
        ----------
        who : str       policy, model, risk.NAME
        error : Exception

        Raises
        ------
        PluginError
            Where the session must not go on, naming the plugin; an error of ours is raised as it is.
        """
        if not self._contains:
            if isinstance(error, BtcframeError):
                error.where = error.where or who
                raise error
            raise PluginError(
                f"{who.replace('risk.', 'risk rule ')} raised {type(error).__name__}: {error}",
                where=type(error).__module__,
                next="Its traceback: hydra.verbose=true",
            ) from error
        self.raised += 1
        return self.contain(who, f"{type(error).__name__}: {error}")

    def contain(self, who: str, why: str) -> Stop | None:
        """The session goes on without a plugin: what follows from it; None where that was known."""
        if who in self.contained:
            return None
        self.contained[who] = why
        return Stop(TraderState.REDUCING, f"contained.{who}", why)

    def release(self, who: str, why: str) -> bool:
        """Let go of a plugin that raised, for it is not used any more. Returns whether there was one."""
        if self.contained.pop(who, None) is None:
            return False
        if self._causes.pop(f"contained.{who}", None) is not None:
            self._weigh()
            self.tell("resume", state=self.state.name, why=why)
        return True

    def tell(self, kind: str, **data: Any) -> None:
        """Tell the observers."""
        if self._notify:
            self._notify(kind, **data)

    def _weigh(self) -> None:
        causes = self._causes.values()
        self.state = max((cause.state for cause in causes), default=TraderState.ACTIVE)
        self._ends_ns = min((cause.until_ns for cause in causes if cause.until_ns), default=0)

    def save(self) -> dict[str, Any]:
        """What `restore` needs, as plain values."""
        causes = [cause._asdict() | {"state": cause.state.name} for cause in self._causes.values()]
        return {"causes": causes, "contained": dict(self.contained)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on with what `save` gave, telling nobody. Raises KeyError or TypeError where it is something else."""
        causes = [Cause(**{**cause, "state": TraderState[cause["state"]]}) for cause in saved["causes"]]
        self._causes = {cause.code: cause for cause in causes}
        self.contained = dict(saved["contained"])
        self._weigh()
