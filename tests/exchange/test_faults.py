"""Every fault, and that it does what its line in the table says."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import pytest
from local_exchange import MS, START_NS, Client, Levels, applied, exchange, truth

from btcframe.errors import ConfigError
from btcframe.exchange.core import Exchange
from btcframe.exchange.faults import BINARY, FAULTS, Fault, of_json, parse, table
from btcframe.types import NS

TOPIC = "orderbook.50.BTCUSDT"
SYMBOL = "BTC/USDT:USDT"


def run(text: str, *topics: str, seconds: float = 4.0) -> tuple[Exchange, Client]:
    """A client that listens while a fault happens after a second."""
    local = exchange()
    client = Client(local)
    client.subscribe(*(topics or (TOPIC,)))
    local.step(NS)
    client.frames.clear()
    local.inject(parse(text))
    local.step(int(seconds * NS))
    return local, client


def numbers(client: Client) -> list[int]:
    return [m["data"]["u"] for m in client.of(TOPIC)]


def holes(us: list[int]) -> list[int]:
    return [b - a - 1 for a, b in pairwise(us) if b != a + 1]


def test_nothing_goes_wrong_by_itself() -> None:
    local = exchange()
    client = Client(local)
    client.subscribe(TOPIC)
    local.step(5 * NS)
    assert not holes(numbers(client)) and not any(name.startswith("fault") for name in local.counts)


def test_gap() -> None:
    local, client = run(f"gap*3:{TOPIC}")
    quiet = exchange()
    other = Client(quiet)
    other.subscribe(TOPIC)
    quiet.step(4 * NS)
    everything = numbers(other)[1:]
    missing = sorted({u for u in everything if u > everything[0]} - set(numbers(client)))
    assert not holes(numbers(client))  # they were the next three
    seen = [u for u in everything if u >= missing[-1] - 2]
    assert seen[:3] == missing[-3:] and seen[3:] == numbers(client)
    assert local.counts["fault gap"] == 1


def test_duplicate() -> None:
    _, client = run("duplicate*2")
    counted = Counter(numbers(client))
    first, second, *rest = sorted(counted)
    assert counted[first] == counted[second] == 2 and {counted[u] for u in rest} == {1}
    assert client.frames[0] == client.frames[1]


def test_reorder() -> None:
    _, client = run("reorder*2")
    us = numbers(client)
    assert us[0] == us[1] + 1 and us[2] == us[3] + 1 and sorted(us) == us[1::-1] + us[3:1:-1] + us[4:]


@pytest.mark.parametrize(("fault", "kind"), [("restart", "snapshot"), ("restart_delta", "delta")])
def test_restart(fault: str, kind: str) -> None:
    local, client = run(fault)
    messages = client.of(TOPIC)
    assert messages[0]["type"] == kind and numbers(client) == list(range(1, len(messages) + 1))
    bids: Levels = {}
    asks: Levels = {}
    for message in messages:
        applied(bids, asks, message)
        assert (bids, asks) == truth(local, SYMBOL, 50, message["data"]["u"])


@pytest.mark.parametrize("depth", [1, 50])
def test_crossed(depth: int) -> None:
    topic = f"orderbook.{depth}.BTCUSDT"
    local = exchange()
    client = Client(local)
    client.subscribe(topic)
    local.step(NS)
    local.inject(Fault("crossed", amount=2))
    local.step(4 * NS)
    bids: Levels = {}
    asks: Levels = {}
    crossed = []
    for message in client.of(topic):
        applied(bids, asks, message)
        if max(bids) >= min(asks):
            crossed.append(message["data"]["u"])
        else:
            assert (bids, asks) == truth(local, SYMBOL, depth, message["data"]["u"])
    assert len(crossed) == 2 and crossed[1] == crossed[0] + 1
    assert not holes([m["data"]["u"] for m in client.of(topic)])


@pytest.mark.parametrize("fault", ["malformed", "truncated"])
def test_damaged(fault: str) -> None:
    _, client = run(f"{fault}*3")
    for frame in client.frames[:3]:
        with pytest.raises(ValueError):
            json.loads(frame.data)
    assert not holes(numbers(client)) and len(client.frames) == len(numbers(client)) + 3


def test_oversized_and_binary() -> None:
    _, client = run("oversized*5000000")
    assert max(len(frame.data) for frame in client.frames) == 5_000_000
    _, client = run("binary*4")
    assert [frame.opcode for frame in client.frames].count(BINARY) == 4
    assert not holes(numbers(client))


def test_drop_and_half_open() -> None:
    local, client = run("drop")
    assert client.gone == "cut" and not local.sessions and not client.frames
    local, client = run("half_open")
    assert not client.gone and local.sessions and not client.frames
    assert client.say({"op": "ping"}) == []
    local, client = run("half_open+2s")
    assert {m["ts"] - START_NS // MS >= 3000 for m in client.of(TOPIC)} == {True}
    local, client = run(f"half_open:{TOPIC}", TOPIC, "orderbook.1.BTCUSDT")
    assert not client.of(TOPIC) and len(client.of("orderbook.1.BTCUSDT")) > 20
    assert client.say({"op": "ping"})[0]["ret_msg"] == "pong"


def test_late_ack_and_refuse() -> None:
    local = exchange()
    client = Client(local)
    local.inject(parse("late_ack*1500+10s"))
    assert [m.get("type") for m in client.subscribe(TOPIC)] == []
    local.step(3 * NS)
    readable = [json.loads(frame.data) for frame in client.frames]
    assert readable[0]["topic"] == TOPIC  # the data comes before the answer
    ack = next(k for k, m in enumerate(readable) if "success" in m)
    assert readable[ack - 1]["ts"] - START_NS // MS <= 1500 <= readable[ack + 1]["ts"] - START_NS // MS
    assert not holes(numbers(client))
    local.heal()
    local.inject(parse("refuse*2"))
    answers = [client.subscribe("publicTrade.BTCUSDT")[0]["success"] for _ in range(3)]
    assert answers == [False, False, True]


def test_skew() -> None:
    _, client = run("skew*2000+1s")
    ms = [m["ts"] - START_NS // MS for m in client.of(TOPIC)]
    assert 3000 < ms[0] < 3100 and max(ms[:40]) < 4000 and 3900 < ms[-1] <= 4000
    _, client = run("skew*-2000")
    assert -1000 < client.of(TOPIC)[0]["ts"] - START_NS // MS < -900


@pytest.mark.parametrize(
    ("fault", "status"), [("too_many+2s", 429), ("forbidden+2s", 403), ("outage+2s", 503)]
)
def test_turned_away(fault: str, status: int) -> None:
    local, client = run(fault, seconds=2)
    assert (local.admission(), local.admission("linear")) == (status, status)
    assert local.counts[f"answered {status}"] == 2
    assert client.gone == ("cut" if status == 503 else "")
    local.step(4 * NS)
    assert (local.admission(), local.admission("linear")) == (200, 200)


def test_after_an_outage_books_begin_anew() -> None:
    local, _ = run("outage+1s", seconds=3)
    client = Client(local)
    client.subscribe(TOPIC)
    local.step(4 * NS)
    assert numbers(client)[1:] == list(range(1, len(numbers(client))))


def test_slow_keeps_the_order() -> None:
    _, client = run("slow*700+1s")
    quiet = exchange()
    other = Client(quiet)
    other.subscribe(TOPIC)
    quiet.step(4 * NS)
    assert client.frames == other.frames[-len(client.frames) :] and not holes(numbers(client))
    local = exchange()
    client = Client(local)
    client.subscribe(TOPIC)
    local.inject(parse("slow*700+1s"))
    local.step(600 * MS)
    assert len(client.frames) == 2
    local.step(800 * MS)
    assert 2 < len(client.frames) < 12


def test_they_happen_when_they_are_planned() -> None:
    local = exchange(faults=("gap@2s/3s", "drop@9s"))
    client = Client(local)
    client.subscribe(TOPIC)
    local.step(10 * NS)
    happened = [(e["fault"], e["market_s"]) for e in local.log if e["what"] == "fault"]
    assert happened == [("gap", 2.0), ("gap", 5.0), ("gap", 8.0), ("drop", 9.0)]
    assert len(holes(numbers(client))) == 3 and client.gone == "cut"
    assert local.counts["fault gap"] == 3


def test_heal_ends_everything() -> None:
    local = exchange(faults=("gap@2s/3s",))
    client = Client(local)
    client.subscribe(TOPIC)
    for text in ("half_open", "skew*5000", "too_many+60s", "gap*1000"):
        local.inject(parse(text))
    local.heal()
    local.step(5 * NS)
    assert (
        not local.planned
        and local.admission() == 200
        and not holes(numbers(client))
        and len(client.frames) > 50
    )
    assert client.of(TOPIC)[-1]["ts"] <= START_NS // MS + 5000


@pytest.mark.parametrize("name", FAULTS)
def test_the_same_seed_gives_the_same_faults(name: str) -> None:
    assert run(name)[1].frames == run(name)[1].frames


@pytest.mark.parametrize(
    "text", ["drop", "gap@5s/30s*3:orderbook.50.BTCUSDT", "skew@20s*-2000", "half_open+5s", "slow@1s/2s+3s*4"]
)
def test_a_fault_reads_as_it_is_written(text: str) -> None:
    assert str(parse(text)) == text


def test_a_control_request_writes_it_in_either_way() -> None:
    asked = of_json({"fault": "gap", "amount": 3, "topic": TOPIC, "at": "5s", "every": "30s"})
    assert asked == of_json(f"gap@5s/30s*3:{TOPIC}") == Fault("gap", "5s", "30s", "", 3, TOPIC)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("gpa", ["there is no fault 'gpa'", "Did you mean gap?", "btcframe exchange --faults"]),
        ("gap@1s@2s", ["says something twice"]),
        ("gap@", ["'gap@' is not a fault", "NAME[@FIRST]"]),
        ("gap@soon", ["gap: at: 'soon' is not a duration"]),
        ("gap@1s/0s", ["every 0s would never end"]),
        ("drop*3", ["drop has no amount: 3"]),
        ("gap+3s", ["gap has no lasting: 3s", "deltas of the book are left out"]),
        ("drop:orderbook.50.BTCUSDT", ["drop has no topic"]),
        ("gap*-3", ["-3 is not a number of deltas"]),
        ("gap*0", ["'gap*0' is not a fault"]),
        ("oversized*99999999999", ["99,999,999,999 bytes are too many: 64,000,000 are the most"]),
    ],
)
def test_what_is_no_fault_is_refused(wrong: str, said: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(wrong)
    assert all(text in str(refused.value) for text in said), refused.value


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"amount": 3}, "names no fault"),
        ([], "names no fault"),
        ({"fault": "gap", "amuont": 3}, "Did you mean amount?"),
        ({"fault": "gap", "amount": "3"}, "'3' is not a number"),
        ({"fault": "gap", "at": 3}, "3 is not a text"),
    ],
)
def test_what_is_no_request_is_refused(wrong: object, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        of_json(wrong)
    assert said in str(refused.value)


def test_a_topic_that_nobody_has_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"there is no topic 'orderbook\.50\.ETHUSDT'") as refused:
        exchange(faults=("gap@1s:orderbook.50.ETHUSDT",))
    assert "BTCUSDT" in str(refused.value)


def test_the_table_has_every_fault() -> None:
    assert [row[0] for row in table()] == list(FAULTS)
