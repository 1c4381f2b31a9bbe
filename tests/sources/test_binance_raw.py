from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from binance_sessions import (
    BOOK_TICKER,
    MS,
    STAMP,
    depth,
    events_of,
    read,
    session,
    snapshot,
    spot_snapshot,
    trade,
)

from btcframe.errors import DataError
from btcframe.sources.binance_raw import BinanceRaw, Market
from btcframe.types import EventFlag, Kind

# ------------------------------------------------------------------------------------------------ keeping in step


def test_diffs_before_the_snapshot_are_held_and_applied_without_flow(tmp_path: Path) -> None:
    source = BinanceRaw(
        paths=(
            session(
                tmp_path / "a",
                depth(1, 10, 0, [["99.0", "5"]]),  # older than the snapshot
                depth(11, 20, 10, [["99.1", "6"]]),  # leads over it
                depth(21, 30, 20, [["99.2", "7"]]),
                snapshot(15),
                depth(31, 40, 30, [["99.3", "8"]]),
            ),
        )
    )
    events = events_of(source)
    assert [Kind(k).name for k in events["kind"]] == [*["HEARTBEAT"] * 3, "CLEAR", *["DEPTH"] * 5]
    clear, bid, ask, held1, held2, live = events[3:]
    assert {int(e["flags"]) for e in (clear, bid)} == {EventFlag.SNAPSHOT}
    assert ask["flags"] == EventFlag.SNAPSHOT | EventFlag.END
    assert [int(e["update_id"]) for e in (clear, held1, held2, live)] == [15, 20, 30, 40]
    assert held1["flags"] == held2["flags"] == EventFlag.NO_FLOW | EventFlag.END
    assert live["flags"] == EventFlag.END
    # what was held is consumed when the snapshot is
    assert clear["local_ts"] == held1["local_ts"] == held2["local_ts"] == STAMP + 3000
    assert (bid["side"], bid["ticks"], bid["lots"]) == (1, 1000, 1000)
    assert (ask["side"], ask["ticks"], ask["lots"]) == (-1, 1001, 2000)


def test_stamps_of_a_usdm_diff(tmp_path: Path) -> None:
    event = events_of(
        BinanceRaw(paths=(session(tmp_path / "a", snapshot(15), depth(16, 17, 15, [["99.0", "5"]])),))
    )[-1]
    assert (event["exch_ts"], event["send_ts"]) == (1700000000004 * MS, 1700000000005 * MS)
    assert (event["local_ts"], event["mono_ts"]) == (STAMP + 1000, 0)


def test_the_first_diff_after_a_snapshot_may_lead_over_it(tmp_path: Path) -> None:
    got = read(tmp_path / "a", snapshot(15), depth(11, 20, 10, [["99.1", "6"]]))
    assert got[-1] == ("DEPTH", 20, 991, 6000)


def test_a_diff_that_is_in_the_snapshot_already_changes_nothing(tmp_path: Path) -> None:
    got = read(
        tmp_path / "a", snapshot(15), depth(1, 10, 0, [["99.1", "6"]]), depth(11, 20, 10, [["99.1", "6"]])
    )
    assert got[3:] == [("EMPTY", 10, 0, 0), ("DEPTH", 20, 991, 6000)]


@pytest.mark.parametrize("usdm", [True, False])
def test_a_hole_in_the_chain_is_a_gap_until_the_next_snapshot(tmp_path: Path, usdm: bool) -> None:
    def diff(first: int, last: int) -> str:
        return depth(first, last, first - 1 if usdm else None, [["99.1", "6"]])

    def snap(state: int) -> str:
        return snapshot(state) if usdm else spot_snapshot(state)

    got = read(
        tmp_path / "a",
        snap(15),
        diff(16, 20),
        diff(22, 30),
        diff(31, 40),
        snap(35),
        diff(41, 50),
        diff(41, 50),
    )
    kinds = [(kind, u) for kind, u, *_ in got if kind != "DEPTH" or u in (20, 30, 40, 50)]
    assert kinds == [
        ("CLEAR", 15),
        ("DEPTH", 20),
        ("GAP", 30),
        ("HEARTBEAT", 0),
        ("CLEAR", 35),
        ("DEPTH", 40),
        ("DEPTH", 50),
        ("EMPTY", 50),  # sent twice
    ]


