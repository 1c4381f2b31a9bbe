from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from bybit_faults import damaged
from bybit_market import LINEAR, SPOT, Exchange, compact
from naive_bybit import Malformed, Naive
from naive_bybit import OffGrid as NaiveOffGrid

from btcframe.kernels.bybit import DELTA, REFUSED, SHORTEST_LEVEL, SNAPSHOT, TRADES, scan
from btcframe.sources.bybit.decoder import BybitDecoder
from btcframe.sources.bybit.messages import OffGrid, Unreadable
from btcframe.types import EVENT, EventArray, Instrument, Kind

DEPTH = 50


class Both:
    """The scanner and the decoder behind it, side by side."""

    def __init__(self, instrument: Instrument = LINEAR) -> None:
        decoder = BybitDecoder(instrument, "BTCUSDT", DEPTH)
        self.reader, self.market = decoder._reader, decoder._market
        self.naive = Naive(instrument, DEPTH)

    def scan(self, data: bytes) -> tuple[Any, EventArray] | None:
        """Head and events, None if refused; more than the promised room is never touched."""
        room = len(data) // SHORTEST_LEVEL + 1
        events = np.zeros(room + 1, EVENT)
        untouched = events[room:].tobytes()
        written = scan(data + b"\0", 0, len(data), self.market[0], events, 0)
        assert events[room:].tobytes() == untouched
        return None if written == REFUSED else (self.market.copy(), events[:written])

    def typed(self, data: bytes) -> tuple[Any, EventArray] | str:
        """Head and events; or what is wrong, or "other"."""
        try:
            message = self.reader.read(data)
        except OffGrid:
            return "off grid"
        except Unreadable:
            return "unreadable"
        if message is None:
            return "other"
        events = np.zeros(len(message.levels), EVENT)
        message.write(self.market, events, 0)
        return self.market.copy(), events

    def obvious(self, data: bytes) -> Any:
        """What json and Decimal say."""
        try:
            return self.naive.read(data) or "other"
        except NaiveOffGrid:
            return "off grid"
        except Malformed:
            return "unreadable"

    def agree(self, data: bytes) -> bool:
        """Check that all say the same of a frame; whether the scanner took it."""
        scanned, typed, obvious = self.scan(data), self.typed(data), self.obvious(data)
        if isinstance(typed, str):
            assert obvious == typed, data
            assert scanned is None, data
            return False
        _check(typed, obvious, data)
        if scanned is None:
            return False
        assert scanned[0].tobytes() == typed[0].tobytes(), data
        assert scanned[1].tobytes() == typed[1].tobytes(), data
        return True


def _check(typed: Any, obvious: Any, data: bytes) -> None:
    """Compare what the decoder wrote with what the obvious one says."""
    head, events = typed[0][0], typed[1]
    if obvious[0] == "trades":
        assert head["what"] == TRADES
        got = list(
            zip(events["side"].tolist(), events["ticks"].tolist(), events["lots"].tolist(), strict=True)
        )
        assert got == [trade[:3] for trade in obvious[1]], data
        return
    _, snapshot, u, seq, ts, bids, asks = obvious
    assert (head["what"], head["u"], head["seq"], head["ts"]) == (SNAPSHOT if snapshot else DELTA, u, seq, ts)
    levels = [(1, *level) for level in bids] + [(-1, *level) for level in asks]
    got = list(zip(events["side"].tolist(), events["ticks"].tolist(), events["lots"].tolist(), strict=True))
    assert got == levels, data


def frames_of(instrument: Instrument) -> list[bytes]:
    """Messages of every kind that a public socket carries."""
    exchange = Exchange(3, DEPTH, instrument)
    frames = [exchange.snapshot()]
    for _ in range(30):
        exchange.move()
        frames += [exchange.delta(), exchange.trades(2)]
    return [
        *frames,
        exchange.trades(2, BT=True),
        exchange.trades(1, RPI=True),
        b'{"success":true,"ret_msg":"pong","conn_id":"x","req_id":"1","op":"ping"}',
        b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","bid1Size":"1"},"cs":7,"ts":178}',
    ]


@pytest.mark.parametrize("instrument", [LINEAR, SPOT], ids=["linear", "spot"])
def test_the_scanner_takes_what_the_exchange_sends(instrument: Instrument) -> None:
    both = Both(instrument)
    for frame in frames_of(instrument):
        assert both.agree(frame) == (b'"orderbook.' in frame or b'"publicTrade.' in frame)


@pytest.mark.parametrize("instrument", [LINEAR, SPOT], ids=["linear", "spot"])
def test_damaged_frames_are_read_alike_or_refused(instrument: Instrument) -> None:
    both, frames, draw = Both(instrument), frames_of(instrument), random.Random(7)
    taken = sum(both.agree(damaged(draw, frames)) for _ in range(8_000))
    assert taken > 300  # many mutations leave a message that is one


