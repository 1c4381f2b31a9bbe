"""`btcframe session` as a user meets it, against sessions that answer, stand still, are stopped, or are gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import small_trader
from watched import Session

from btcframe import explain
from btcframe.cli import main as cli
from btcframe.cli.session import main
from btcframe.errors import ConfigError, DataError, SessionError, StoreError
from btcframe.session_log import SessionWriter
from btcframe.sessions.session import SESSION, TABLES, header
from btcframe.trading.audit import Audit
from btcframe.watch.processes import this_process
from btcframe.watch.status import read_status, write_status
from btcframe.watch.switch import standing
from btcframe.watch.watching import Watcher, watching

Run = Callable[..., subprocess.CompletedProcess[str]]

CHILD = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from watched import Session
from btcframe.watch.watching import watching

with watching(Path(sys.argv[1]), Session(time.monotonic_ns, deaf=sys.argv[2] == "deaf").live()):
    print("ready", flush=True)
    sys.stdin.read()  # the trader's thread stands still; it hears nothing, and the watcher goes on
"""


@contextmanager
def child(directory: Path, kind: str) -> Iterator[subprocess.Popen[bytes]]:
    """A session in a process of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", CHILD, str(directory), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stdin is not None
        assert running.stdout.readline() == b"ready\n"
        try:
            yield running
        finally:
            running.kill()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("btcframe.watch.status.STUCK_NS", 10**12)  # on a busy machine nobody is stuck
    monkeypatch.setattr("btcframe.cli.session.WAIT", 60.0)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    return Path("runs/one")


def gone(directory: Path, **changes: object) -> None:
    """A session whose process is not there any more."""
    told = Watcher(directory, Session().live()).told("running")
    process = this_process()._replace(started=1)._asdict()
    write_status(directory, told | {"process": process} | changes)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_how_it_stands(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = Session()
    session.cause = "asked by somebody"
    session.live(contained={"features.ofi": "ValueError: 3"})
    with watching(runs, session):
        assert main([]) == 0
        text = said(capsys)
        assert main(["status", str(runs), "--json"]) == 0
        told = json.loads(said(capsys))
    for part in (
        "runs/one · running", "symbol BTC/USDT:USDT", "active: asked by somebody", " ms ago, the last row ended ", "100.0 × 0.01 / 100.2 × 0.01",
        "1.50 bps in 1 s, -2.50 bps in 5 s (model 4)", "calm 0.25, wild 0.75", "-0.002 at 100.00, no orders work", "equity 950.00",
        "features.ofi: ValueError: 3", "max_position 2", "messages 12", "fills 3",
    ):  # fmt: skip
        assert part in text, part
    assert max(map(len, text.splitlines())) <= 80
    assert told["condition"] == "running" and told["state"] == "active" and told["signals"]["mid"] == 100.1
    assert told["directory"] == "runs/one" and told["alive"] is True


def test_of_several_the_newest_is_meant_and_the_others_are_named(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = Path("runs/two")
    two.mkdir()
    with watching(runs, Session().live()), watching(two, Session().live()):
        assert main(["halt", "--no-kill"]) == 0
        told = capsys.readouterr()
        assert told.out.startswith("runs/two is halted")
        assert told.err == "This is the newest session that runs here; there are others: runs/one\n"
        assert read_status(runs).state == "active"


def test_before_its_first_batch(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with watching(runs, Session()):
        assert main(["status"]) == 0
    assert "nothing was consumed yet" in said(capsys)


def test_without_a_book_a_row_or_a_model(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = Session().live()
    told = Watcher(runs, session).told("running")
    told["signals"] |= {
        "usable": False, "row_age_ns": None, "staleness_ns": None, "quality": None, "model": -1, "regime": {},
        "predictions": [],
    }  # fmt: skip
    write_status(
        runs, told | {"signals": told["signals"] | {"model": 3, "predictions": [{"mean_bps": None}]}}
    )
    assert main(["status"]) == 0
    assert "predicts     nothing yet: what it needs is not known (model 3)" in said(capsys)
    write_status(runs, told | {"error": "OSError: full", "metrics": "http://127.0.0.1:1/metrics"})
    assert main(["status"]) == 0
    text = said(capsys)
    for part in (
        "not usable", "the book never, the last row ended never", "quality unknown", "there is no model", "OSError: full",
        "http://127.0.0.1:1/metrics", "regime       none",
    ):  # fmt: skip
        assert part in text, part


def test_halted_and_resumed_by_a_session_that_answers(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with watching(runs, Session().live()):
        assert main(["halt", "--no-kill", "--why", "lunch", str(runs)]) == 0  # it is this process
        assert "runs/one is halted: its orders are canceled" in said(capsys)
        status = read_status(runs)
        assert status.state == "halted" and str(status.told["signals"]["cause"]).endswith(": lunch")
        assert main(["halt", "--no-kill", "--json"]) == 0  # again
        assert json.loads(said(capsys))["done"] == "halted"
        assert main(["resume", "--json", "--why=back"]) == 0
        told = json.loads(said(capsys))
        assert told["done"] == "active" and told["cause"].endswith(": back")
        assert read_status(runs).state == "active" and standing(runs) is None
        assert main(["resume"]) == 0 and said(capsys) == "runs/one is active.\n"


def test_a_trader_that_stands_still_is_ended(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with child(runs, "deaf") as running:
        assert main(["halt", "--wait", "0"]) == 0
        assert f"its process {running.pid} was ended" in said(capsys)
        assert running.wait(60) == -signal.SIGKILL
        status = read_status(runs)
        assert status.condition == "died" and standing(runs) is not None
        with pytest.raises(
            SessionError, match=r"no session runs here .*\nThe newest session here is runs/one \(died\)"
        ):
            main(["status"])
        assert main(["status", str(runs)]) == 8
        text = said(capsys)
        assert "runs/one · died: its process has gone without a word" in text
        assert "switch       halted, asked by" in text


def test_a_process_that_is_stopped_whole_is_ended(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with child(runs, "hears") as running:
        running.send_signal(signal.SIGSTOP)  # no thread of it runs any more
        os.waitpid(running.pid, os.WUNTRACED)
        assert main(["halt", "--wait=0", "--json"]) == 0
        assert json.loads(said(capsys))["done"] == "killed"
        assert running.wait(60) == -signal.SIGKILL


def test_one_that_only_hears_is_halted_by_its_watcher(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with child(runs, "hears") as running:
        assert main(["halt"]) == 0
        assert "is halted" in said(capsys) and running.poll() is None
        assert running.stdin is not None
        running.stdin.close()
        assert running.wait(60) == 0
    assert read_status(runs).condition == "ended"


def test_where_nothing_can_be_written_it_is_ended_all_the_same(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError(
            "the request to halt cannot be written: No space left on device", where="runs/one/halt.json"
        )

    monkeypatch.setattr("btcframe.cli.session.ask", full)
    with child(runs, "hears") as running:
        with pytest.raises(SessionError, match="runs/one: it was left alone, but the request to halt cannot"):
            main(["halt", "--no-kill"])
        assert running.poll() is None
        with pytest.raises(
            SessionError, match=r"process \d+ was ended, but .*\nA session that starts from it does not"
        ):
            main(["halt"])
        assert running.wait(60) == -signal.SIGKILL
        with pytest.raises(SessionError, match="it does not run, but"):
            main(["halt", "runs/one"])


def test_not_to_be_ended(runs: Path) -> None:
    with child(runs, "deaf") as running:
        with pytest.raises(SessionError, match=r"does not answer within 0 s\nIt halts as soon as it looks"):
            main(["halt", "--wait", "0", "--no-kill"])
        assert running.poll() is None and standing(runs) is not None


def test_a_session_that_does_not_resume(runs: Path) -> None:
    session = Session(deaf=True)
    session.state = type(session.state).HALTED
    with watching(runs, session.live()), pytest.raises(SessionError, match="within 0 s: it is halted\n"):
        main(["resume", "--wait", "0"])


def test_one_that_does_not_run_begins_halted(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone(runs)
    assert main(["halt", str(runs)]) == 0
    assert "runs/one does not run. A session that starts from it begins halted." in said(capsys)
    assert standing(runs) is not None
    assert main(["resume", str(runs)]) == 0
    assert "begins active" in said(capsys) and standing(runs) is None


@pytest.mark.parametrize("command", ["halt", "resume"])
def test_one_that_is_elsewhere(runs: Path, command: str) -> None:
    gone(runs, process=this_process()._replace(boot="other")._asdict())
    with pytest.raises(
        SessionError, match=r"on another machine.*\nA file halt.json .*\nDo the same where it runs"
    ):
        main([command, str(runs)])
    assert main(["status", str(runs)]) == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (
            ["hlat"],
            ConfigError,
            "btcframe session hlat: there is no such command\nDid you mean btcframe session halt?",
        ),
        (["status", "a", "b"], ConfigError, "btcframe session status takes no 'b'"),
        (["status", "--why", "x"], ConfigError, "btcframe session status takes no '--why'\nIt takes --json."),
        (["status", "--json=1"], ConfigError, "takes no '--json=1'"),
        (["halt", "--why"], ConfigError, "btcframe session halt --why needs a value"),
        (["halt", "--wait", "soon"], ConfigError, "--wait: 'soon' is not a number of seconds"),
        (["halt", "--wait=-1"], ConfigError, "--wait: '-1' is not a number of seconds"),
        (["halt", "--wait=nan"], ConfigError, "--wait: 'nan' is not a number of seconds"),
        (["status"], SessionError, "no session runs here"),
        (
            ["status", "nowhere"],
            SessionError,
            "nowhere is not the directory of a session: it has no status.json",
        ),
        (["explain", "a", "b"], ConfigError, "'a' is not the number of an order"),
        (["explain", "3"], DataError, "nothing was traded here"),
    ],
)
def test_what_makes_no_sense_is_refused(
    runs: Path, arguments: list[str], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind) as error:
        main(arguments)
    assert says in str(error.value)


def test_an_order_explained(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is told is tested with `btcframe.explain`; here, that it is asked for in every way there is."""
    with SessionWriter(runs / SESSION, header(small_trader.INSTRUMENT)):
        pass
    (runs / "manifest.json").write_text(
        json.dumps(
            {"id": "one", "verb": "trade", "status": "running", "config_hash": "", "code": {}, "git": None}
        )
    )
    subject = small_trader.play(small_trader.trader(small_trader.CHASE, audit=Audit(runs / TABLES)))
    subject.close()
    gone(runs)
    expected = explain.describe(explain.explain(runs, 2))
    for arguments in (["2"], ["2", "runs/one"], ["runs/one", "2"]):
        assert main(["explain", *arguments]) == 0
        assert said(capsys) == f"{expected}\n"
    assert main(["explain", "2", "--json"]) == 0
    assert json.loads(said(capsys))["order_id"] == 2
    assert main(["explain"]) == 0
    assert said(capsys) == f"{explain.describe_orders(runs)}\n"
    assert main(["explain", "--json", "runs/one"]) == 0
    assert len(json.loads(said(capsys))) == len(explain.orders(runs))
    with pytest.raises(DataError, match="there is no order 100000 in runs/one"):
        main(["explain", "100000"])


def test_a_status_that_is_damaged(runs: Path) -> None:
    (runs / "status.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        main(["status", str(runs)])


def test_the_exit_code_and_the_words_of_the_command_itself(btcframe: Run) -> None:
    done = btcframe("session", "status")
    assert done.returncode == 8 and done.stderr.startswith("no session runs here (")
    done = btcframe("session", "--help")
    assert done.returncode == 0 and "halt [DIR]" in done.stdout and "explain ORDER [DIR]" in done.stdout


def test_nothing_heavy_is_imported_to_halt() -> None:
    code = (
        "import sys; from btcframe.cli import session as session_command; from btcframe.watch import status; from btcframe.watch import switch; "
        "bad = {'numpy', 'numba', 'rich', 'hydra', 'prometheus_client', 'btcframe.api'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_completion_offers_commands_and_sessions(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone(runs)
    for line, offered in (
        ("btcframe sess", "session"), ("btcframe session h", "halt"), ("btcframe session status ru", "runs/one"),
        ("btcframe session status --", "--json"),
    ):  # fmt: skip
        cli.dispatch(["__complete", "zsh", line])
        assert said(capsys).split() == [offered]
