"""The parts at work: the same bits however many rows come at a time and however many threads take them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from event_streams import INSTRUMENT

from btcframe.api import Column
from btcframe.kernels import kernel
from btcframe.pipeline.containment import Containment
from btcframe.pipeline.parts import CHUNK, OneRow, Part, available_threads, parts_of, update_all
from btcframe.types import ROW, Floats, RowArray, StateArray

ROWS = 3 * CHUNK + 77
NOTHING_OFF = Containment((), catches=False)


@kernel
def weigh(rows, state, out):
    """Column j: the sum of mid/(j + 1) so far, NaN in every third row."""
    for t in range(len(rows)):
        state[0].seen += 1
        for j in range(out.shape[1]):
            state[0].sum[j] += rows[t].mid / (j + 1)
            if state[0].seen % 3:
                out[t, j] = state[0].sum[j]


@dataclass(frozen=True)
class Sums:
    """A component with a kernel."""

    name: str
    width: int = 2

    def columns(self) -> tuple[Column, ...]:
        return tuple(Column(f"{self.name}_{j}") for j in range(self.width))

    def state(self, instrument: object) -> StateArray:
        return np.zeros(1, [("seen", "i8"), ("sum", "f8", (self.width,))])

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        assert np.isnan(out).all()
        assert out.flags.c_contiguous
        weigh(rows, state, out)


@dataclass(frozen=True)
class Plain(Sums):
    """The same in NumPy, as a third party may write it."""

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        for row, to in zip(rows, out, strict=True):
            state["seen"] += 1
            for j in range(self.width):
                state["sum"][0, j] += row["mid"] / (j + 1)
            if state["seen"][0] % 3:
                to[:] = state["sum"][0]


@dataclass(frozen=True)
class Fails(Sums):
    """A component that meets something at a row."""

    at: int = 0
    meets: Callable[[], None] = lambda: None

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        before = state["seen"][0]
        state["seen"] += len(rows)
        if before <= self.at < before + len(rows):
            self.meets()


def market(n: int = ROWS) -> RowArray:
    rows = np.zeros(n, ROW)
    rows["mid"] = 100 + np.random.default_rng(5).normal(0, 1, n).cumsum()
    return rows


def run(components: list[Sums], rows: RowArray, threads: int = 1) -> Floats:
    columns, parts = parts_of({c.name: c for c in components}, INSTRUMENT)
    matrix = np.zeros((len(rows), len(columns)))
    update_all([(part, matrix) for part in parts], rows, NOTHING_OFF, threads)
    return matrix


def fails(name: str, at: int) -> Fails:
    def meets() -> None:
        raise ValueError(f"{name} at row {at}")

    return Fails(name, at=at, meets=meets)


def others() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "features"]


# --------------------------------------------------------------------------------------------------------- bits


@pytest.mark.parametrize("threads", [2, 5, 40])
@pytest.mark.parametrize("n", [0, 1, 7, CHUNK, CHUNK + 1, ROWS])
def test_any_number_of_threads_gives_the_same_bits(n: int, threads: int) -> None:
    components = [Sums("a"), Sums("b", 5), Plain("c", 3), Sums("d", 1)]
    rows = market(n)
    assert run(components, rows, threads).tobytes() == run(components, rows).tobytes()
    assert not others()


def test_a_component_without_a_kernel_is_one_like_any_other() -> None:
    rows = market()
    np.testing.assert_array_equal(run([Plain("a", 3)], rows, 2), run([Sums("a", 3)], rows))


def test_one_row_at_a_time_gives_the_same_bits() -> None:
    components = {c.name: c for c in (Sums("a"), Plain("b", 3), Sums("c", 1))}
    used = {"a_1", "b_0", "b_2", "c_0"}
    rows = market(50)
    columns, parts = parts_of(components, INSTRUMENT, used)
    assert [c.name for c in columns] == ["a_1", "b_0", "b_2", "c_0"]
    whole = np.zeros((50, 4))
    update_all([(part, whole) for part in parts], rows, NOTHING_OFF)
    one, matrix = np.zeros(1, ROW), np.zeros((1, 4))
    live = OneRow(parts_of(components, INSTRUMENT, used)[1], one, matrix, NOTHING_OFF)
    for t in range(50):
        one[0] = rows[t]
        live.update()
        assert matrix[0].tobytes() == whole[t].tobytes(), f"row {t}"


def test_only_what_is_used_is_written_and_what_is_not_used_does_not_run() -> None:
    def never() -> None:
        raise AssertionError("a component that nobody asked for ran")

    components = {c.name: c for c in (Sums("a", 3), Fails("idle", meets=never), Sums("b"))}
    rows = market()
    columns, parts = parts_of(components, INSTRUMENT, {"a_2", "b_0", "b_1"})
    assert [part.name for part in parts] == ["a", "b"]
    matrix = np.zeros((ROWS, len(columns)))
    update_all([(part, matrix) for part in parts], rows, NOTHING_OFF, 2)
    np.testing.assert_array_equal(matrix, run([Sums("a", 3), Sums("b")], rows)[:, [2, 3, 4]])


def test_no_parts_at_all_are_no_trouble() -> None:
    columns, parts = parts_of({}, INSTRUMENT)
    assert (columns, parts) == ((), [])
    update_all([], market(), NOTHING_OFF, 2)
    OneRow([], market(1), np.zeros((1, 0)), NOTHING_OFF).update()


def test_equal_memory_has_one_dtype_object() -> None:
    # a compiled kernel recognises it at once; an equal one it would compare field by field at every call
    first, second = (parts_of({"a": Sums("a")}, INSTRUMENT)[1][0] for _ in range(2))
    assert first.state.dtype is second.state.dtype
    assert not np.shares_memory(first.state, second.state)


def test_this_process_may_use_a_thread_at_least() -> None:
    assert available_threads() >= 1


# -------------------------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_fails_first_is_what_is_raised(threads: int) -> None:
    # in one thread b comes before c in the second chunk, and the third is never reached
    components = [fails("a", 2 * CHUNK), fails("b", CHUNK + 3), fails("c", CHUNK), Sums("d"), Sums("e")]
    for _ in range(20):
        with pytest.raises(ValueError, match=f"^b at row {CHUNK + 3}$"):
            run(components, market(), threads)
    assert not others()


def test_what_a_thread_meets_shows_where_it_was_met() -> None:
    with pytest.raises(ValueError, match="a at row 0") as caught:
        run([fails("a", 0), Sums("b")], market(), 2)
    assert "meets" in [entry.name for entry in caught.traceback]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_an_interrupt_leaves_nobody_at_work(threads: int, request: pytest.FixtureRequest) -> None:
    # where the tests were started in the background the signal is ignored, by inheritance
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(
            [Sums("a"), Fails("b", at=CHUNK, meets=interrupt), Sums("c"), Sums("d")],
            market(20 * CHUNK),
            threads,
        )
    assert not others()


def test_a_component_that_leaves_is_not_taken_for_one_that_is_done() -> None:
    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run([Fails("a", at=CHUNK, meets=leave), Fails("b", at=CHUNK, meets=leave), Sums("c")], market(), 3)


def test_settings_of_numpy_hold_in_every_thread() -> None:
    @dataclass(frozen=True)
    class Divides(Sums):
        def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
            out[:, 0] = 1.0 / (rows["mid"] * 0.0)

    components: list[Sums] = [Divides(name, 1) for name in "abcdef"]
    with np.errstate(divide="ignore"):
        assert np.isinf(run(components, market(), 3)).all()
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        run(components, market(), 3)


def test_a_part_is_a_plain_record() -> None:
    part = parts_of({"a": Sums("a")}, INSTRUMENT)[1][0]
    assert isinstance(part, Part)
    assert (part.name, part.first, part.used.tolist(), part.block.shape) == ("a", 0, [0, 1], (CHUNK, 2))


# ------------------------------------------------------------------------------------------------ what is contained


def contained(
    components: list[Sums], rows: RowArray, size: int, threads: int = 1
) -> tuple[bytes, dict[str, str], list[bytes]]:
    """The matrix of all rows, taken `size` at a time; what is off then, and everybody's memory."""
    columns, parts = parts_of({c.name: c for c in components}, INSTRUMENT)
    off = Containment([part.name for part in parts], catches=True)
    matrix = np.zeros((len(rows), len(columns)))
    if size == 1:
        one, row = np.zeros(1, ROW), np.zeros((1, len(columns)))
        live = OneRow(parts, one, row, off)
        for t in range(len(rows)):
            one[0] = rows[t]
            live.update()
            matrix[t] = row[0]
    else:
        for at in range(0, len(rows), size):
            work = [(part, matrix[at : at + size]) for part in parts]
            update_all(work, rows[at : at + size], off, threads)
    return matrix.tobytes(), dict(off.told), [part.state.tobytes() for part in parts]


