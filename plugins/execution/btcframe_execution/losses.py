"""Limits on what may be lost: shared by the rules that stop the trader."""

from __future__ import annotations

from btcframe.api import Account, Intent, Stop, TraderState, Veto


def check_limits(reduce: float, halt: float) -> None:
    """Raise ValueError unless 0 < reduce <= halt <= 1."""
    if not 0 < reduce <= 1:
        raise ValueError(f"reduce: {reduce} is not a share above 0 and at most 1")
    if not reduce <= halt <= 1:
        raise ValueError(f"halt: {halt} must be at least reduce, {reduce}, and at most 1")


def unless_stopped(intent: Intent, account: Account, stop: Stop | None) -> Intent | Veto:
    """The intent, or a Veto with the stop's code where one stands in the way of what opens."""
    return Veto(stop.code, stop.detail) if stop and not account.position.reduces(intent) else intent


def stop_at(
    code: str, equity: float, start: float, reduce: float, halt: float, until_ns: int = 0
) -> Stop | None:
    """What follows from an equity that was `start` once; None where it is not known, or less is lost.

    Parameters
    ----------
    code : str
    equity, start : float       settle coin
    reduce, halt : float        shares of `start` that may be lost
    until_ns : int              when REDUCING ends by itself
    """
    lost = start - equity
    if not lost >= reduce * start or start <= 0:  # NaN is not
        return None
    state = TraderState.HALTED if lost >= halt * start else TraderState.REDUCING
    return Stop(state, code, f"{100 * lost / start:.3g}% of {start:,.8g} is lost", until_ns)
