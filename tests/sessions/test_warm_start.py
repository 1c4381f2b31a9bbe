"""A session goes on from the best that an earlier one remembers, to the bit; what does not fit is refused with why."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import part_market as pm
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jobs.small import make_run

from btcframe.errors import DataError
from btcframe.jobs import build, record
from btcframe.learning import building
from btcframe.run import Run
from btcframe.sections import Record
from btcframe.session_log import SessionLog
from btcframe.sessions import saved_state
from btcframe.sessions import warm_start as ws
from btcframe.sessions.saved_state import read_state
from btcframe.sessions.session import SESSION, STATE, open_pipeline
from btcframe.sessions.warm_start import WarmStart, warm_start

FEATURES = ("book", "returns", "volatility", "moments", "trades", "flow", "urgency", "toxicity")
CLOCK = {"plugin": "time", "every": "100ms"}
names = itertools.count()


@pytest.fixture(scope="module")
def catalog() -> Any:
    return pm.catalog()


@pytest.fixture(scope="module", autouse=True)
def code() -> Iterator[None]:
    """Digests that stay while a developer edits the code; the true ones have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        packages = ("btcframe", "btcframe_features", "btcframe_regimes")
        for module in (ws, building):
            patch.setattr(module, "code_of", lambda nodes, catalog: dict.fromkeys(packages, "0"))
        patch.setattr(ws, "code_digest", lambda name: "0")
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


Make = Callable[..., Run]


@pytest.fixture(scope="module")
def make(home: Path, catalog: Any) -> Make:
    def run(**changes: Any) -> Run:
        source = {"plugin": "part"} | changes.pop("source", {})
        standard = {"features": {name: {"plugin": name} for name in FEATURES}, "clock": CLOCK}
        return make_run(home, catalog, f"run-{next(names)}", **standard | {"source": source} | changes)

    return run


def begin(run: Run) -> tuple[WarmStart, Any, tuple[bytes, bytes, bytes]]:
    """Start a session as the job does: what it started from, its pipeline at the end, and its bits."""
    feed = run.component("source").open(seed=run.seed)
    start, batches = warm_start(run, feed)
    assert start is not None
    pipeline = open_pipeline(run, feed.instrument)
    if start.state is not None:
        pipeline.restore(start.state.memory)
    return start, pipeline, pm.push(pipeline, np.concatenate([b.events for b in batches]))


def check_equal(run: Run, cut: int, pipeline: Any, bits: tuple[bytes, bytes, bytes], lost: int = 0) -> None:
    """The second part's rows and columns, and what features and regime remember, are those of one session."""
    seed = run.seed
    first, second = pm.Part(0, cut).events(seed), run.component("source").events(seed)
    reference, expected = pm.uninterrupted(run, first, second, lost)
    assert bits == expected
    assert len(bits[1]) > 0
    ours, theirs = pipeline.save(), reference.save()
    for name in ours:
        if name.startswith(("features.", "regime", "seen", "clock")):
            assert ours[name].tobytes() == theirs[name].tobytes(), name


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    cut=st.integers(60, 4000), seed=st.integers(0, 3), way=st.sampled_from(["saved state", "session log"]),
    framed=st.booleans(), killed=st.booleans(), later=st.sampled_from(["0s", "7s", "90s"]),
)  # fmt: skip
def test_two_sessions_are_one(
    make: Make, cut: int, seed: int, way: str, framed: bool, killed: bool, later: str
) -> None:
    first = make(seed=seed, source={"until": cut, "framed": framed}, state={"every": "20s", "fresh": "10m"})
    pm.play(first, killed=killed)
    if way == "session log":
        (first.dir / STATE).unlink(missing_ok=True)
    source = {"since": cut, "later": later, "framed": framed}
    second = make(seed=seed, source=source, warm_start=str(first.dir))
    start, pipeline, bits = begin(second)
    if killed and not (first.dir / STATE).exists():
        way = "session log"  # it did not last long enough for a first state
    assert start.way == way
    assert list(start.refused) == ([] if way == "saved state" else ["saved state"])
    assert ("no closing line" in start.note) == killed
    check_equal(second, cut, pipeline, bits)


