"""The contract of a risk rule: pure, never adding risk, never in the way of getting out."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from btcframe.api import Account, Action, Intent, Market, ReadsColumns, Stop, Stopper, TraderState, Veto
from btcframe.testing.checks import (
    ContractError,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    name_of,
)
from btcframe.testing.policies import arrays_of, changed_in, market, positions
from btcframe.testing.surroundings import undisturbed

_PURE = "Judge by intent, account and market only: what a rule counts belongs in the account."


def accounts() -> tuple[Account, ...]:
    """Rich, poor, deep in a loss, worth nobody knows what, quiet and busy, in every position."""
    money = ((1e6, 1e6, 1), (10.0, 1e6, 1000), (1e5, 1e6, 1), (float("nan"), 1e6, 1))
    return tuple(
        Account(p, equity, equity, peak, 12.5, peak, last_second=sent, last_minute=sent)
        for p in positions()
        for equity, peak, sent in money
    )


def intents_of(account: Account) -> tuple[Intent, ...]:
    """What a policy might ask for: open, close, add, amend, cancel."""
    held = account.position.lots
    asked = [
        Intent(Action.SUBMIT, side, lots, ticks)
        for side in (1, -1)
        for lots in (1, 1000, 10**9)
        for ticks in (0, 600_000)
    ]
    if held:
        out = -1 if held > 0 else 1
        asked += [Intent(Action.SUBMIT, out, abs(held), reduce_only=True), Intent(Action.SUBMIT, out, 1)]
    for order in account.position.working:
        asked += [
            Intent(Action.AMEND, order.side, order.lots + 50, order.ticks, order_id=order.order_id),
            Intent(Action.AMEND, order.side, order.filled_lots + 1, order.ticks, order_id=order.order_id),
            Intent(Action.CANCEL, order.side, order_id=order.order_id),
        ]
    return tuple(asked)


def markets_for(risk: Any) -> tuple[Market, ...]:
    """What is known, with and without a prediction and a usable book; with the columns that the rule looks at."""
    columns = risk.reads if isinstance(risk, ReadsColumns) else ()
    views = (
        market(5.0),
        market(-5.0, seed=1),
        market(0.01, seed=2),
        market(float("nan")),
        market(5.0, usable=False),
    )
    known = (1e-4, 0.0, 0.1, float("nan"), 1e-3)
    return tuple(
        view._replace(columns=view.columns + columns, x=np.append(view.x, np.full(len(columns), value)))
        for view, value in zip(views, known, strict=True)
    )


def cases(risk: Any) -> Iterator[tuple[Intent, Account, Market]]:
    """Everything a rule is judged by."""
    for account, view in itertools.product(accounts(), markets_for(risk)):
        for intent in intents_of(account):
            yield intent, account, view


def check_pure(risk: Any) -> None:
    """The same question gives the same answer, and nothing is changed."""
    asked = list(cases(risk))
    before = {id(view): (view, arrays_of(view)) for _, _, view in asked}
    answers = [risk.check(*case) for case in asked]
    for view, arrays in before.values():
        if where := changed_in(view, arrays):
            raise ContractError(f"{name_of(risk)} changes its input: {where}", "A rule reads and answers.")
    for instance in (risk, dataclasses.replace(risk)):
        for i in reversed(range(len(asked))):
            again = instance.check(*asked[i])
            if again != answers[i]:
                raise ContractError(
                    f"{name_of(risk)} is not pure: to {asked[i][0]} it answered {answers[i]}, then {again}",
                    _PURE,
                )


def check_never_increases(risk: Any) -> None:
    """The answer is a Veto with a code, or the intent, perhaps smaller: never larger, never another one."""
    for intent, account, view in cases(risk):
        answer = risk.check(intent, account, view)
        if isinstance(answer, Veto):
            if not answer.code:
                raise ContractError(
                    f"{name_of(risk)} vetoes without a code", "Veto('max_position', 'details')."
                )
            continue
        if not isinstance(answer, Intent) or not _no_more_than(answer, intent):
            raise ContractError(
                f"{name_of(risk)} increases risk: asked for {intent}, it answers {answer!r}",
                "Return the intent, intent._replace(lots=fewer), or a Veto.",
            )


def _no_more_than(answer: Intent, intent: Intent) -> bool:
    same = answer._replace(lots=intent.lots, reason=intent.reason, reduce_only=intent.reduce_only) == intent
    if intent.action == Action.CANCEL:
        return same
    return same and 0 < answer.lots <= intent.lots and answer.reduce_only >= intent.reduce_only


def check_reducing_passes(risk: Any) -> None:
    """Cancels and reducing orders pass unchanged: a limit must not lock a position in."""
    for intent, account, view in cases(risk):
        if not account.position.reduces(intent):
            continue
        answer = risk.check(intent, account, view)
        if answer != intent:
            raise ContractError(
                f"{name_of(risk)} blocks the way out: at position {account.position.lots} it answers {answer} to {intent}",
                "Let CANCEL, reduce_only and orders against the position pass; limits are for opening.",
            )


def check_stop(risk: Any) -> None:
    """A rule that may stop the trader is pure in that, too: the same account and market, the same Stop or None."""
    if not isinstance(risk, Stopper):
        return
    for account, view in itertools.product(accounts(), markets_for(risk)):
        stop = risk.stop(account, view)
        if risk.stop(account, view) != stop:
            raise ContractError(f"{name_of(risk)} is not pure: it stops one time, and not the next", _PURE)
        if stop is not None and (
            not isinstance(stop, Stop) or not stop.code or stop.state == TraderState.ACTIVE
        ):
            raise ContractError(
                f"{name_of(risk)} stops the trader with {stop!r}",
                "Return Stop(TraderState.REDUCING or HALTED, 'code', 'details'), or None.",
            )


def check_global_state(risk: Any) -> None:
    """Nothing outside it is changed: no generator, environment, warnings filter, thread count, …: see `surroundings`."""

    def work() -> None:
        for intent, account, view in cases(risk):
            risk.check(intent, account, view)
            if isinstance(risk, Stopper):
                risk.stop(account, view)

    undisturbed(name_of(risk), work)


CHECKS = (
    check_stop,
    check_pure,
    check_never_increases,
    check_reducing_passes,
    check_global_state,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
)
