"""The bucket of requests, and the exchange's word about it."""

from __future__ import annotations

from btcframe.types import NS
from btcframe.venues.real.dialects import AMEND, ASK, BYBIT, CANCEL, CREATE, Dialect
from btcframe.venues.real.limits import Limits

T, UTC = 5_000 * NS, 1_800_000_000 * NS


def sent_within(limits: Limits, kind: str, span_ns: int) -> int:
    """How many requests go out in a time, by one who asks every millisecond."""
    sent = 0
    for now_ns in range(T, T + span_ns, 1_000_000):
        while limits.due_ns(kind, now_ns) <= now_ns:
            limits.take(kind, now_ns)
            sent += 1
    return sent


def test_a_second_of_requests_at_once_and_then_at_the_rate() -> None:
    assert sent_within(Limits(BYBIT, NS), CREATE, NS // 1000) == 10
    assert sent_within(Limits(BYBIT, NS), CREATE, 3 * NS) == 10 + 29
    assert sent_within(Limits(BYBIT, NS), ASK, NS // 1000) == 50


def test_the_exchange_counts_for_more() -> None:
    limits = Limits(BYBIT, NS)
    headers = {
        "x-bapi-limit-status": "0",
        "X-Bapi-Limit-Reset-Timestamp": str((UTC + 700_000_000) // 1_000_000),
    }
    limits.heard(CREATE, headers, T, UTC)
    assert limits.due_ns(CREATE, T) == T + 700_000_000
    assert limits.due_ns(CANCEL, T) <= T
    limits.heard(AMEND, {**headers, "X-Bapi-Limit-Status": "3", "x-bapi-limit-status": "3"}, T, UTC)
    assert limits.due_ns(AMEND, T) <= T
    limits.heard(
        CANCEL, {**headers, "X-Bapi-Limit-Reset-Timestamp": str(UTC // 1000)}, T, UTC
    )  # far too late to be true
    assert limits.due_ns(CANCEL, T) == T + 10 * NS


def test_headers_that_say_nothing() -> None:
    limits = Limits(Dialect(), NS)
    limits.heard(CREATE, {"Content-Type": "text/html", "X-Bapi-Limit-Status": "x"}, T, UTC)
    assert limits.due_ns(CREATE, T) <= T


def test_one_too_many_and_shut_out() -> None:
    limits = Limits(BYBIT, 600 * NS)
    limits.refused(CREATE, T)
    assert limits.due_ns(CREATE, T) == T + NS and limits.due_ns(ASK, T) <= T
    limits.banned(T)
    assert all(limits.due_ns(kind, T) == T + 600 * NS for kind in (CREATE, AMEND, CANCEL, ASK))


def test_kinds_by_address() -> None:
    limits = Limits(BYBIT, NS)
    assert limits.kind("http://h/v5/order/create", ASK) == CREATE
    assert limits.kind("http://h/v5/order/realtime?category=linear", ASK) == ASK