def test_a_snapshot_that_does_not_fit_is_not_used(tmp_path: Path) -> None:
    got = read(
        tmp_path / "a",
        depth(20, 30, 19, [["99.1", "6"]]),
        snapshot(15),
        snapshot(25),
        depth(31, 40, 30, [["9.1", "6"]]),
    )
    assert [kind for kind, *_ in got] == ["HEARTBEAT", "HEARTBEAT", "CLEAR", *["DEPTH"] * 4]


def test_a_later_snapshot_replaces_a_book_in_step_and_an_older_one_does_not(tmp_path: Path) -> None:
    got = read(tmp_path / "a", snapshot(15), snapshot(12), snapshot(18), depth(17, 20, 16, [["99.1", "6"]]))
    assert [(kind, u) for kind, u, *_ in got if kind != "DEPTH"] == [
        ("CLEAR", 15),
        ("EMPTY", 12),
        ("CLEAR", 18),
    ]
    assert got[-1][:2] == ("DEPTH", 20)


def test_a_diff_without_levels_is_an_empty_message(tmp_path: Path) -> None:
    assert read(tmp_path / "a", snapshot(15), depth(16, 20, 15))[-1] == ("EMPTY", 20, 0, 0)


# ------------------------------------------------------------------------------------------------------- messages


def test_trades_carry_the_aggressor_and_only_market_ones_count(tmp_path: Path) -> None:
    lines = [snapshot(15), trade(m=False), trade(m=True), trade(X="INSURANCE_FUND"), trade(price="0", X="NA")]
    events = events_of(BinanceRaw(paths=(session(tmp_path / "a", *lines),)))[3:]
    assert events["kind"].tolist() == [Kind.TRADE] * 2
    assert events["side"].tolist() == [1, -1]
    assert events["lots"].tolist() == [5, 5]
    assert events["exch_ts"].tolist() == [1700000000006 * MS] * 2


def test_best_price_streams_are_kept_in_the_log_and_nowhere_else(tmp_path: Path) -> None:
    batches = list(
        BinanceRaw(paths=(session(tmp_path / "a", BOOK_TICKER, snapshot(15), BOOK_TICKER, trade()),)).open(
            seed=0
        )
    )
    assert [len(b.events) for b in batches] == [4]
    frames = [f for b in batches for f in b.frames]
    assert [f.stream for f in frames] == [
        "btcusdt@bookTicker",
        "depth_snapshot",
        "btcusdt@bookTicker",
        "btcusdt@trade",
    ]
    assert frames[0].data == BOOK_TICKER.encode()
    assert frames[1].local_ts == STAMP + 1000


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_local_stamps_in_ns_us_and_ms(tmp_path: Path, unit: int) -> None:
    path = session(tmp_path / "a", snapshot(15), trade(), first=STAMP // unit, step=1)
    assert events_of(BinanceRaw(paths=(path,)))["local_ts"].tolist() == [STAMP] * 3 + [STAMP + unit]


def test_a_local_stamp_that_goes_back_is_lifted_in_events_and_untouched_in_frames(tmp_path: Path) -> None:
    path = session(tmp_path / "a", snapshot(15), trade(), step=-5)
    (batch,) = BinanceRaw(paths=(path,)).open(seed=0)
    assert batch.events["local_ts"].tolist() == [STAMP] * 4
    assert [f.local_ts for f in batch.frames] == [STAMP, STAMP - 5]


def test_spot_and_usdm_are_told_apart(tmp_path: Path) -> None:
    usdm = (
        BinanceRaw(paths=(session(tmp_path / "a", BOOK_TICKER, snapshot(15), trade()),))
        .open(seed=0)
        .instrument
    )
    spot = (
        BinanceRaw(paths=(session(tmp_path / "b", BOOK_TICKER, spot_snapshot(15), trade(X=None)),))
        .open(seed=0)
        .instrument
    )
    assert (usdm.symbol, usdm.contract, str(usdm.tick), str(usdm.lot)) == (
        "BTC/USDT:USDT",
        "linear",
        "0.1",
        "0.001",
    )
    assert (spot.symbol, spot.contract, str(spot.tick), str(spot.lot)) == (
        "BTC/USDT",
        "spot",
        "0.01",
        "0.000001",
    )


def test_steps_and_market_can_be_set(tmp_path: Path) -> None:
    source = BinanceRaw(
        paths=(session(tmp_path / "a", snapshot(15), trade()),), tick=0.05, lot=1e-05, market=Market.usdm
    )
    assert events_of(source)["ticks"].tolist() == [0, 2000, 2002, 2002]
    assert events_of(source)["lots"].tolist()[1] == 100_000


def test_keys_in_another_order_are_read_too(tmp_path: Path) -> None:
    swapped = json.dumps(dict(reversed(json.loads(trade()).items())))
    assert read(tmp_path / "a", snapshot(15), swapped)[-1] == ("TRADE", 9, 1001, 5)


@pytest.mark.parametrize("batch", [1, 2, 65536])
def test_batch_size_and_compression_change_nothing(tmp_path: Path, batch: int) -> None:
    lines = [
        depth(11, 20, 10, [["99.1", "6"]]),
        snapshot(15),
        trade(),
        depth(21, 30, 20, [["99.2", "7"]] * 3),
    ] + [trade()] * 5
    plain = session(tmp_path / "a", *lines)
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(Path(plain).read_bytes()))
    want = events_of(BinanceRaw(paths=(plain,))).tobytes()
    feed = BinanceRaw(paths=(str(packed),), batch=batch).open(seed=0)
    batches = list(feed)
    assert np.concatenate([b.events for b in batches]).tobytes() == want
    assert [f.data.decode() for b in batches for f in b.frames] == lines


