"""The exchange's messages through the decoder of the source `bybit`: two books that know nothing of each other."""

from __future__ import annotations

import pytest
from bybit_market import book_of
from local_exchange import MS, START_NS, SYMBOLS, Client, exchange

from btcframe.sources.bybit.decoder import BybitDecoder
from btcframe.types import NS, Frame


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("depth", [1, 50, 200, 1000])
def test_the_fast_scanner_reads_every_message_and_the_books_are_equal(symbol: str, depth: int) -> None:
    local = exchange(symbol)
    market = local.market(symbol)
    client = Client(local, market.listing.category)
    decoder = BybitDecoder(market.listing.instrument, market.listing.pair, depth)
    client.subscribe(*decoder.topics)
    compared = -1
    for step in range(1, 500):
        local.step(step * 20 * MS)
        decoder.push([Frame(START_NS + local.ns, "", frame.data) for frame in client.frames])
        client.frames.clear()
        if decoder.usable and decoder.update_id != compared:
            compared = decoder.update_id
            assert book_of(decoder.book) == local.book(symbol, depth, compared)
    counters = decoder.counters
    assert counters.trades == market.traded > 100
    assert (counters.gaps, counters.crossed, counters.refused, counters.malformed, counters.losses) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert counters.snapshots + counters.deltas + counters.duplicates > 30


@pytest.mark.parametrize(
    "fault",
    [
        "gap",
        "duplicate",
        "reorder",
        "restart",
        "restart_delta",
        "crossed",
        "malformed",
        "truncated",
        "oversized",
        "binary",
    ],
)
def test_after_every_fault_the_decoder_has_the_exchanges_book_or_none(fault: str) -> None:
    symbol = "BTC/USDT:USDT"
    local = exchange(symbol, faults=(f"{fault}@2s/1s",))
    client = Client(local)
    market = local.market(symbol)
    decoder = BybitDecoder(market.listing.instrument, market.listing.pair, 50)
    client.subscribe(*decoder.topics)
    good = 0
    for step in range(1, 500):
        local.step(step * 20 * MS)
        decoder.push([Frame(START_NS + local.ns, "", frame.data) for frame in client.frames])
        client.frames.clear()
        if decoder.usable:
            assert book_of(decoder.book) == local.book(symbol, 50, decoder.update_id)
            good += 1
        for topic in decoder.wants:  # as the connection does
            client.say({"op": "unsubscribe", "args": [topic]})
            decoder.push([Frame(START_NS + local.ns, "~resync", topic.encode())])
            client.subscribe(topic)
    assert local.counts[f"fault {fault}"] == 8 and local.ns == 499 * 20 * MS < 10 * NS
    assert good > 400