@dataclass(frozen=True)
class Wrong(Sums):
    """A component that goes wrong at a row, as it is seen row by row: half of it is written and remembered."""

    at: int = 0
    how: str = "raises"

    def update(self, rows: RowArray, state: StateArray, out: Floats) -> None:
        for row, to in zip(rows, out, strict=True):
            state["seen"] += 1
            state["sum"][0, 0] += row["mid"]
            to[0] = state["sum"][0, 0]
            if state["seen"][0] > self.at:
                self.go_wrong(to)
            to[1] = -to[0]

    def go_wrong(self, to: Floats) -> None:
        if self.how == "wide":
            to[:] = np.zeros(self.width + 1)
        elif self.how == "deep":
            to[:] = np.zeros((2, self.width))
        else:
            raise ValueError("of my own\nmaking")


@pytest.mark.parametrize("how", ["raises", "wide", "deep"])
@pytest.mark.parametrize("at", [0, 5, CHUNK - 1, CHUNK, CHUNK + 40])
def test_a_part_that_goes_wrong_is_off_from_that_row_on(at: int, how: str) -> None:
    rows = market(CHUNK + 60)
    components = [Sums("a"), Wrong("wrong", at=at, how=how), Plain("b", 3)]
    live, told, memories = contained(components, rows, 1)
    matrix = np.frombuffer(live).reshape(len(rows), -1)
    assert not np.isnan(matrix[:at, 2:4]).any()
    assert np.isnan(matrix[at:, 2:4]).all()
    others = run([Sums("a"), Plain("b", 3)], rows)
    assert matrix[:, [0, 1, 4, 5, 6]].tobytes() == others.tobytes()
    assert list(told) == ["wrong"]
    assert "test_parts.py, line" in told["wrong"]
    assert told["wrong"].startswith(
        "ValueError: of my own making" if how == "raises" else "ValueError: could not"
    )
    for size, threads in ((7, 1), (len(rows), 1), (len(rows), 3)):
        assert contained(components, rows, size, threads) == (live, told, memories), (size, threads)


