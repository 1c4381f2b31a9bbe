"""A recorder that is killed with -9 at any moment: its log opens, and has everything that it had acknowledged."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from session_logs import numbered

from btcframe.session_log import LOG, FrameItem, SessionLog

RECORDER = """
import os, struct, sys
from pathlib import Path
from session_logs import HEADER, numbered
from btcframe.session_log import Keeping, SessionWriter

path, behind, step = Path(sys.argv[1]), sys.argv[2] == "1", int(sys.argv[3])
log = SessionWriter(path, HEADER, Keeping(block=3000, flush_ns=2_000_000, part_bytes=20_000, behind=behind))
told = 0
for i in range(0, 10**9, step):
    log.frames(numbered(step, i))
    if log.acknowledged != told:
        told = log.acknowledged
        os.write(1, struct.pack("<q", told))
"""


def killed(folder: Path, seed: int) -> tuple[int, SessionLog]:
    """Items acknowledged by a recorder before it was killed, and its log."""
    draw = random.Random(seed)
    said, behind, step = draw.randrange(1, 120), draw.random() < 0.7, draw.randrange(1, 80)
    path = folder / LOG
    command = [sys.executable, "-c", RECORDER, str(path), str(int(behind)), str(step)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        last = process.stdout.read(8 * said)[-8:]
        process.kill()
        rest = process.stdout.read()
    whole = len(rest) // 8 * 8
    return struct.unpack("<q", (last + rest[:whole])[-8:])[0], SessionLog(path)


def check(folder: Path, seed: int) -> int:
    """Bytes that were cut."""
    acknowledged, log = killed(folder, seed)
    frames = [item.frame() for item in log if isinstance(item, FrameItem)]
    assert log.complete is False
    assert len(frames) >= acknowledged
    assert frames == numbered(len(frames))
    assert log.summary().last_ns == frames[-1].local_ts
    return log.cut


@pytest.mark.parametrize("seed", range(3))
def test_everything_acknowledged_is_there_after_a_kill(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed)


@pytest.mark.drill
def test_fifty_kills(tmp_path: Path) -> None:
    for seed in range(50):
        (tmp_path / str(seed)).mkdir()
        check(tmp_path / str(seed), seed)
