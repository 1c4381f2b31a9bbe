"""A saved state is whole or no state at all, and it stands where it says."""

from __future__ import annotations

import json
import random
import shutil
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from btcframe.clocks.time import TimeClock
from btcframe.errors import DataError, StoreError
from btcframe.pipeline import Pipeline
from btcframe.plugins import discover
from btcframe.sessions import saved_state
from btcframe.sessions.saved_state import SavedState, StateWriter, read_state, write_state
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import NS, Instrument

INSTRUMENT = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))
IDENTITY = {"symbol": "BTC/USDT:USDT", "select": ["*"], "clock": {"plugin": "time", "every": "1s"}}


def small(**changes: Any) -> SavedState:
    memory = {"book": np.arange(3), "features.x": np.zeros(1, [("n", "i8"), ("window", "f8", (4,))])}
    return SavedState(
        **{"identity": IDENTITY, "now_ns": 5, "rows": 2, "events": 9, "memory": memory} | changes
    )


def equal(one: SavedState, other: SavedState) -> bool:
    plain = all(
        getattr(one, name) == getattr(other, name) for name in ("identity", "now_ns", "rows", "events")
    )
    assert one.memory.keys() == other.memory.keys()
    pairs = [(one.memory[name], other.memory[name]) for name in one.memory]
    return plain and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs
    )


def test_the_memory_of_every_installed_feature_comes_back(tmp_path: Path) -> None:
    catalog = discover()
    features = {name: catalog.build("features", {"plugin": name}) for name in catalog.names("features")}
    regime = catalog.build("regime", {"plugin": "volatility"})
    feed = RandomWalk(duration="2m").open(seed=7)
    pipeline = Pipeline(feed.instrument, TimeClock("1s"), features, regime)
    for batch in feed:
        pipeline.push(batch.events)
    state = SavedState.of(pipeline, IDENTITY, 77)
    assert state.now_ns == pipeline.now_ns
    assert state.rows == pipeline.rows_seen > 100
    write_state(tmp_path / "state", state)
    back = read_state(tmp_path / "state")
    assert equal(state, back)
    other = Pipeline(feed.instrument, TimeClock("1s"), features, regime)
    other.restore(back.memory)
    assert equal(SavedState.of(other, IDENTITY, 77), state)


_scalars = (
    stnp.integer_dtypes()
    | stnp.floating_dtypes(sizes=(32, 64))
    | stnp.byte_string_dtypes(min_len=1, max_len=5)
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), dtype=stnp.nested_dtypes(_scalars, max_leaves=8), align=st.booleans())
def test_any_record_comes_back(
    tmp_path_factory: pytest.TempPathFactory, data: Any, dtype: Any, align: bool
) -> None:
    if dtype.names and align:
        dtype = np.dtype(dtype.descr, align=True) if all(name for name, *_ in dtype.descr) else dtype
    raw = data.draw(st.binary(min_size=2 * dtype.itemsize, max_size=2 * dtype.itemsize))
    state = small(memory={"x": np.frombuffer(raw, dtype, 2) if dtype.itemsize else np.zeros(2, dtype)})
    path = tmp_path_factory.getbasetemp() / "any-record"
    write_state(path, state)
    assert equal(read_state(path), state)


def test_a_flipped_bit_is_damage_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_state(path, small())
    content, pick = path.read_bytes(), random.Random(7)
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1 << pick.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(DataError):
            read_state(path)


def test_a_cut_file_is_damage_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_state(path, small())
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="damaged"):
            read_state(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(DataError, match="does not match its checksum"):
        read_state(path)


def test_what_is_no_state_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with pytest.raises(DataError, match="there is no saved state state"):
        read_state(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_state(tmp_path)
    path.write_text("[]")
    with pytest.raises(DataError, match="damaged, or no saved state"):
        read_state(path)
    checksum = write_state(path, small())
    assert equal(read_state(path, checksum), small())
    write_state(path, small(rows=3))
    with pytest.raises(DataError, match="another saved state than the session log names"):
        read_state(path, checksum)
    head, _, body = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(head) | {"version": 2}).encode() + b"\n" + body)
    with pytest.raises(DataError, match="of version 2, this btcframe reads 1"):
        read_state(path)


def test_what_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    write_state(path, small())

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="the saved state cannot be written: No space left"):
        write_state(path, small(rows=3))
    assert equal(read_state(path), small())
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


class Clockwork:
    """As much of a pipeline as the writer needs."""

    def __init__(self) -> None:
        self.now_ns = self.rows_seen = 0

    def save(self) -> dict[str, Any]:
        return {"now": np.array([self.now_ns])}


def writer(path: Path, pipeline: Any, every_ns: int, flushed: list[int] | None = None) -> StateWriter:
    log: list[int] = [] if flushed is None else flushed
    return StateWriter(path, pipeline, IDENTITY, every_ns, lambda: log.append(pipeline.now_ns))


def test_a_state_is_written_every_so_often_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    done = threading.Semaphore(0)

    def write(path: Path, state: SavedState) -> str:
        written.append((state.now_ns, state.events))
        assert flushed[-1] == state.now_ns  # the log goes first
        done.release()
        return ""

    monkeypatch.setattr(saved_state, "write_state", write)
    pipeline, flushed = Clockwork(), []
    with writer(tmp_path / "state", pipeline, 10 * NS, flushed) as memory:
        for second in (3, 8, 12, 13, 29, 31, 38, 40):
            pipeline.now_ns = second * NS
            memory.took(2)
            if second in (13, 29, 40):
                assert done.acquire(timeout=60)
                assert memory._writing is not None
                memory._writing.result()
    assert [(ns // NS, events) for ns, events in written] == [(13, 8), (29, 10), (40, 16), (40, 16)]


def test_a_slow_disk_does_not_hold_the_market_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    free = threading.Event()

    def slow(path: Path, state: SavedState) -> str:
        assert free.wait(60)
        written.append(state.now_ns)
        return ""

    monkeypatch.setattr(saved_state, "write_state", slow)
    pipeline = Clockwork()
    with writer(tmp_path / "state", pipeline, 1) as memory:
        for now in range(1, 100):
            pipeline.now_ns = now
            memory.took(1)
        free.set()
    assert written == [2, 99]  # those between were due while the first was being written


def test_no_state_where_none_is_asked_for_and_none_of_nothing(tmp_path: Path) -> None:
    pipeline = Clockwork()
    with writer(tmp_path / "state", pipeline, 0) as memory:
        pipeline.now_ns = NS
        memory.took(1)
    with writer(tmp_path / "state", pipeline, NS):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_session_that_breaks_off_keeps_its_last_state(tmp_path: Path) -> None:
    pipeline = Clockwork()
    with pytest.raises(RuntimeError), writer(tmp_path / "state", pipeline, 5) as memory:
        for now in (1, 7, 8):
            pipeline.now_ns = now
            memory.took(1)
        raise RuntimeError
    assert read_state(tmp_path / "state").now_ns == 7


def test_a_disk_that_fails_is_told(tmp_path: Path) -> None:
    pipeline, folder = Clockwork(), tmp_path / "gone"
    folder.mkdir()
    with (
        pytest.raises(StoreError, match="the saved state cannot be written"),
        writer(folder / "state", pipeline, 5) as memory,
    ):
        memory.took(1)
        shutil.rmtree(folder)
        pipeline.now_ns = 7
        memory.took(1)
