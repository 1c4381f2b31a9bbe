"""The decoder, message by message."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal

import numpy as np
import pytest
from bybit_line import START, STEP, kinds, line
from bybit_market import LINEAR, Exchange, compact

from btcframe.errors import DataError
from btcframe.kernels.bybit_stream import LONGEST_HOLE_NS, PROOF_NS, SLOTS
from btcframe.sources.bybit.decoder import RUN, BybitDecoder, BybitFeed
from btcframe.types import EVENT, EventFlag, Frame, Kind


def test_a_snapshot_and_its_stamps() -> None:
    a = line()
    events = a.events[0]
    assert kinds(events) == ["CLEAR"] + ["DEPTH"] * 100
    assert events["flags"].tolist() == [EventFlag.SNAPSHOT] * 100 + [EventFlag.SNAPSHOT | EventFlag.END]
    assert set(events["update_id"]) == {1000}
    assert set(events["send_ts"]) == {a.exchange.ms * 10**6}
    assert set(events["exch_ts"]) == {(a.exchange.ms - 3) * 10**6}
    assert set(events["local_ts"]) == {START + STEP}
    assert set(events["mono_ts"]) == {0}


def test_without_the_engines_stamp_the_senders_stands_in() -> None:
    exchange = Exchange(1)
    data = exchange.snapshot()
    decoder = BybitDecoder(LINEAR, "BTCUSDT", 50)
    events = decoder.push([Frame(START, "", data[: data.index(b',"cts"')] + b"}")])
    assert set(events["exch_ts"]) == {exchange.ms * 10**6}


def test_a_jump_is_a_gap_until_the_next_snapshot() -> None:
    a = line()
    a.happen("drop")
    a.happen("delta")
    assert kinds(a.events[-1]) == ["GAP"]
    assert a.decoder.wants == ("orderbook.50.BTCUSDT",)
    a.happen("delta")
    assert kinds(a.events[-1]) == ["HEARTBEAT"]
    a.happen("snapshot")
    assert a.decoder.usable
    counters = a.decoder.counters
    assert (counters.gaps, counters.losses, counters.waiting, counters.resyncs) == (1, 1, 1, 1)


def test_what_says_nothing_new_is_nothing_but_time() -> None:
    a = line()
    a.happen("delta")
    for data in (a.sent[-1], a.sent[0]):
        a.deliver(data)
        assert kinds(a.events[-1]) == ["HEARTBEAT"]
    assert a.decoder.usable
    assert (a.decoder.counters.duplicates, a.decoder.counters.stale) == (1, 1)


def test_a_restart_that_comes_as_a_delta_is_a_snapshot() -> None:
    a = line()
    a.happen("restart_delta")
    assert kinds(a.events[-1])[0] == "CLEAR"
    assert a.decoder.update_id == 1
    a.happen("delta")
    assert a.decoder.usable
    a.deliver(a.sent[0])  # from before the restart, its number far ahead: both clocks say that it is old
    assert a.decoder.usable
    assert a.decoder.counters.stale == 1


def test_a_restart_whose_first_message_was_lost_is_a_gap() -> None:
    a = line()
    a.sent.append(a.exchange.snapshot(u=1))
    a.exchange.move()
    a.say(a.exchange.delta())
    assert not a.decoder.usable
    assert a.decoder.counters.gaps == 1


def test_a_sequence_that_goes_back_under_a_number_that_goes_on_is_a_gap() -> None:
    a = line()
    a.exchange.seq -= 100
    a.say(a.exchange.delta())
    assert a.decoder.counters.gaps == 1


def test_a_crossed_book_comes_out_as_a_gap_only() -> None:
    a = line()
    a.happen("crossed")
    assert kinds(a.events[-1]) == ["GAP"]
    assert a.decoder.counters.crossed == 1
    locked = Exchange(1)
    locked.bids[min(locked.asks)] = 5
    decoder = BybitDecoder(LINEAR, "BTCUSDT", 50)
    assert kinds(decoder.push([Frame(START, "", locked.snapshot())])) == ["HEARTBEAT"]
    assert decoder.wants


def test_levels_that_leave_the_depth_are_deleted_by_us() -> None:
    a = line(forgets=1.0)
    best = max(a.exchange.bids)
    a.exchange.bids[best - 50 + 49] = a.exchange.bids.pop(best)  # one level fewer, one that rises
    a.exchange.asks[min(a.exchange.asks) - 1] = 77
    a.say(a.exchange.delta())
    a.true()
    assert a.decoder.book["n"].tolist() == [[50, 50]]
    last = a.events[-1][-1]
    assert (last["kind"], last["side"], last["lots"]) == (Kind.DEPTH, -1, 0)
    assert last["flags"] == EventFlag.END
    assert a.decoder.counters.cut_levels >= 1


def test_a_frame_that_was_none_of_the_books_costs_no_snapshot() -> None:
    a = line()
    a.happen("garbage")
    assert kinds(a.events[-1]) == ["GAP"]
    assert not a.decoder.wants  # the next delta will tell
    a.happen("delta")
    assert kinds(a.events[-1])[0] == "CLEAR"
    assert a.decoder.usable
    assert a.decoder.counters.proven == 1


def test_a_frame_that_was_the_books_is_a_gap_as_the_next_delta_proves() -> None:
    a = line()
    a.happen("cut_off")
    a.happen("delta")
    assert not a.decoder.usable
    assert a.decoder.wants
    assert a.decoder.counters.proven == 0


def test_a_proof_that_does_not_come_in_time_is_none() -> None:
    a = line()
    a.happen("garbage")
    a.now += PROOF_NS
    a.deliver(b"", "~heartbeat")
    assert a.decoder.wants
    a.happen("delta")
    assert not a.decoder.usable


@pytest.mark.parametrize("stream", ["~lost", "~connected", "~resync"])
def test_an_interruption_ends_the_book(stream: str) -> None:
    a = line()
    a.deliver(b"", stream)
    assert kinds(a.events[-1]) == ["GAP"]
    assert a.decoder.wants
    a.happen("delta")  # it follows, but what it follows is not known to have been all
    assert not a.decoder.usable


@pytest.mark.parametrize("stream", ["~lost", "~connected", "~resync"])
def test_an_interruption_ends_a_doubt_that_could_have_been_proven_wrong(stream: str) -> None:
    a = line()
    a.happen("garbage")
    a.deliver(b"", stream)
    assert a.decoder.wants
    a.happen("delta")
    assert not a.decoder.usable


def test_a_proof_that_crosses_the_book_is_none() -> None:
    a = line()
    a.happen("garbage")
    a.happen("crossed")
    assert not a.decoder.usable
    assert a.decoder.wants


@pytest.mark.parametrize(("stream", "taken"), [("~connected", True), ("~resync", False)])
def test_what_another_connection_sends_is_not_old_whatever_its_clocks_say(stream: str, taken: bool) -> None:
    a = line()
    a.happen("delta")
    a.deliver(b"", stream)
    a.exchange.seq -= 1000
    a.exchange.ms -= 5000
    a.say(a.exchange.snapshot())
    assert a.decoder.usable == taken


def test_a_price_off_the_grid_is_counted_and_never_rounded() -> None:
    a = line()
    a.deliver(a.exchange.delta().replace(b'"b":[', b'"b":[["64000.05","1"],').replace(b"],]", b"]]"))
    assert not a.decoder.usable
    assert a.decoder.counters.off_grid == 1
    assert a.decoder.counters.malformed == 0


def test_the_slow_decoder_gives_the_same_events() -> None:
    plain, spaced = (BybitDecoder(LINEAR, "BTCUSDT", 50) for _ in range(2))
    exchange = Exchange(1)
    frames = [exchange.snapshot()]
    for _ in range(20):
        exchange.move()
        frames += [exchange.delta(), exchange.trades(2)]
    one = plain.push([Frame(START + i, "", f) for i, f in enumerate(frames)])
    other = spaced.push([Frame(START + i, "", f.replace(b",", b" ,")) for i, f in enumerate(frames)])
    assert one.tobytes() == other.tobytes()
    assert (plain.counters.refused, spaced.counters.refused) == (0, len(frames))


# ------------------------------------------------------------------------------------------------------- depth 1


def test_the_best_prices_alone_are_told_as_differences() -> None:
    a = line(depth=1)
    bid, ask = max(a.exchange.bids), min(a.exchange.asks)
    a.exchange.u += 1
    a.exchange.bids[bid + 0] = 777
    del a.exchange.asks[ask]
    a.say(a.exchange.snapshot())
    got = a.events[-1]
    assert [tuple(e) for e in got[["kind", "side", "ticks", "lots"]].tolist()] == [
        (Kind.DEPTH, 1, bid, 777),
        (Kind.DEPTH, -1, ask, 0),
        (Kind.DEPTH, -1, ask + 1, a.exchange.asks[ask + 1]),
    ]
    assert got["flags"].tolist() == [0, 0, EventFlag.END]
    a.exchange.ms += 3000
    a.say(
        a.exchange.book_frame("snapshot", *(side.items() for side in a.exchange.sent))
    )  # the same after 3 s
    assert kinds(a.events[-1]) == ["HEARTBEAT"]
    a.exchange.u += 1
    a.say(a.exchange.snapshot())
    assert kinds(a.events[-1]) == ["EMPTY"]
    a.happen("restart")
    assert kinds(a.events[-1])[0] == "CLEAR"


# -------------------------------------------------------------------------------------------------------- trades


def test_a_trade_is_told_once() -> None:
    a = line()
    data = a.exchange.trades(3)
    a.deliver(data)
    assert kinds(a.events[-1]) == ["TRADE"] * 3
    assert a.events[-1]["flags"].tolist() == [0, 0, EventFlag.END]
    a.deliver(data)
    assert kinds(a.events[-1]) == ["HEARTBEAT"]
    assert (a.decoder.counters.trades, a.decoder.counters.duplicate_trades) == (3, 3)


def test_stamps_of_a_trade() -> None:
    a = line()
    a.deliver(a.exchange.trades(2, RPI=True))
    events = a.events[-1]
    assert events["exch_ts"].tolist() == [a.exchange.ms * 10**6] * 2
    assert events["send_ts"].tolist() == [(a.exchange.ms + 1) * 10**6] * 2
    assert events["update_id"].tolist() == [a.exchange.seq] * 2
    assert events["mono_ts"].tolist() == [0, 0]


def test_block_trades_are_counted_and_make_no_events() -> None:
    a = line()
    a.deliver(a.exchange.trades(2, BT=True))
    assert kinds(a.events[-1]) == ["HEARTBEAT"]
    assert (a.decoder.counters.block_trades, a.decoder.counters.trades) == (2, 0)


def test_the_memory_of_trades_is_bounded_and_long() -> None:
    decoder = BybitDecoder(LINEAR, "BTCUSDT", 50)
    exchange = Exchange(1)
    messages = [Frame(START, "", exchange.trades(100)) for _ in range(3 * SLOTS // 100)]
    decoder.push(messages)
    assert decoder.counters.trades == 100 * len(messages)
    decoder.push(messages[-SLOTS // 2 // 100 :])  # the last 8,192 at least are known
    assert decoder.counters.trades == 100 * len(messages)
    decoder.push(messages[:1])
    assert decoder.counters.trades == 100 * len(messages) + 100


# --------------------------------------------------------------------------------------------------------- frames


def test_stamps_that_go_back_are_lifted() -> None:
    exchange, decoder = Exchange(1), BybitDecoder(LINEAR, "BTCUSDT", 50)
    decoder.push([Frame(START, "", exchange.snapshot())])
    events = decoder.push([Frame(START - 5, "", exchange.delta()), Frame(START + 5, "~heartbeat", b"")])
    assert set(events["local_ts"]) == {START, START + 5}


def test_a_stamp_far_ahead_is_an_error_that_says_where() -> None:
    exchange = Exchange(1)
    decoder = BybitDecoder(LINEAR, "BTCUSDT", 50, lambda ordinal: f"file:{ordinal}")
    frames = [Frame(START, "", exchange.snapshot()), Frame(START + LONGEST_HOLE_NS + 1, "", exchange.delta())]
    with pytest.raises(DataError, match=r"jumps 31 days ahead \(file:1\)"):
        decoder.push(frames)


def test_no_frames_no_events() -> None:
    events = BybitDecoder(LINEAR, "BTCUSDT", 50).push([])
    assert len(events) == 0
    assert events.dtype == EVENT


def test_events_that_were_handed_out_are_never_written_again() -> None:
    exchange, decoder = Exchange(1, 200), BybitDecoder(LINEAR, "BTCUSDT", 200)
    kept = [decoder.push([Frame(START + i, "", exchange.snapshot(u=exchange.u + 1))]) for i in range(60)]
    assert [set(events["update_id"]) for events in kept] == [{1001 + i} for i in range(60)]


def test_a_frame_larger_than_the_room_at_hand() -> None:
    exchange = Exchange(1, 1000)
    for k in range(5_000):
        exchange.bids[exchange.mid - 2_000 - k] = 5
    everything = exchange.book_frame("snapshot", exchange.bids.items(), exchange.asks.items())
    decoder = BybitDecoder(LINEAR, "BTCUSDT", 1000)
    events = decoder.push([Frame(START, "", b'{"op":"pong"}'), Frame(START, "", everything)])
    assert len(events) == 2001
    assert decoder.counters.cut_levels == len(exchange.bids) + len(exchange.asks) - 2000


def test_many_frames_that_need_more_room_than_was_thought() -> None:
    exchange, decoder = Exchange(1, 200), BybitDecoder(LINEAR, "BTCUSDT", 200)
    frames = [Frame(START, "", exchange.snapshot())]
    for i in range(200):  # after each garbage the whole book is told again
        frames += [Frame(START + i, "", b"x"), Frame(START + i, "", exchange.delta())]
    events = decoder.push(frames)
    assert (events["kind"] == Kind.CLEAR).sum() == 201
    again = BybitDecoder(LINEAR, "BTCUSDT", 200)
    assert np.concatenate([again.push([frame]) for frame in frames]).tobytes() == events.tobytes()


def test_counters_are_plain_numbers() -> None:
    a = line()
    assert asdict(a.decoder.counters)["snapshots"] == 1
    assert a.decoder.counters.frames == 1
    assert a.decoder.counters.bytes == len(a.frames[0].data)


def test_a_name_that_is_too_long() -> None:
    with pytest.raises(DataError, match="more than 64 characters"):
        BybitDecoder(LINEAR, "A" * 60, 50)


# ----------------------------------------------------------------------------------------------------------- feed


def test_a_feed_hands_over_a_batch_for_each_run_of_frames() -> None:
    exchange = Exchange(1)
    frames = [Frame(START, "", exchange.snapshot())]
    for i in range(RUN):
        exchange.move(1)
        frames.append(Frame(START + i, "", exchange.delta()))
    closed = []

    def runs():
        try:
            yield frames
            yield frames[:1]
        finally:
            closed.append(True)

    feed = BybitFeed(runs(), BybitDecoder(LINEAR, "BTCUSDT", 50))
    batches = list(feed)
    assert [len(batch.frames) for batch in batches] == [RUN, 1, 1]
    feed.close()
    assert closed == [True]


def test_a_session_without_a_snapshot_is_an_error() -> None:
    exchange = Exchange(1)
    exchange.snapshot()
    frames = [Frame(START, "", exchange.delta())]
    with pytest.raises(DataError, match=r"no snapshot among the messages \(orderbook.50.BTCUSDT\)") as error:
        list(BybitFeed(iter([frames]), BybitDecoder(LINEAR, "BTCUSDT", 50)))
    assert "1 deltas; 0 frames could not be read" in error.value.hint


def test_a_session_of_another_tick_is_an_error_that_says_so() -> None:
    frames = [Frame(START, "", Exchange(1).snapshot())]
    with pytest.raises(DataError, match="no multiple of the tick or lot"):
        list(BybitFeed(iter([frames]), BybitDecoder(LINEAR._replace(tick=Decimal("0.5")), "BTCUSDT", 50)))


def test_a_session_of_crossed_snapshots_is_an_error() -> None:
    exchange = Exchange(1)
    exchange.bids[exchange.mid + 9] = 5
    with pytest.raises(DataError, match="its snapshots are crossed"):
        list(BybitFeed(iter([[Frame(START, "", exchange.snapshot())]]), BybitDecoder(LINEAR, "BTCUSDT", 50)))


def test_topics() -> None:
    decoder = BybitDecoder(LINEAR, "BTCUSDT", 50)
    assert decoder.topics == ("orderbook.50.BTCUSDT", "publicTrade.BTCUSDT")
    assert decoder.push([Frame(START, "x", compact({"topic": "tickers.BTCUSDT"}))]).tolist() == []
    assert decoder.counters.other == 1
