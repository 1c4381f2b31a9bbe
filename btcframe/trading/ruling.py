"""What the risk rules leave of an intent."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from btcframe.api import Account, Intent, Market, ReadsColumns, Risk, Stop, Stopper, TraderState, Veto
from btcframe.errors import ConfigError, PluginError, did_you_mean

Contain = Callable[[str, Exception], None]
"""Called with who raised what; it raises where that must end the session, and returns where the session goes on."""

_STOPPED = {TraderState.REDUCING: "reducing", TraderState.HALTED: "halted"}


class Verdict(NamedTuple):
    """What became of an intent."""

    intent: Intent  # as the rules left it
    veto: str = ""  # code of the rule that denied it
    cut: str = ""  # the last rule that made it smaller or reduce-only


class Rules:
    """The rules of a session, asked in order.

    A rule that raises, or answers what no rule may, is contained where the session allows it: what opens is denied
    with the code `contained`, and what reduces is not held up by it.

    Parameters
    ----------
    rules : mapping of name to Risk
    contain : callable      see Contain
    columns : tuple of str  feature columns there are

    Raises
    ------
    ConfigError
        If a rule looks at a feature column that there is not.
    """

    def __init__(self, rules: Mapping[str, Risk], contain: Contain, columns: tuple[str, ...]) -> None:
        for name, rule in rules.items():
            for column in rule.reads if isinstance(rule, ReadsColumns) else ():
                if column not in columns:
                    raise ConfigError(
                        f"it looks at {column}, which is no feature column of this session",
                        where=f"risk.{name}",
                        hint=did_you_mean(column, columns),
                    )
        self._rules = dict(rules)
        self._stoppers = {name: rule for name, rule in rules.items() if isinstance(rule, Stopper)}
        self._contain = contain

    @property
    def watching(self) -> bool:
        """Whether a rule is to be asked at every row."""
        return bool(self._stoppers)

    def judge(self, intent: Intent, account: Account, market: Market) -> Verdict:
        """Ask every rule, until one says no; what only reduces passes a trader that may not open."""
        reduces, cut = account.position.reduces(intent), ""
        if account.state != TraderState.ACTIVE and not (reduces and account.state == TraderState.REDUCING):
            return Verdict(intent, _STOPPED[account.state])
        for name, rule in self._rules.items():
            try:
                answer = rule.check(intent, account, market)
                if isinstance(answer, Veto):
                    return Verdict(intent, _text(answer.code) or name, cut)
                if answer is not intent:
                    _refuse_more(name, intent, answer)
            except Exception as error:  # noqa: BLE001 - whether the session goes on is decided there
                self._contain(f"risk.{name}", error)
                if reduces:
                    continue
                return Verdict(intent, "contained", cut)
            if answer.lots <= 0:
                return Verdict(intent, name, cut)
            if answer != intent:
                intent, cut = answer, name
        return Verdict(intent, "", cut)

    def stops(self, account: Account, market: Market) -> Iterator[Stop]:
        """What the rules have to say against going on, at a closed row."""
        for name, rule in self._stoppers.items():
            try:
                stop = rule.stop(account, market)
                if stop is not None:
                    _refuse_nonsense(name, stop)
            except Exception as error:  # noqa: BLE001 - whether the session goes on is decided there
                self._contain(f"risk.{name}", error)
                continue
            if stop is not None:
                yield stop


def _text(value: str) -> str:
    """A rule's text as it can be written down. Raises TypeError for what is none."""
    return str.encode(value, errors="replace").decode()


def _refuse_nonsense(name: str, stop: Stop) -> None:
    """Raise PluginError unless it is a stop."""
    known = isinstance(stop, Stop) and stop.state in _STOPPED and isinstance(stop.until_ns, int)
    if (
        known
        and stop.code
        and all(isinstance(text, str) and _text(text) == text for text in (stop.code, stop.detail))
    ):
        return
    raise PluginError(
        f"risk rule {name} made {stop}, which is no stop",
        where=f"risk.{name}",
        hint="Stop(TraderState.REDUCING or HALTED, code, detail), or None.",
    )


def _refuse_more(name: str, intent: Intent, answer: Intent) -> None:
    """Raise PluginError unless the answer is the intent, perhaps with fewer lots or reduce-only."""
    if isinstance(answer, Intent):
        same = intent._replace(lots=answer.lots, reduce_only=answer.reduce_only, reason=answer.reason)
        less = operator.index(answer.lots) <= intent.lots and answer.reduce_only >= intent.reduce_only
        if answer == same and less and answer.reduce_only in (True, False):
            return
    raise PluginError(
        f"risk rule {name} made {answer} of {intent}",
        where=f"risk.{name}",
        hint="A rule returns the intent, the same with fewer lots or reduce-only, or a Veto.",
    )