@pytest.mark.drill
def test_a_million_damaged_frames() -> None:
    for instrument in (LINEAR, SPOT):
        both, frames, draw = Both(instrument), frames_of(instrument), random.Random(11)
        for _ in range(500_000):
            both.agree(damaged(draw, frames))


def test_keys_may_come_in_any_order() -> None:
    both, exchange, draw = Both(), Exchange(1, DEPTH), random.Random(1)
    exchange.snapshot()
    for _ in range(40):
        exchange.move()
        for frame in (exchange.delta(), exchange.trades(3)):
            message = json.loads(frame)
            book = message["data"] if isinstance(message["data"], dict) else None
            message["data"] = shuffled(book, draw) if book else [shuffled(t, draw) for t in message["data"]]
            assert both.agree(compact(shuffled(message, draw)))


def shuffled(mapping: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    items = list(mapping.items())
    draw.shuffle(items)
    return dict(items)


BOOK = {
    "topic": "orderbook.50.BTCUSDT", "type": "delta", "ts": 1786310818130,
    "data": {"s": "BTCUSDT", "b": [["65095.30", "0.005"]], "a": [["65116.6", "0"]], "u": 15076953, "seq": 7538},
    "cts": 1786310818129,
}  # fmt: skip
TRADE = {
    "topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1786310819681,
    "data": [{
        "T": 1786310819680, "s": "BTCUSDT", "S": "Sell", "v": "0.004", "p": "65114.20", "L": "MinusTick",
        "i": "a9188a0a-82bc-50de-be60-03eedbe3cdd7", "BT": False, "RPI": False, "seq": 753843954913,
    }],
}  # fmt: skip


def changed(message: dict[str, Any], path: str, value: Any) -> bytes:
    """The message with one value another; None leaves it out."""
    message = json.loads(json.dumps(message))
    *way, last = path.split(".")
    at: Any = message
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    key = int(last) if isinstance(at, list) else last
    if value is None:
        del at[key]
    else:
        at[key] = value
    return compact(message)


def test_a_book_message_to_the_last_field() -> None:
    market, events = Both().scan(compact(BOOK))
    head = market[0]
    assert (head["what"], head["u"], head["seq"]) == (DELTA, 15076953, 7538)
    assert (head["ts"], head["cts"]) == (1786310818130, 1786310818129)
    assert [tuple(e) for e in events[["kind", "side", "ticks", "lots"]].tolist()] == [
        (Kind.DEPTH, 1, 650953, 5),
        (Kind.DEPTH, -1, 651166, 0),
    ]


def test_a_trade_to_the_last_field() -> None:
    market, events = Both().scan(compact(TRADE))
    assert (market[0]["what"], market[0]["ts"], market[0]["blocks"]) == (TRADES, 1786310819681, 0)
    (event,) = events
    assert (event["kind"], event["side"], event["ticks"], event["lots"]) == (Kind.TRADE, -1, 651142, 4)
    assert (event["exch_ts"], event["update_id"]) == (1786310819680 * 10**6, 753843954913)


@pytest.mark.parametrize(
    ("message", "path", "value"),
    [
        (BOOK, "extra", 1),  # a key nobody knows
        (BOOK, "data.extra", {"a": []}),
        (TRADE, "data.0.mP", "1.0"),
        (TRADE, "data.0.i", "tab\t"),  # an escape
        (BOOK, "cts", None),  # old archives have none
        (BOOK, "data.seq", None),
        (BOOK, "data.u", 0),
        (TRADE, "cts", 1786310819680),
        (TRADE, "data.0.L", None),
        (TRADE, "data.0.BT", None),
        (TRADE, "data.0.RPI", None),
        (TRADE, "data.0.seq", None),
        (BOOK, "data.b.0.0", "065095.3"),
        (BOOK, "data.b.0.0", "65095.300000000000000000"),
        (BOOK, "data.b.0.1", "12345678901234.5"),
        (BOOK, "data.b", []),
    ],
)
def test_what_may_be_otherwise(message: dict[str, Any], path: str, value: Any) -> None:
    both, frame = Both(), changed(message, path, value)
    both.agree(frame)
    assert not isinstance(both.typed(frame), str)


@pytest.mark.parametrize(
    ("message", "path", "value"),
    [
        (BOOK, "type", "update"),
        (BOOK, "type", None),
        (BOOK, "ts", None),
        (BOOK, "ts", -1),
        (BOOK, "ts", 1.5),
        (BOOK, "ts", "1786310818130"),
        (BOOK, "ts", 4 * 10**12 + 1),
        (BOOK, "cts", 4 * 10**12 + 1),
        (BOOK, "topic", None),
        (BOOK, "data", None),
        (BOOK, "data", []),
        (BOOK, "data.s", "ETHUSDT"),
        (BOOK, "data.s", None),
        (BOOK, "data.u", None),
        (BOOK, "data.u", 10**18),
        (BOOK, "data.u", True),
        (BOOK, "data.seq", "7"),
        (BOOK, "data.b", None),
        (BOOK, "data.b", {}),
        (BOOK, "data.b.0", ["65095.3"]),
        (BOOK, "data.b.0", ["65095.3", "1", "1"]),
        (BOOK, "data.b.0.0", "0"),
        (BOOK, "data.b.0.0", "-65095.3"),
        (BOOK, "data.b.0.0", "6.5e4"),
        (BOOK, "data.b.0.0", "NaN"),
        (BOOK, "data.b.0.0", ""),
        (BOOK, "data.b.0.0", "65095."),
        (BOOK, "data.b.0.0", ".5"),
        (BOOK, "data.b.0.0", "6509٣.3"),  # a digit, but none of ours
        (BOOK, "data.b.0.0", 65095.3),
        (BOOK, "data.b.0.1", "1234567890123456"),  # with three decimals more than 18 digits
        (BOOK, "data.b.0.1", "0.0000000000000000000"),
        (TRADE, "type", "delta"),
        (TRADE, "data", []),
        (TRADE, "data", {}),
        (TRADE, "data.0.S", "buy"),
        (TRADE, "data.0.p", "0.0"),
        (TRADE, "data.0.i", ""),
        (TRADE, "data.0.i", 7),
        (TRADE, "data.0.s", "ETHUSDT"),
        (TRADE, "data.0.T", None),
        (TRADE, "data.0.T", 4 * 10**12 + 1),
        (TRADE, "data.0.v", None),
        (TRADE, "data.0.BT", "false"),
        (TRADE, "data.0.RPI", 0),
    ],
)
def test_what_is_refused_by_all(message: dict[str, Any], path: str, value: Any) -> None:
    both, frame = Both(), changed(message, path, value)
    assert not both.agree(frame)
    assert both.typed(frame) == "unreadable"


@pytest.mark.parametrize(
    ("path", "value"), [("data.b.0.0", "65095.35"), ("data.b.0.1", "0.0051"), ("data.a.0.1", "0.0000001")]
)
def test_a_number_between_two_steps_is_not_rounded(path: str, value: str) -> None:
    both, frame = Both(), changed(BOOK, path, value)
    assert not both.agree(frame)
    assert both.typed(frame) == "off grid"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"{}",
        b"null",
        b"[]",
        b"pong",
        b"\xff\xfe",
        b"\0",
        b'{"topic":1}',
        b"[" * 100_000,
        compact(BOOK)[:-1],
        compact(BOOK) + b" x",
        compact(BOOK) + compact(BOOK),
        compact(BOOK).replace(b'"u":', b'"u":1,"u":'),
        compact(TRADE).replace(b"PlusTick", b"Plus\xc3Tick").replace(b"MinusTick", b"Minus\xc3Tick"),
    ],
)
def test_garbage_is_refused_by_all(frame: bytes) -> None:
    both = Both()
    assert not both.agree(frame)
    assert both.typed(frame) == "unreadable"


