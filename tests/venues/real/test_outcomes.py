"""What an error of ccxt says of a request: the documented codes, and the classes where there is no code."""

from __future__ import annotations

import pytest

from btcframe.types import OrderReason
from btcframe.venues.real.dialects import BYBIT, Dialect, dialect_of
from btcframe.venues.real.outcomes import Outcome, classify

ccxt = pytest.importorskip("ccxt")

# code of Bybit, what ccxt 4.5.90 raises for it, and what is to be done: from Bybit's documentation
CODES = [
    (10000, "ExchangeError", Outcome.UNKNOWN, OrderReason.NONE),
    (10016, "ExchangeError", Outcome.UNKNOWN, OrderReason.NONE),
    (170007, "RequestTimeout", Outcome.UNKNOWN, OrderReason.NONE),
    (170146, "InvalidOrder", Outcome.UNKNOWN, OrderReason.NONE),
    (170147, "InvalidOrder", Outcome.UNKNOWN, OrderReason.NONE),
    (10001, "BadRequest", Outcome.REFUSED, OrderReason.LIMITS),
    (10002, "InvalidNonce", Outcome.CLOCK, OrderReason.VENUE),
    (10003, "AuthenticationError", Outcome.FATAL, OrderReason.KEYS),
    (10004, "AuthenticationError", Outcome.FATAL, OrderReason.KEYS),
    (10005, "PermissionDenied", Outcome.FATAL, OrderReason.KEYS),
    (10006, "RateLimitExceeded", Outcome.LIMITED, OrderReason.RATE),
    (10008, "AccountSuspended", Outcome.FATAL, OrderReason.KEYS),
    (110001, "OrderNotFound", Outcome.GONE, OrderReason.NONE),
    (110003, "InvalidOrder", Outcome.REFUSED, OrderReason.LIMITS),
    (110007, "InsufficientFunds", Outcome.REFUSED, OrderReason.FUNDS),
    (110008, "InvalidOrder", Outcome.GONE, OrderReason.NONE),
    (110010, "InvalidOrder", Outcome.GONE, OrderReason.NONE),
    (110017, "InvalidOrder", Outcome.REFUSED, OrderReason.REDUCE_ONLY),
    (110020, "InvalidOrder", Outcome.REFUSED, OrderReason.LIMITS),
    (110043, "BadRequest", Outcome.ACCEPTED, OrderReason.NONE),
    (110072, "InvalidOrder", Outcome.EXISTS, OrderReason.NONE),
    (110094, "InvalidOrder", Outcome.REFUSED, OrderReason.LIMITS),
    (170131, "InsufficientFunds", Outcome.REFUSED, OrderReason.FUNDS),
    (170141, "InvalidOrder", Outcome.EXISTS, OrderReason.NONE),
    (170213, "OrderNotFound", Outcome.GONE, OrderReason.NONE),
    (999999, "InvalidOrder", Outcome.UNKNOWN, OrderReason.NONE),  # nobody has heard of it: ask
]


def raised(kind: str, code: int) -> Exception:
    return getattr(ccxt, kind)(f'bybit {{"retCode":{code},"retMsg":"said","result":{{}},"time":1}}')  # type: ignore[no-any-return]


@pytest.mark.parametrize(("code", "kind", "outcome", "why"), CODES)
def test_a_code_of_bybit(code: int, kind: str, outcome: Outcome, why: OrderReason) -> None:
    error = raised(kind, code)
    answer = classify(error, BYBIT.code_of(str(error)), BYBIT.codes)
    assert (answer.outcome, answer.why, answer.code) == (outcome, why, str(code))


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("RequestTimeout", Outcome.UNKNOWN),
        ("ExchangeNotAvailable", Outcome.UNKNOWN),
        ("NetworkError", Outcome.UNKNOWN),
        ("ExchangeError", Outcome.UNKNOWN),
        ("InvalidOrder", Outcome.UNKNOWN),
        ("RateLimitExceeded", Outcome.LIMITED),
        ("DDoSProtection", Outcome.LIMITED),
        ("InvalidNonce", Outcome.CLOCK),
        ("AuthenticationError", Outcome.FATAL),
        ("PermissionDenied", Outcome.FATAL),
        ("InsufficientFunds", Outcome.REFUSED),
        ("OrderNotFound", Outcome.GONE),
        ("DuplicateOrderId", Outcome.EXISTS),
        ("OrderImmediatelyFillable", Outcome.REFUSED),
    ],
)
def test_without_a_code_the_class_tells(kind: str, outcome: Outcome) -> None:
    for dialect in (BYBIT, Dialect()):
        error = getattr(ccxt, kind)("no answer within 5 s")
        assert classify(error, dialect.code_of(str(error)), dialect.codes).outcome is outcome


def test_only_a_connection_that_was_never_made_is_known_to_have_sent_nothing() -> None:
    aiohttp = pytest.importorskip("aiohttp")
    key = type("Key", (), {"ssl": False, "host": "h", "port": 1, "is_ssl": False})()
    for cause, outcome in (
        (aiohttp.ClientConnectorError(key, OSError(111, "refused")), Outcome.UNSENT),
        (aiohttp.ServerDisconnectedError(), Outcome.UNKNOWN),
    ):
        error = ccxt.ExchangeNotAvailable("bybit POST")
        error.__cause__ = cause
        assert classify(error, "", BYBIT.codes).outcome is outcome


def test_what_is_no_error_of_ccxt_is_unknown() -> None:
    assert classify(KeyError("orderId"), "", BYBIT.codes).outcome is Outcome.UNKNOWN


def test_an_exchange_without_a_table_has_what_all_have_in_common() -> None:
    assert dialect_of("bybit") is BYBIT
    other = dialect_of("okx")
    assert (
        other.link == ""
        and other.code_of("code 1") == ""
        and other.why({"rejectReason": "x"}) is OrderReason.NONE
    )