class AtOnce:
    """A pool whose thread is always faster than the caller."""

    def __init__(self, threads: int, name: str) -> None: ...

    def submit(self, what: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(what(*arguments))
        return done

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def test_the_state_and_the_rest_of_the_log_are_the_state_at_the_end(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is of a while before the end; what the log holds after it, and no event twice, is added."""
    monkeypatch.setattr(
        saved_state, "ThreadPoolExecutor", AtOnce
    )  # a slow one would put a state off until the end
    run = make(source={"until": 3000}, state={"every": "30s", "fresh": "10m"})
    whole = pm.play(run, killed=True)
    saved = read_state(run.dir / STATE)
    events = pm.Part(0, 3000).events(run.seed)
    assert 0 < saved.events < len(events) == sum(item.n for item in SessionLog(run.dir / SESSION))  # type: ignore[union-attr]
    assert saved.now_ns == events["local_ts"][: saved.events].max()
    pipeline = open_pipeline(run, pm.PartFeed.instrument)
    pipeline.restore(saved.memory)
    assert pipeline.rows_seen == saved.rows > 0
    pm.push(pipeline, events[saved.events :])
    ours, theirs = pipeline.save(), whole.save()
    for name in ours.keys() - {"ahead"}:  # how far the clock has looked ahead: the same place, said otherwise
        assert ours[name].tobytes() == theirs[name].tobytes(), name


@pytest.mark.parametrize("second", [64, 100, 171])
def test_the_rows_of_a_build_are_as_good_where_it_ends_on_an_edge(make: Make, second: int) -> None:
    cut, edge = pm.at_an_edge(7, second)
    # one more message closes the last row; a table of rows knows nothing of the row it falls in
    first = make(source={"until": cut + 1}, build={"batch": 64, "rows": True})
    with first.recorded():
        build.main(first)
    run = make(source={"since": cut}, warm_start=str(first.dir))
    start, pipeline, bits = begin(run)
    assert start.way == "store"
    assert list(start.refused) == ["saved state", "session log"]
    assert start.refused["saved state"].startswith("there is no saved state")
    assert "there is no session log" in start.refused["session log"]
    check_equal(run, cut, pipeline, bits, edge + 1)


def test_a_recording_of_several_files_is_a_session_to_start_from(make: Make) -> None:
    how = vars(Record()) | {"every": "20s", "sync": False}
    first = make(source={"until": 3000, "framed": True}, verb="record", record=how)
    with first.recorded():
        record.main(first)
    assert len(SessionLog(first.dir / SESSION).paths) > 3
    run = make(source={"since": 3000, "framed": True}, warm_start=str(first.dir))
    start, pipeline, bits = begin(run)
    assert start.way == "session log"
    check_equal(run, 3000, pipeline, bits)


def test_other_features_start_from_the_log(make: Make) -> None:
    """What a state cannot be used for, the market behind it can."""
    first = make(source={"until": 2500}, features={"book": {"plugin": "book"}})
    pm.play(first)
    run = make(source={"since": 2500}, warm_start=str(first.dir))
    start, pipeline, bits = begin(run)
    assert start.way == "session log"
    assert "features.returns.plugin (none then, returns now)" in start.refused["saved state"]
    check_equal(run, 2500, pipeline, bits)


@pytest.fixture(scope="module")
def first(make: Make) -> Run:
    """A whole session, and its build in the store."""
    run = make(source={"until": 2500}, build={"batch": 500, "rows": True})
    with run.recorded():
        build.main(run)
        pm.play(run)
    return run


def refusals(make: Make, directory: Path, **changes: Any) -> dict[str, str]:
    run = make(**{"source": {"since": 2500}, "warm_start": str(directory)} | changes)
    start, _, bits = begin(run)
    if start.way == "cold":
        assert start.state is None
        fresh = open_pipeline(run, pm.PartFeed.instrument)
        assert bits == pm.push(fresh, run.component("source").events(run.seed))
    return dict(start.refused)


def test_another_config_is_refused_with_what_differs(make: Make, first: Run) -> None:
    told = refusals(make, first.dir, clock={"plugin": "time", "every": "1s"}, select=["*", "!book"])
    assert list(told) == ["saved state"]
    assert told["saved state"].startswith(
        "it is of another config: clock.every (100ms then, 1s now), select (['*'] then"
    )
    few = {"book": {"plugin": "book"}, "returns": {"plugin": "returns"}}
    told = refusals(make, first.dir, features=few)
    assert "features.trades.plugin (trades then, none now)" in told["saved state"]
    assert told["saved state"].endswith(" more")


def test_stale_memories_are_refused(make: Make, first: Run) -> None:
    told = refusals(make, first.dir, source={"since": 2500, "later": "15m"})
    assert list(told) == ["saved state", "session log", "store"]
    for why in told.values():
        assert "it is stale: it ends 900." in why
        assert why.endswith("before the first event, and state.fresh is 10m")
    long = refusals(
        make, first.dir, source={"since": 2500, "later": "15m"}, state={"every": "0s", "fresh": "1h"}
    )
    assert long == {}


def test_memories_from_the_future_are_refused(make: Make, first: Run) -> None:
    told = refusals(make, first.dir, source={"since": 1900})
    assert list(told) == [
        "saved state",
        "session log",
    ]  # of a table, the rows before the first event are taken
    assert all("it is from the future: it ends " in why for why in told.values())
    told = refusals(make, first.dir, source={})
    assert told["store"].endswith("has no row before the first event")


@pytest.mark.parametrize(
    "what", ["compiler.numpy", "compiler.cpu", "code.btcframe.kernels", "code.btcframe_features"]
)
def test_what_another_machine_or_code_remembers_is_refused(
    make: Make, first: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    true = ws.identity_of

    def changed(*arguments: Any) -> dict[str, Any]:
        identity = true(*arguments)
        group, _, name = what.partition(".")
        assert name in identity[group]
        identity[group][name] = "other"
        return identity

    monkeypatch.setattr(ws, "identity_of", changed)
    (told,) = refusals(make, first.dir).items()
    named = f"the code of {what.partition('.')[2]}" if what.startswith("code") else f"{what} ("
    assert told[0] == "saved state"
    assert f"it is of another config: {named}" in told[1]


def test_damage_is_refused_and_named(make: Make, first: Run, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(first.dir, folder)
    state, log = folder / STATE, folder / SESSION
    state.write_bytes(state.read_bytes()[:-1])
    told = refusals(make, folder)
    assert list(told) == ["saved state"]
    assert told["saved state"].startswith("the saved state is damaged")
    log.write_bytes(log.read_bytes()[:30])
    assert list(refusals(make, folder)) == ["saved state", "session log"]
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"complete"', '"interrupted"'))
    told = refusals(make, folder)
    assert list(told) == ["saved state", "session log", "store"]
    assert "is not whole" in told["store"]
    manifest.write_text("{")
    assert "cannot be read" in refusals(make, folder)["store"]


def test_a_damaged_end_of_the_log_is_named_and_not_used(make: Make, tmp_path: Path) -> None:
    run = make(source={"until": 2500}, state={"every": "20s", "fresh": "10m"})
    pm.play(run, killed=True)
    saved = read_state(run.dir / STATE)
    content = (run.dir / SESSION).read_bytes()
    (run.dir / SESSION).write_bytes(content[:-12])
    start, pipeline, _ = begin(make(source={"since": 2500}, warm_start=str(run.dir)))
    assert start.way == "saved state"
    assert start.note
    assert pipeline.rows_seen > saved.rows
    (run.dir / SESSION).unlink()
    start, _, _ = begin(make(source={"since": 2500}, warm_start=str(run.dir)))
    assert start.way == "saved state"
    assert "there is no session log" in start.note
    assert start.gap_ns == pm.Part(2500).events(7)["local_ts"][0] - saved.now_ns


def test_a_log_that_ends_before_the_state_is_said(make: Make) -> None:
    short, long = make(source={"until": 1500}), make(source={"until": 2500})
    pm.play(short)
    pm.play(long)
    shutil.copy(short.dir / SESSION, long.dir / SESSION)
    (long.dir / SESSION).write_bytes((short.dir / SESSION).read_bytes())
    start, _, _ = begin(make(source={"since": 2500}, warm_start=str(long.dir)))
    assert start.way == "saved state"
    missing = len(pm.Part(0, 2500).events(7)) - len(pm.Part(0, 1500).events(7))
    assert start.note == f"the session log ends {missing:,} events before the saved state"


def test_another_instrument_is_refused(make: Make, first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    other = pm.PartFeed.instrument._replace(symbol="ETH/USDT:USDT")
    monkeypatch.setattr(pm.PartFeed, "instrument", other)
    told = refusals(make, first.dir)
    difference = "symbol (BTC/USDT:USDT then, ETH/USDT:USDT now)"
    assert list(told) == ["saved state", "session log", "store"]
    assert all(difference in why for why in told.values())


def test_a_build_without_raw_rows_or_of_another_clock_is_refused(make: Make) -> None:
    plain, other = (
        make(source={"until": 2500}),
        make(source={"until": 2500}, build={"batch": 500, "rows": True}),
    )
    for run in (plain, other):
        with run.recorded():
            build.main(run)
    assert "holds no raw rows" in refusals(make, plain.dir)["store"]
    told = refusals(make, other.dir, clock={"plugin": "time", "every": "2s"})["store"]
    assert told == "it is of another config: clock.every (100ms then, 2s now)"
    shutil.rmtree(Path(other.config["store"]["path"]))
    assert "the store holds no build" in refusals(make, other.dir)["store"]


def test_what_is_said(make: Make, first: Run, tmp_path: Path) -> None:
    start, _, _ = begin(make(source={"since": 2500}, warm_start=str(first.dir)))
    assert start.state is not None
    assert start.describe().startswith(f"Warm start from the saved state: {start.state.rows:,} rows, 0.")
    cold, _, _ = begin(make(source={"since": 2500}, warm_start=str(tmp_path)))
    lines = cold.describe().splitlines()
    slowest = max(c.warmup for c in open_pipeline(first, pm.PartFeed.instrument).columns)
    assert lines[0] == f"Cold start: nothing is remembered; everything is known after {slowest:,} more rows"
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "  not from the saved state", "  not from the session log", "  not from the store",
    ]  # fmt: skip
    assert json.loads(json.dumps(start.plain()))["way"] == "saved state"


def test_a_feed_without_events(make: Make, tmp_path: Path) -> None:
    run = make(warm_start=str(tmp_path))
    with pytest.raises(DataError, match="the source gives no event"):
        warm_start(run, pm.PartFeed([]))
    assert warm_start(make(), pm.PartFeed([]))[0] is None
