"""A process is more than its number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from btcframe.errors import SessionError
from btcframe.watch.processes import Process, process_of, this_process

WAITS = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]


def child(running: subprocess.Popen[bytes]) -> Process:
    assert running.stdout is not None
    running.stdout.readline()  # it runs
    me = this_process()
    started = int(Path(f"/proc/{running.pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    return Process(running.pid, started, me.boot, me.space)


def test_this_one_runs() -> None:
    me = this_process()
    assert me.alive and me.reachable and process_of(me._asdict()) == me


@pytest.mark.parametrize("change", [{"boot": "other"}, {"space": "pid:[1]"}])
def test_elsewhere_nothing_can_be_said(change: dict[str, str]) -> None:
    other = this_process()._replace(**change)  # type: ignore[arg-type]
    assert not other.reachable and not other.alive


def test_it_is_ended_and_only_it() -> None:
    with subprocess.Popen(WAITS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        process = child(running)
        assert process.alive
        process._replace(started=process.started - 1).end(60)  # the number was given to another one
        assert process.alive and running.poll() is None
        process.end(60)
        assert not process.alive  # though nobody has waited for it yet
        assert running.wait(60) == -9
    process.end(60)  # again, which is harmless


def test_a_name_with_brackets_and_blanks() -> None:
    code = "import ctypes; ctypes.CDLL(None).prctl(15, b'x) R 1 (', 0, 0, 0)\n" + WAITS[2]
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        process = child(running)
        assert process.alive
        process.end(60)


def test_another_user_s_process_is_not_ours_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("signal.pidfd_send_signal", refuse)
    with pytest.raises(SessionError, match=r"another user's.*\nDo the same as that user"):
        this_process().end(0)


def test_one_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.pidfd_send_signal", lambda *_: None)  # as where it waits for a disk
    with pytest.raises(SessionError, match="has not ended within 0 s"):
        this_process().end(0)