def test_several_that_go_wrong_are_off_each_for_its_own_reason() -> None:
    rows = market(200)
    components = [fails("a", 3), Sums("b"), fails("c", 3), fails("d", 150)]
    live, told, _ = contained(components, rows, 1)
    assert {name: why.split(" (")[0] for name, why in told.items()} == {
        name: f"ValueError: {name} at row {at}" for name, at in (("a", 3), ("c", 3), ("d", 150))
    }
    assert contained(components, rows, 64)[:2] == (live, told)


def test_ctrl_c_is_not_contained() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    for size in (1, 50):
        with pytest.raises(KeyboardInterrupt):
            contained([Fails("a", at=3, meets=interrupt)], market(50), size)


def test_the_slowest_part_and_the_one_at_work_are_told() -> None:
    ticks = iter(range(0, 10**6, 10))
    seen: list[str] = []

    def linger() -> None:
        seen.append(live.at_work)
        for _ in range(5):
            next(ticks)

    components = {c.name: c for c in (Sums("a"), Fails("slow", at=1, meets=linger), Sums("b"))}
    _, parts = parts_of(components, INSTRUMENT)
    live = OneRow(
        parts,
        market(1),
        np.zeros((1, 6)),
        Containment(list(components), catches=True),
        lambda: next(ticks),
    )
    live.update()
    assert (live.slowest, live.at_work) == (("a", 10), "")
    live.update()
    assert (live.slowest, live.at_work, seen) == (("slow", 60), "", ["slow"])
