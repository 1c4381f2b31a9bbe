"""`btcframe record`: what a source gives, untouched, until it ends, its time is over, or somebody stops it."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from jobs.small import Said, make_run
from rich.console import Console

from btcframe.api import Batch
from btcframe.cli.console import Terminal
from btcframe.errors import ConfigError, DataError
from btcframe.hookspecs import hookimpl
from btcframe.jobs import backtest, build, facts, regimes, train
from btcframe.jobs import record as record_job
from btcframe.jobs import replay as replay_job
from btcframe.jobs import run as run_all
from btcframe.plugins import Catalog, discover
from btcframe.run import Run, load_manifest
from btcframe.sections import Record
from btcframe.session_log import FrameItem, Keeping, SessionLog, SessionWriter
from btcframe.sessions.recording import Meter, counters_of, until_stopped
from btcframe.sessions.session import SESSION
from btcframe.settings import check_settings
from btcframe.types import EVENT, NS, Frame, Instrument, Kind

INSTRUMENT = Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.001"), "spot")
START = 1_700_000_000 * NS


@dataclass(frozen=True)
class Counted:
    """Counters of a feed."""

    frames: int


class Feed:
    """Frames a second apart, two in a batch; the second says that the book was lost, the third that it is back."""

    instrument = INSTRUMENT
    counters = Counted(3)

    def __init__(self, frames: int, then: Callable[[int], None]) -> None:
        self.left, self.then, self.closed = frames, then, 0

    def __iter__(self) -> Iterator[Batch]:
        for i in range(0, self.left, 2):
            self.then(i)
            stamps = [START + n * NS for n in range(i, min(i + 2, self.left))]
            events = np.zeros(len(stamps), EVENT)
            events["local_ts"], events["mono_ts"] = stamps, 5 * NS
            events["kind"] = [Kind.CLEAR, Kind.GAP][: len(stamps)]
            yield Batch(events, [Frame(ts, "s", b"x" * 1000) for ts in stamps])

    def close(self) -> None:
        self.closed += 1


HAPPENS: dict[str, Callable[[int], None]] = {"nothing": lambda i: None}
"""What befalls a feed before its i-th frame, by name."""


@dataclass(frozen=True)
class Ticking:
    """A source of frames.

    Parameters
    ----------
    frames : int
    happens : str
    """

    frames: int = 10
    happens: str = "nothing"

    def open(self, *, seed: int) -> Feed:
        return Feed(self.frames, HAPPENS[self.happens])

    def decode(self, frames: Iterable[list[Frame]]) -> Feed:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return ""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    plugin = SimpleNamespace(
        __name__="ticking", btcframe_components=hookimpl(lambda: {"source": {"ticking": Ticking}})
    )
    return discover([("ticking", plugin)])


def recording(
    folder: Path, catalog: Catalog, *, frames: int = 10, happens: str = "nothing", **settings: object
) -> Run:
    source = {"plugin": "ticking", "frames": frames, "happens": happens}
    return make_run(
        folder, catalog, verb="record", source=source, record=vars(Record()) | {"sync": False} | settings
    )


def frames_of(directory: Path) -> tuple[list[Frame], bool | None]:
    log = SessionLog(directory / SESSION)
    frames = [item.frame() for item in log if isinstance(item, FrameItem)]
    return frames, log.complete


def test_everything_is_there_untouched_and_in_order(tmp_path: Path, catalog: Catalog) -> None:
    run = recording(tmp_path, catalog, frames=9, every="3s")
    with run.recorded():
        result = record_job.main(run)
    frames, complete = frames_of(run.dir)
    assert frames == [Frame(START + n * NS, "s", b"x" * 1000) for n in range(9)]
    assert complete
    assert (result.stopped, result.frames, result.parts) == ("end", 9, 3)
    told = load_manifest(run.dir)["results"]["record"]
    assert told["stopped"] == "end"
    assert (told["frames"], told["bytes"], told["events"]) == (9, 9000, 9)
    assert (told["snapshots"], told["gaps"]) == (5, 4)
    assert (told["first_ns"], told["last_ns"]) == (START, START + 8 * NS)
    assert told["size"] == result.size == sum(p.stat().st_size for p in run.dir.glob("session.*"))
    assert told["counters"] == {"connection": {"frames": 3}}
    assert {"latency", "clock"} < told.keys()
    header = SessionLog(run.dir / SESSION).header
    assert header["source"]["plugin"] == "ticking"
    assert (header["symbol"], header["tick"], header["lot"], header["contract"]) == (
        "BTC/USDT",
        "0.1",
        "0.001",
        "spot",
    )
    console = run.console
    assert isinstance(console, Said)
    assert console.lines[0].startswith("9 frames of BTC/USDT in 0:00:08 · 5 snapshots, 4 gaps · ")


@pytest.mark.parametrize(("text", "kept"), [("1s", 1), ("3s", 3), ("4s", 4), ("1h", 10)])
def test_it_ends_when_its_time_is_over(tmp_path: Path, catalog: Catalog, text: str, kept: int) -> None:
    run = recording(tmp_path, catalog, duration=text)
    result = record_job.main(run)
    assert (result.stopped, result.frames) == ("duration" if kept < 10 else "end", kept)
    assert frames_of(run.dir) == ([Frame(START + n * NS, "s", b"x" * 1000) for n in range(kept)], True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_leaves_a_whole_recording(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setitem(HAPPENS, "stop", lambda i: signal.raise_signal(number) if i == 4 else None)
    run = recording(tmp_path, catalog, frames=1000, happens="stop")
    with run.recorded():
        result = record_job.main(run)
    assert (result.stopped, result.frames) == ("asked", 6)
    assert frames_of(run.dir)[1]
    assert load_manifest(run.dir)["results"]["record"]["stopped"] == "asked"
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_interrupt_does_not_wait() -> None:
    now = [5.0]
    with until_stopped(lambda: now[0]) as stopped, pytest.raises(KeyboardInterrupt):
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped()
        signal.raise_signal(signal.SIGINT)  # the same one, sent to the process group as well
        now[0] += 1.5
        signal.raise_signal(signal.SIGTERM)


def test_a_feed_that_fails_leaves_what_came_before(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(i: int) -> None:
        if i == 4:
            raise DataError("the exchange has gone away")

    monkeypatch.setitem(HAPPENS, "fail", fail)
    run = recording(tmp_path, catalog, happens="fail")
    with pytest.raises(DataError, match="gone away"), run.recorded():
        record_job.main(run)
    frames, complete = frames_of(run.dir)
    assert (len(frames), complete) == (4, False)
    with pytest.raises(DataError, match="its status is 'failed'"):
        load_manifest(run.dir)


def test_what_gives_no_frames_is_refused(tmp_path: Path, catalog: Catalog) -> None:
    for name in ("synthetic", "random_walk", "klines"):
        run = make_run(tmp_path, catalog, name, verb="record", source={"plugin": name})
        with pytest.raises(ConfigError, match=f"source {name} gives no frames: there is nothing to record"):
            record_job.main(run)
    with pytest.raises(DataError, match="source ticking gave no frame"):
        record_job.main(recording(tmp_path, catalog, frames=0))


@pytest.mark.parametrize(
    "job", [build, train, backtest, facts, regimes, run_all], ids=lambda job: job.__name__
)
def test_every_other_job_wants_a_recording(tmp_path: Path, catalog: Catalog, job: ModuleType) -> None:
    run = make_run(tmp_path, catalog, source={"plugin": "bybit"}, beside=[], trained="")
    with pytest.raises(ConfigError, match="source bybit is live: it will not say the same again"):
        job.main(run)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("duration", "soon", r"record\.duration: 'soon' is not a duration"),
        ("flush", "1", r"record\.flush: '1' is not a duration"),
        ("every", "1 week", r"record\.every: '1 week' is not a duration"),
        ("part", -1, r"record\.part: -1 is not a number of bytes"),
    ],
)
def test_impossible_settings_are_refused(
    tmp_path: Path, catalog: Catalog, setting: str, value: object, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        check_settings(recording(tmp_path, catalog, **{setting: value}).config)


def test_a_recording_is_no_session_to_replay(tmp_path: Path, catalog: Catalog) -> None:
    run = recording(tmp_path, catalog)
    with run.recorded():
        record_job.main(run)
    with pytest.raises(DataError, match="is a recording: it holds what a source gave") as caught:
        replay_job.replay(make_run(tmp_path, catalog, "replay"), run.dir)
    assert caught.value.next == f"Use it as a source: btcframe run source=session_log source.path={run.dir}"


# -------------------------------------------------------------------------------------------------- while it runs


def test_the_line_says_how_it_stands(tmp_path: Path) -> None:
    now = [0]
    with SessionWriter(tmp_path / SESSION, {}, Keeping(block=1)) as log:
        feed = Feed(4, lambda i: None)
        meter = Meter(feed, log, lambda: now[0])
        for batch in feed:
            log.batch(batch)
            meter.took(batch)
        now[0] = 5 * NS + 2_500_000
        line = meter.line()
        assert line.startswith("0:00:05  4 frames, 1/s · 2 snapshots, 2 gaps · lag 2.5 ms · ")
        assert line.endswith("in 1 file")
        now[0] += 3700 * NS
        assert meter.line().startswith("1:01:45  4 frames, 0/s · ")


def test_counters_are_those_there_are() -> None:
    decoder = SimpleNamespace(counters=Counted(5))
    assert counters_of(SimpleNamespace(decoder=decoder)) == {"decoder": {"frames": 5}}  # type: ignore[arg-type]
    assert counters_of(SimpleNamespace()) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(("terminal", "shown"), [(True, [0, 50, 100]), (False, [60])])
def test_a_terminal_shows_it_often_and_a_file_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, shown: list[int]
) -> None:
    now = [0.0]
    monkeypatch.setattr("btcframe.cli.console.time.monotonic", lambda: now[0])
    console, made = Terminal(), []
    console._err = Console(file=io.StringIO(), force_terminal=terminal)  # type: ignore[assignment]

    def line() -> str:
        made.append(round(now[0] * (100 if terminal else 1)))
        return "[how] it stands"

    with console.watch() as show:
        for tick in range(110):
            now[0] = tick / 100 if terminal else float(tick)
            show(line)
        assert "[how] it stands" in console._err.file.getvalue()  # type: ignore[attr-defined]
    assert made == shown


def test_the_command_line_records_and_reads_back(btcframe: Callable[..., object], tmp_path: Path) -> None:
    stamp = 1_700_000_000_000_000_000
    book = '{"lastUpdateId":5,"E":1,"T":1,"bids":[["100.0","1"]],"asks":[["100.1","1"]]}'
    trade = (
        '{"stream":"btcusdt@trade","data":{"E":1,"T":1,"t":%d,"p":"100.1","q":"0.005","X":"MARKET","m":true}}'
    )
    lines = [f"{stamp} {book}", *(f"{stamp + NS * i} {trade % i}" for i in range(1, 100))]
    (tmp_path / "work" / "day").write_text("\n".join(lines) + "\n")
    done = btcframe(
        "record", "source=binance_raw", "source.paths=[day]", "hydra.run.dir=rec", "record.duration=20s"
    )
    assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    assert "20 frames of BTC/USDT:USDT in 0:00:19" in done.stdout  # type: ignore[attr-defined]
    assert "btcframe run source=session_log source.path=rec" in done.stdout  # type: ignore[attr-defined]
    built = btcframe(
        "build", "source=session_log", "source.path=rec", "clock.every=1s", "features=[book]", "hydra.run.dir=made",
        "label.horizons=[2s]", "regime.window=2",
    )  # fmt: skip
    assert built.returncode == 0, built.stderr  # type: ignore[attr-defined]
    manifest = json.loads((tmp_path / "work" / "made" / "manifest.json").read_text())
    assert manifest["results"]["build"]["rows"] == 19
