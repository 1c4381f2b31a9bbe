"""The spool before real stores: a server that is down, a writer that is killed, a disk that fills up."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from database_servers import postgres
from spool.spooled import Clock, entry, section, settings
from stores.every_row import Make, on, read, rows, same

from btcframe.api import Store
from btcframe.spool import Spool, drain, keep, status
from btcframe.spool.drain import PROBE
from btcframe.stores.delta import Delta

TESTS = str(Path(__file__).parents[1])

N = 20
"""Rows of a batch."""

WRITER = f"""
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from btcframe.spool import Spool
from btcframe.stores.delta import Delta
from btcframe.stores.timescale import Timescale
from spool.spooled import entry, settings

spool = Spool(eval(sys.argv[2]), settings(Path(sys.argv[3]), fsync="always"), segment=20_000)
with spool.running():
    for n in range(int(sys.argv[4]), 100_000):
        spool.wait(spool.put(entry({N} * n, {N})))
        print(n, flush=True)
"""


def _put_until_killed(store: Store, path: Path, first: int, pick: random.Random) -> int:
    """Put batches from `first` on in another process, kill it; the last batch that was acknowledged."""
    arguments = (TESTS, repr(store), str(path), str(first))
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = first - 1
        for _ in range(pick.randrange(1, 200)):
            told = int(process.stdout.readline())
        for _ in range(pick.randrange(200_000)):  # somewhere in what follows
            pass
        process.send_signal(signal.SIGKILL)
        return max([told, *map(int, process.stdout.read().split())])


@pytest.mark.parametrize("make", ["delta", "postgres"], indirect=True)
@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.drill)])
def test_a_writer_killed_at_any_moment(make: Make, tmp_path: Path, kills: int) -> None:
    pick, store = random.Random(kills), make()
    acknowledged = -1
    for _ in range(kills):
        acknowledged = _put_until_killed(store, tmp_path / "spool", acknowledged + 1, pick)
    drain(section(tmp_path / "spool"), store)
    there = status(section(tmp_path / "spool"))
    assert (there.rows, there.apart, there.damaged, there.lost) == (0, 0, 0, 0)
    store.seal("b", {})
    got = read(store, "b")
    # the one after the last that was acknowledged may be there: on disk, but not told
    assert got.num_rows in (N * (acknowledged + 1), N * (acknowledged + 2))
    assert same(got, rows(0, got.num_rows))


def test_a_server_that_is_down_for_a_hundred_batches(tmp_path: Path) -> None:
    with postgres() as server:
        store, clock = on(server.port, 0, connect_timeout="1s"), Clock()
        spool = Spool(store, settings(tmp_path / "spool"), now_ns=clock, uniform=lambda: 0.5)
        for n in range(100):
            if n == 1:
                server.stop()
            receipt = spool.put(entry(N * n, N))
            spool.write_step()
            assert receipt.acknowledged
            clock.on(1)
            spool.drain_step()
        waits = spool.status()
        assert (waits.rows, waits.batches) == (N * 99, 99)
        assert "connection" in waits.error
        server.start()
        clock.on(60)
        assert spool.drain_step().rows == N * PROBE
        assert spool.drain_step().rows == N * (99 - PROBE), "no wait between them"
        assert (spool.status().rows, spool.status().error) == (0, "")
        spool.close()
        store.seal("b", {"tables": {"t": N * 100}})
        assert same(read(store, "b"), rows(0, N * 100))


def test_what_a_store_refuses_is_set_apart_alone(make: Make, tmp_path: Path) -> None:
    store = make()
    first = [entry(0, N), entry(0, N, table="u")]
    keep(section(tmp_path / "spool"), store, first)
    assert drain(section(tmp_path / "spool"), store).rows == 2 * N
    changed = entry(N, N)
    changed = changed._replace(rows=changed.rows.set_column(2, "f", changed.rows["f"].cast("float32")))
    keep(section(tmp_path / "spool"), store, [changed, entry(2 * N, N), entry(N, N, table="u")])
    done = drain(section(tmp_path / "spool"), store)
    assert (done.rows, done.apart, done.left) == (2 * N, N, 0)
    (why,) = status(section(tmp_path / "spool")).refusals
    assert "column f is" in why
    store.seal("b", {"tables": {"t": 2 * N, "u": 2 * N}})


def test_a_build_that_was_sealed_meanwhile(make: Make, tmp_path: Path) -> None:
    store = make()
    store.write("b", "t", rows(0, N))
    store.seal("b", {})
    keep(section(tmp_path / "spool"), store, [entry(0, N), entry(N, N)])
    done = drain(section(tmp_path / "spool"), store)
    assert (done.rows, done.apart) == (N, N)  # rows that are there already are no new ones
    assert "is sealed" in status(section(tmp_path / "spool")).refusals[0]


FULL = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from btcframe.spool import Spool
from btcframe.stores.delta import Delta
from spool.spooled import Clock, entry, settings

clock, told = Clock(), []
lake, disk = Path(sys.argv[2]), Path(sys.argv[3])
spool = Spool(Delta(str(lake)), settings(disk / "spool", queue=2000), now_ns=clock, observe=told.append)
lake.write_text("no directory, so the store fails")
receipts = []
for n in range(1000):
    receipts.append(spool.put(entry(100 * n, 100)))
    spool.write_step()
    clock.on(60)
    if n % 10 == 0:
        spool.drain_step()
assert spool.status().error, "this much should not have fitted"
lake.unlink()
for n in range(1000, 1010):
    spool.write_step()
    clock.on(60)
    spool.drain_step()
    receipts.append(spool.put(entry(100 * n, 100)))
spool.close()
print([n for n, receipt in enumerate(receipts) if receipt.acknowledged])
print(spool._hand.lost, sorted({event.kind for event in told}))
"""


@pytest.mark.parametrize("kilobytes", [400, pytest.param(60, marks=pytest.mark.drill)])
def test_a_disk_that_fills_up_under_the_spool(tmp_path: Path, kilobytes: int) -> None:
    if not shutil.which("unshare"):
        pytest.skip("no unshare command: cannot make a small file system")
    disk, store = tmp_path / "disk", Delta(str(tmp_path / "lake"))
    disk.mkdir()
    program = tmp_path / "full.py"
    program.write_text(FULL)
    script = (
        f"mount -t tmpfs -o size={kilobytes}k tmpfs {disk} || exit 99; "
        f"exec {sys.executable} {program} {TESTS} {store.path} {disk}"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    if done.returncode in (1, 99) and ("mount" in done.stderr or "unshare" in done.stderr):
        pytest.skip(f"not allowed to mount a small file system: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    acknowledged, told = done.stdout.splitlines()
    kept = eval(acknowledged)
    assert 0 < len(kept) < 1010
    assert kept[-1] == 1009  # it goes on as before once there is room
    assert told == f"{100 * (1010 - len(kept))} ['spool_flows', 'spool_full', 'spool_lost', 'spool_waits']"
    store.seal("b", {})
    expected = [stamp for n in kept for stamp in rows(100 * n, 100)["row_ns"].to_pylist()]
    assert read(store, "b")["row_ns"].to_pylist() == expected