def test_frames_replay_through_the_same_decoder(tmp_path: Path) -> None:
    source = BinanceRaw(
        paths=(session(tmp_path / "a", depth(11, 20, 10, [["99.1", "6"]]), snapshot(15), trade(), trade()),)
    )
    frames = [f for b in source.open(seed=0) for f in b.frames]
    again = BinanceRaw().decode([[f] for f in frames])
    assert np.concatenate([b.events for b in again]).tobytes() == events_of(source).tobytes()


def test_fingerprint_is_of_the_contents_in_order(tmp_path: Path) -> None:
    a, b = session(tmp_path / "a", snapshot(1)), session(tmp_path / "b", snapshot(2))
    copy = tmp_path / "c"
    copy.write_bytes(Path(a).read_bytes())
    assert BinanceRaw(paths=(a,)).fingerprint() == BinanceRaw(paths=(str(copy),)).fingerprint()
    assert len({BinanceRaw(paths=p).fingerprint() for p in ((a,), (b,), (a, b), (b, a))}) == 4


# -------------------------------------------------------------------------------------------------- real sessions


@pytest.mark.shared
@pytest.mark.parametrize(
    ("files", "symbol", "diffs", "held", "trades"),
    [
        (("usdm_btcusdt_20240718.gz", "usdm_btcusdt_20240719.gz"), "BTC/USDT:USDT", 9022, 6, 10_701),
        # 12,935 trade lines, one of them the insurance fund's
        (
            ("usdm_btcusdt_20230404.dat.gz", "usdm_btcusdt_20230405.dat.gz"),
            "BTC/USDT:USDT",
            16_110,
            0,
            12_934,
        ),
        (("spot_btcusdt_20240808.gz", "spot_btcusdt_20240809.gz"), "BTC/USDT", 6495, 3, 19_904),
    ],
)
def test_recorded_sessions_are_whole(
    market_data: Path, files: tuple[str, ...], symbol: str, diffs: int, held: int, trades: int
) -> None:
    source = BinanceRaw(paths=tuple(str(market_data / "raw-binance" / f) for f in files))
    feed = source.open(seed=0)
    assert feed.instrument.symbol == symbol
    batches = list(feed)
    events = np.concatenate([b.events for b in batches])
    frames = [f for b in batches for f in b.frames]
    assert sum("@depth" in f.stream for f in frames) == diffs
    kinds, ends = events["kind"], events["flags"] & EventFlag.END != 0
    assert np.count_nonzero(kinds == Kind.TRADE) == trades
    assert np.count_nonzero(kinds == Kind.GAP) == 0
    assert np.count_nonzero(kinds == Kind.CLEAR) == 1
    assert np.count_nonzero(kinds == Kind.HEARTBEAT) == held
    # every diff is applied once: live, or out of those held (which the snapshot may already contain)
    live = (kinds == Kind.DEPTH) | (kinds == Kind.EMPTY)
    live &= ends & (events["flags"] & (EventFlag.SNAPSHOT | EventFlag.NO_FLOW) == 0)
    assert np.count_nonzero(live) == diffs - held
    assert (np.diff(events["local_ts"]) >= 0).all()


@pytest.mark.shared
def test_the_recorded_session_without_a_snapshot_is_refused(market_data: Path) -> None:
    source = BinanceRaw(paths=(str(market_data / "raw-binance" / "spot_btcusdt_20230405.dat.gz"),))
    with pytest.raises(DataError, match="holds no depth snapshot"):
        source.open(seed=0)
