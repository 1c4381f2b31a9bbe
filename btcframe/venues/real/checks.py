"""What must hold of an account before the first order: asked one by one, and said in words. Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from btcframe.endpoints import Endpoint
from btcframe.types import NS, Instrument
from btcframe.venues.real.client import Client
from btcframe.venues.real.line import LineError
from btcframe.venues.real.outcomes import Outcome

MOST_OFF_NS = 10 * NS
"""Our clock less the exchange's, at most: requests bear any, but stamps of one are compared with those of the other."""


_DO = {
    Outcome.FATAL: "Look at it at the exchange; a key belongs to one endpoint: venue.endpoint",
    Outcome.LIMITED: "Wait for as long as the exchange asks for (Bybit: 10 minutes after a 403), then start again",
}
_DO_ELSE = "btcframe doctor tells more; a key belongs to one endpoint: venue.endpoint"


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str  # keys, instrument, clock, rights, mode, leverage, money
    ok: bool
    said: str
    do: str = ""  # what to do where it is not


class Wanted(NamedTuple):
    """What the account must be like.

    Parameters
    ----------
    endpoint : Endpoint
    leverage : float      0: any that is known
    clock_ns : int        by how much our view of the exchange's clock may be wrong
    opening : bool        False: only what is needed to cancel and to close
    """

    endpoint: Endpoint
    leverage: float
    clock_ns: int
    opening: bool = True


async def checked(client: Client, market: Mapping[str, Any], wanted: Wanted) -> list[Check]:
    """Look at everything, in the order in which it can be looked at; a line that fails is a check that failed."""
    found = [instrument_check(client.units.instrument, market)]
    for name, look in (("clock", _clock), ("rights", _rights), ("position", _account), ("money", _money)):
        try:
            found += await look(client, wanted)
        except LineError as error:
            found.append(Check(name, False, error.answer.said, _DO.get(error.answer.outcome, _DO_ELSE)))
            break  # what follows would fail for the same cause
    return found


def instrument_check(ours: Instrument, market: Mapping[str, Any]) -> Check:
    """Whether the venue's steps are those of the source."""
    precision = market["precision"]
    cost = (market["limits"].get("cost") or {}).get("min")
    contract = Decimal(str(market.get("contractSize") or 1)) if ours.contract == "linear" else Decimal(1)
    theirs = {
        "tick": Decimal(str(precision["price"])),
        "lot": Decimal(str(precision["amount"])) * contract,
        **({"least value": Decimal(str(cost))} if cost else {}),
    }
    source = {"tick": ours.tick, "lot": ours.lot, "least value": Decimal(str(ours.min_notional))}
    parted = [
        f"{name} {theirs[name]} (source: {source[name]})" for name in theirs if theirs[name] != source[name]
    ]
    if market.get("active") is False:
        parted.append("it is not traded at present")
    if parted:
        do = "Source and venue must be of one market: source.endpoint and venue.endpoint"
        return Check("instrument", False, f"the venue's {ours.symbol} is another: {', '.join(parted)}", do)
    return Check(
        "instrument",
        True,
        f"{ours.symbol}: tick {ours.tick}, lot {ours.lot}, least value {ours.min_notional:g}",
    )


async def _clock(client: Client, wanted: Wanted) -> list[Check]:
    clock = await client.clock()
    said = f"our clock is {clock.offset_ns / 1e6:+.0f} ms off the exchange's, known to {clock.error_ns / 1e6:.0f} ms"
    if wanted.opening and abs(clock.offset_ns) > MOST_OFF_NS:
        return [Check("clock", False, said, "Set this machine's clock: let NTP do it")]
    ok = clock.error_ns <= wanted.clock_ns
    return [
        Check(
            "clock", ok, said, "" if ok else "A nearer or quicker connection; venue.clock says what is borne"
        )
    ]


async def _rights(client: Client, wanted: Wanted) -> list[Check]:
    method, real = client.units.dialect.rights, wanted.endpoint is Endpoint.mainnet
    if not method or wanted.endpoint is Endpoint.demo:  # ccxt: a demo's key cannot be asked about
        said = "what the key may do cannot be told here"
        return [
            Check("rights", not real, said, "Real money needs that: venue.exchange=bybit" if real else "")
        ]
    told = (await client.raw(method)).get("result") or {}
    return [rights_check(told, real)]


def rights_check(told: Mapping[str, Any], real: bool) -> Check:
    """Whether a key may do what trading needs, and nothing worse. Bybit's words."""
    rights = told.get("permissions") or {}
    do = "Make a key that may do just that: orders and positions of contracts, no withdrawal"
    if int(told.get("readOnly") or 0):
        return Check("rights", False, "the key may only read", do)
    trade = set(rights.get("ContractTrade") or ())
    missing = [name for name in ("Order", "Position") if name not in trade]
    if missing and "DerivativesTrade" not in set(rights.get("Derivatives") or ()):
        return Check("rights", False, f"the key lacks the right ContractTrade: {', '.join(missing)}", do)
    if "Withdraw" in set(rights.get("Wallet") or ()):
        return Check("rights", not real, "the key may withdraw", do)
    more = "" if told.get("ips") and "*" not in told["ips"] else "; it is bound to no address"
    return Check("rights", True, f"the key may trade, and not withdraw{more}")


async def _account(client: Client, wanted: Wanted) -> list[Check]:
    position = await client.position()
    return [mode_check(position), leverage_check(position, wanted.leverage)]


def mode_check(position: Mapping[str, Any]) -> Check:
    """Whether the account holds one position per market: in hedge mode an order would have to say which."""
    hedged = position.get("hedged")
    if hedged:
        do = "Switch the market to one-way mode at the exchange; nothing may be open"
        return Check("mode", False, "the market is in hedge mode", do)
    return Check("mode", True, "one-way" if hedged is False else "one-way, as far as is told")


def leverage_check(position: Mapping[str, Any], wanted: float) -> Check:
    """Whether the leverage is known, and the one that is wanted."""
    told = position.get("leverage")
    if not told:
        do = "Set it at the exchange: then it is known what a loss can cost"
        return Check("leverage", False, "the leverage is unset", do)
    if wanted and float(told) != wanted:
        do = f"Set it at the exchange, or venue.leverage={float(told):g}; 0 takes what is set"
        return Check(
            "leverage", False, f"the leverage is {float(told):g}, venue.leverage says {wanted:g}", do
        )
    return Check("leverage", True, f"leverage {float(told):g}")


async def _money(client: Client, wanted: Wanted) -> list[Check]:
    wallet, coin = await client.wallet(), client.units.settle
    ok = wallet > 0 or not wanted.opening
    return [Check("money", ok, f"{wallet:,.8g} {coin}", "" if ok else f"The account needs {coin}")]
