"""Every way in which a connection can go wrong, on real sockets: what comes after it, and what the counters say."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from scripted_exchange import EAGER, QUICK, TOPICS, Exchange, Listener, Peer, good, listening
from websockets.exceptions import ConnectionClosed

from btcframe.errors import DataError
from btcframe.sources.live.adapter import Topic
from btcframe.types import Kind

WATCHED = (Topic("book", silence=0.1, book=True), Topic("trade", silence=0.0))


async def dropped(peer: Peer) -> None:
    await peer.welcome()
    peer.socket.transport.abort()


def kinds(listener: Listener) -> list[Kind]:
    """Of all events but the time."""
    at = [event[7] for event in listener.events]
    return [Kind(kind) for kind in at if kind != Kind.HEARTBEAT]


def test_a_connection_without_a_fault() -> None:
    with Exchange(good) as exchange, listening(exchange.url) as listener:
        listener.until(listener.usable())
        counters = listener.feed.counters
    assert listener.streams == ["~connected", "", "", "book"]
    assert listener.said("") == ["ok +book", "ok +trade"]
    assert kinds(listener) == [Kind.CLEAR, Kind.DEPTH, Kind.DEPTH]
    assert (counters.connections, counters.messages, counters.subscribed) == (1, 3, 2)
    assert counters.bytes == len("ok +bookok +tradebook 1 full 100 5 101 3")
    assert not any((counters.lost, counters.failed, counters.unread, counters.waits, counters.resubscribed))


def test_dropped_a_hundred_times() -> None:
    with Exchange(*[dropped] * 100, good) as exchange, listening(exchange.url) as listener:
        listener.until(lambda _: listener.streams.count("~lost") == 100)
        listener.until(listener.usable())
        counters = listener.feed.counters
    assert counters.lost == 100
    assert counters.connections == 101
    # a book is never trusted beyond the connection that it came by
    lost = [i for i, kind in enumerate(kinds(listener)) if kind == Kind.GAP]
    assert len(lost) == sum(stream == "book" for stream in listener.streams) - 1
    assert all(kinds(listener)[i + 1] == Kind.CLEAR for i in lost)


def test_half_open() -> None:
    gone = threading.Event()

    async def half_open(peer: Peer) -> None:
        await peer.welcome()
        while True:  # takes everything, says nothing
            try:
                await peer.socket.recv()
            except ConnectionClosed:
                gone.set()
                return

    with Exchange(half_open, good) as exchange, listening(exchange.url, topics=WATCHED) as listener:
        listener.until(lambda _: "~lost" in listener.streams and listener.usable()(listener))
        counters = listener.feed.counters
        assert gone.wait(60)
    assert counters.dead == 1
    assert counters.pings >= 1
    assert counters.pongs == 0
    assert "book silent, a ping unanswered" in listener.said("~lost")[0]


def test_one_topic_is_silent_and_the_connection_lives() -> None:
    with Exchange(good) as exchange, listening(exchange.url, topics=WATCHED) as listener:
        listener.until(lambda _: listener.feed.counters.silent >= 5)
        counters = listener.feed.counters
    assert counters.connections == 1  # what answers is not given up, however quiet its market is
    assert counters.pongs >= 5
    assert listener.said("~resync")[0] == "book"
    assert exchange.heard[0][2:4] == ["-book", "+book"]


def test_a_topic_without_a_book_is_subscribed_anew_and_the_book_stays() -> None:
    topics = (TOPICS[0], Topic("trade", silence=0.1))
    with Exchange(good) as exchange, listening(exchange.url, topics=topics) as listener:
        listener.until(lambda _: "~resubscribe" in listener.streams)
        assert listener.usable()(listener)
    assert listener.said("~resubscribe")[0] == "trade"
    assert Kind.GAP not in kinds(listener)


def test_a_topic_that_stays_silent_ends_the_connection() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.welcome()
        while True:
            await peer.hear()

    limits = replace(QUICK, answer=60.0)
    with Exchange(deaf, good) as exchange, listening(exchange.url, topics=WATCHED, limits=limits) as listener:
        listener.until(lambda _: listener.streams.count("~connected") == 2)
    assert listener.said("~lost") == ["book was subscribed anew 3 times, and it did not help"]


def test_a_gap_is_healed_by_a_snapshot() -> None:
    async def gap(peer: Peer) -> None:
        await peer.welcome()
        await peer.change()
        await peer.change(by=3)
        await peer.serve()

    with Exchange(gap) as exchange, listening(exchange.url) as listener:
        listener.until(lambda _: Kind.GAP in kinds(listener) and listener.usable()(listener))
        counters = listener.feed.counters
    assert kinds(listener)[3:] == [Kind.DEPTH, Kind.GAP, Kind.CLEAR, Kind.DEPTH, Kind.DEPTH]
    assert counters.resubscribed == 1
    assert counters.connections == 1
    assert exchange.heard[0] == ["+book", "+trade", "-book", "+book"]


def test_a_topic_that_never_heals_ends_the_connection() -> None:
    async def broken(peer: Peer) -> None:
        for _ in TOPICS:
            await peer.say(f"ok {await peer.hear()}")
        while True:
            await peer.say("book x")
            if (said := await peer.hear())[0] == "+":
                await peer.say(f"ok {said}")

    with Exchange(broken, good) as exchange, listening(exchange.url) as listener:
        listener.until(listener.usable())
        counters = listener.feed.counters
    assert counters.resubscribed == QUICK.tries
    assert listener.said("~lost") == ["book was subscribed anew 3 times, and it did not help"]


def test_garbage_is_logged_and_ends_nothing() -> None:
    async def garbage(peer: Peer) -> None:
        await peer.welcome()
        await peer.say("hello", b"\xff\xfe\x00", "", b"book \xff")
        await peer.serve()

    with Exchange(garbage) as exchange, listening(exchange.url) as listener:
        listener.until(lambda _: listener.feed.counters.resubscribed and listener.usable()(listener))
        counters = listener.feed.counters
    contents = [frame.data for frame in listener.frames]
    at = contents.index(b"hello")
    assert [c for c in contents[at:] if c][:3] == [b"hello", b"\xff\xfe\x00", b"book \xff"]
    assert (counters.unread, counters.connections) == (3, 1)


def test_binary_frames_are_read_by_their_bytes() -> None:
    async def binary(peer: Peer) -> None:
        await peer.welcome()
        await peer.say(b"book 2 bid 100 6")
        await peer.serve()

    with Exchange(binary) as exchange, listening(exchange.url) as listener:
        listener.until(listener.usable(2))
    assert listener.said("book")[-1] == "book 2 bid 100 6"


def test_oversized() -> None:
    async def oversized(peer: Peer) -> None:
        await peer.welcome()
        await peer.say("book 2 bid 100 " + "6" * 5000)
        await peer.serve()

    limits = replace(QUICK, message=4096)
    with Exchange(oversized, good) as exchange, listening(exchange.url, limits=limits) as listener:
        listener.until(lambda _: "~lost" in listener.streams and listener.usable()(listener))
        counters = listener.feed.counters
    assert counters.oversized == counters.lost == 1
    (why,) = listener.said("~lost")
    assert why.startswith("a message was larger than is taken: ")
    assert "5015 bytes exceeds limit of 4096" in why


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (
            (1012, "service restart"),
            "the exchange closed the connection: 1012 (service restart) service restart",
        ),
        ((1000, ""), "the exchange closed the connection: 1000 (OK)"),
    ],
)
def test_closed_by_the_exchange(end: tuple[int, str], why: str) -> None:
    async def closing(peer: Peer) -> None:
        await peer.welcome()
        await peer.socket.close(*end)

    with Exchange(closing, good) as exchange, listening(exchange.url) as listener:
        listener.until(lambda _: "~lost" in listener.streams and listener.usable()(listener))
    assert listener.said("~lost") == [why]


def test_what_is_no_websocket_any_more() -> None:
    async def noise(peer: Peer) -> None:
        await peer.welcome()
        peer.socket.transport.write(b"\xff\xff\xff\xff\xff\xff")
        await peer.serve()

    with Exchange(noise, good) as exchange, listening(exchange.url) as listener:
        listener.until(lambda _: "~lost" in listener.streams and listener.usable()(listener))
    assert listener.said("~lost")[0].startswith("what came is no WebSocket: ")


def test_the_exchange_is_restarted() -> None:
    with Exchange(good) as exchange, listening(exchange.url) as listener:
        listener.until(listener.usable())
        port = exchange.port
        exchange.__exit__()
        listener.until(lambda _: "~failed" in listener.streams)
        with Exchange(good, port=port):
            listener.until(listener.usable())
            counters = listener.feed.counters
    assert "nothing listens there" in listener.said("~failed")
    assert counters.failed >= 1
    assert counters.lost == 1


def test_a_refused_subscription_is_tried_again() -> None:
    async def refusing(peer: Peer) -> None:
        await peer.say(f"no {await peer.hear()} not now")
        await peer.serve()

    with Exchange(refusing, refusing, good) as exchange, listening(exchange.url) as listener:
        listener.until(listener.usable())
        counters = listener.feed.counters
    assert counters.refused == 2
    assert listener.said("~lost") == ["the exchange refused the subscription: +book not now"] * 2


def test_a_subscription_that_is_always_refused_ends_the_session() -> None:
    async def refusing(peer: Peer) -> None:
        await peer.say(f"no {await peer.hear()} invalid topic")
        await peer.serve()

    with (
        Exchange(refusing) as exchange,
        listening(exchange.url) as listener,
        pytest.raises(DataError) as error,
    ):
        listener.until(listener.usable())
    assert str(error.value) == (
        f"no data from {exchange.url}: the exchange refused the subscription: +book invalid topic (source).\n"
        "Is it running?"
    )
    assert exchange.connections == EAGER.tries


def test_a_late_answer_does_not_matter_where_there_is_data() -> None:
    async def late(peer: Peer) -> None:
        said = [await peer.hear() for _ in TOPICS]
        await peer.book()
        await peer.say("trade 1", *(f"ok {what}" for what in said[1:]))
        await peer.serve()

    limits = replace(QUICK, answer=0.1)
    with Exchange(late) as exchange, listening(exchange.url, limits=limits) as listener:
        listener.until(lambda _: listener.feed.counters.late == 1)
        counters = listener.feed.counters
    assert (counters.connections, counters.lost, counters.subscribed) == (1, 0, 1)


def test_no_answer_and_no_data() -> None:
    async def mute(peer: Peer) -> None:
        while True:
            await peer.hear()

    limits = replace(QUICK, answer=0.05)
    with Exchange(mute, good) as exchange, listening(exchange.url, limits=limits) as listener:
        listener.until(listener.usable())
    assert listener.said("~lost") == ["no answer to the subscription of book"]


def test_the_order_is_kept_and_the_consumer_waited_for() -> None:
    many = 30_000

    async def fast(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(many):
            await peer.change()
        await peer.serve()

    limit = 200_000
    with Exchange(fast) as exchange, listening(exchange.url, buffer=limit) as listener:
        listener.until(listener.usable())
        while listener.feed.counters.waits == 0:  # nobody consumes: the socket's thread has to wait
            pass
        listener.until(listener.usable(many + 1))
        counters = listener.feed.counters
    updates = [int(said.split()[1]) for said in listener.said("book")]
    assert updates == list(range(1, many + 2))
    assert counters.waits > 0
    assert counters.waited_ms > 0
    assert counters.most_waiting < limit + 1000
    assert (counters.lost, counters.silent) == (0, 0)


def test_closing_while_much_is_unread_lets_the_exchange_go() -> None:
    gone = threading.Event()

    async def fast(peer: Peer) -> None:
        try:
            await peer.welcome()
            while True:
                await peer.change()
        finally:
            gone.set()

    with Exchange(fast) as exchange, listening(exchange.url, buffer=20_000) as listener:
        listener.until(listener.usable())
        while listener.feed.counters.waits == 0:
            pass
        listener.feed.close()
        assert gone.wait(60)


def test_stamps_go_forward_and_events_have_both() -> None:
    async def some(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(500):
            await peer.change()
        await peer.serve()

    with Exchange(some) as exchange, listening(exchange.url) as listener:
        listener.until(listener.usable(501))
    stamps = np.array([frame.local_ts for frame in listener.frames])
    assert (np.diff(stamps) > 0).all()
    local, mono = np.array([(event[2], event[3]) for event in listener.events]).T
    assert set(local) <= set(stamps)
    assert (np.diff(mono) >= 0).all()
    assert (
        np.abs(np.diff(local) - np.diff(mono)) < 1000
    ).all()  # the same clock, but for stamps that were the same


def test_quiet_time_is_told() -> None:
    with Exchange(good) as exchange, listening(exchange.url) as listener:
        listener.until(lambda _: listener.feed.counters.heartbeats >= 3)
    beats = [frame.local_ts for frame in listener.frames if frame.stream == "~heartbeat"]
    assert (np.diff(beats) >= EAGER.heartbeat * 1e9).all()


def test_closing_from_another_thread_ends_the_iteration_and_the_thread() -> None:
    codes = []

    async def watched(peer: Peer) -> None:
        await peer.welcome()
        await peer.socket.wait_closed()
        codes.append(peer.socket.close_code)

    before = set(threading.enumerate())
    with Exchange(watched) as exchange, listening(exchange.url) as listener:
        listener.until(listener.usable())
        feed = listener.feed
        closing = threading.Thread(target=feed.close)
        closing.start()
        rest = list(listener._batches)
        closing.join()
        assert sum(len(batch.frames) for batch in rest) <= 2  # what had been taken
        assert list(feed) == []
        feed.close()
    assert set(threading.enumerate()) == before
    assert codes == [1000]


def test_closing_before_anything() -> None:
    before = set(threading.enumerate())
    with listening("ws://127.0.0.1:1") as listener:
        listener.feed.close()
        assert list(listener.feed) == []
    assert set(threading.enumerate()) == before


def test_the_session_ends_by_itself() -> None:
    patience = replace(EAGER, duration=0.3)
    with Exchange(good) as exchange, listening(exchange.url, patience=patience) as listener:
        frames = [frame for batch in listener.feed for frame in batch.frames]
    assert 0.2e9 < frames[-1].local_ts - frames[0].local_ts < 10e9
