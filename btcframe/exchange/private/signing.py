"""Whose request it is: signatures over the exact bytes that came, and how old a request may be."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from btcframe.exchange.private.account import Account
from btcframe.exchange.private.codes import BAD_PARAMETER, CLOCK, KEY, SIGN
from btcframe.exchange.private.orders import Refusal

WINDOW_MS = 5000
"""recv_window where none is given."""

_AHEAD_MS = 1000


def signature(secret: str, payload: bytes) -> str:
    """hex(HMAC_SHA256(secret, payload))."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def signer(
    accounts: Mapping[str, Account], headers: Mapping[str, str], signed: bytes, now_ms: int
) -> Account:
    """The account whose key signed a request.

    Parameters
    ----------
    accounts : mapping      by key
    headers : mapping       of the request, X-BAPI-…
    signed : bytes          the query string of a GET, the body of a POST, exactly as they came
    now_ms : int            the exchange's clock

    Raises
    ------
    Refusal
        10001 without the headers, 10003 for a key that nobody has, 10002 where the stamp is too old or from the
        future, 10004 where it is not signed with the key's secret.
    """
    key, stamp = headers.get("X-BAPI-API-KEY", ""), headers.get("X-BAPI-TIMESTAMP", "")
    sign, window = headers.get("X-BAPI-SIGN", ""), headers.get("X-BAPI-RECV-WINDOW", "")
    if not (key and stamp and sign):
        raise Refusal(BAD_PARAMETER, "empty value: apiTimestamp[] apiKey[] apiSignature[]")
    account = accounts.get(key)
    if account is None:
        raise Refusal(KEY, "API key is invalid.")
    timely(stamp, window, now_ms)
    payload = f"{stamp}{key}{window}".encode(errors="replace") + signed
    if not _same(signature(account.holder.secret, payload), sign):
        raise Refusal(SIGN, "error sign! please check your signature generation algorithm.")
    return account


def timely(stamp: str, window: str, now_ms: int) -> None:
    """Refuse a request unless server − recv_window ≤ stamp < server + 1000 ms.

    Raises
    ------
    Refusal
        10002.
    """
    given = int(window) if window.isdecimal() else WINDOW_MS
    if stamp.isdecimal() and now_ms - given <= int(stamp) < now_ms + _AHEAD_MS:
        return
    raise Refusal(
        CLOCK,
        "invalid request, please check your server timestamp or recv_window param. "
        f"req_timestamp[{stamp}],server_timestamp[{now_ms}],recv_window[{given}]",
    )


def listener(accounts: Mapping[str, Account], args: Any, now_ms: int) -> Account:
    """The account of a socket that says who it is: [key, expires, hex(HMAC_SHA256(secret, "GET/realtime" + expires))].

    Raises
    ------
    Refusal
        10001 where the arguments are none of that, 10003, 10004; the latter also where it has expired.
    """
    if not isinstance(args, list) or len(args) != 3:
        raise Refusal(BAD_PARAMETER, "Params Error")
    key, expires, sign = (str(arg) for arg in args)
    account = accounts.get(key)
    if account is None:
        raise Refusal(KEY, "Your api key is invalid.")
    if not expires.isdecimal() or int(expires) <= now_ms:
        raise Refusal(SIGN, "Params Error: expires is in the past")
    if not _same(signature(account.holder.secret, f"GET/realtime{expires}".encode()), sign):
        raise Refusal(SIGN, "Invalid sign")
    return account


def _same(right: str, given: str) -> bool:
    return hmac.compare_digest(right.encode(), given.lower().encode(errors="replace"))