@pytest.mark.parametrize(
    "frame",
    [
        b'{"topic":"orderbook.200.BTCUSDT","type":"delta"}',
        b'{"topic":"orderbook.50.BTCUSDTX"}',
        b'{"topic":"publicTrade.ETHUSDT","data":[]}',
        b'{"success":false,"ret_msg":"Invalid topic","conn_id":"x","op":"subscribe"}',
        b'{"op":"pong","args":["1"]}',
    ],
)
def test_what_is_not_of_the_market(frame: bytes) -> None:
    both = Both()
    assert not both.agree(frame)
    assert both.typed(frame) == "other"


def test_white_space_is_for_the_slow_decoder() -> None:
    both, frame = Both(), json.dumps(BOOK, indent=1).encode()
    assert not both.agree(frame)
    assert not isinstance(both.typed(frame), str)


def test_a_frame_does_not_run_into_the_next_one() -> None:
    whole = compact(BOOK)
    both = Both()
    for cut in range(1, len(whole)):
        events = np.zeros(40, EVENT)
        text = whole[:cut] + b"\0" + whole[cut:] + b"\0"
        assert scan(text, 0, cut, both.market[0], events, 0) == REFUSED


def test_a_tick_that_is_no_power_of_ten() -> None:
    both = Both(LINEAR._replace(tick=LINEAR.tick * 5))
    assert both.agree(changed(BOOK, "data.a", []).replace(b"65095.30", b"65095.50"))
    assert both.typed(compact(BOOK)) == "off grid"
