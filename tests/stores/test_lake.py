"""The embedded lake alone: odd columns and URLs, processes side by side, a disk that is full."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from stores.every_row import read, rows, same

from btcframe.errors import RefusedError, StoreError
from btcframe.stores.delta import Delta


@pytest.fixture
def store(tmp_path: Path) -> Delta:
    return Delta(str(tmp_path / "lake"))


def test_columns_that_differ_only_in_case_are_refused_before_anything_is_written(store: Delta) -> None:
    with pytest.raises(RefusedError, match="column F differs from f only in case"):
        store.write("b", "t", rows(0, 3, F=np.zeros(3)))
    assert not Path(store.path).exists()
    store.write("b", "t", rows(0, 3))
    with pytest.raises(RefusedError, match="column Symbol differs from symbol only in case"):
        store.write("c", "t", rows(0, 3, Symbol=np.zeros(3)))
    for name in ("build", "day", "Day"):
        with pytest.raises(RefusedError, match=r"Day differs|is the lake's own"):
            store.write("c", "t", rows(0, 3, **{name: np.zeros(3)}))
    store.seal("b", {"tables": {"t": 3}})
    assert store.status().builds[0].rows == 3


def test_names_that_the_store_keeps_for_itself(store: Delta) -> None:
    for table in ("builds", "runs", "equity"):
        with pytest.raises(RefusedError, match=f"{table} is no table for the rows of a build"):
            store.write("b", table, rows(0, 3))


def test_texts_of_any_kind_are_one_type(store: Delta) -> None:
    for part, kind in enumerate(
        (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()))
    ):
        table = rows(part * 3, 3, text=pa.array(["a", None, "ß"]).cast(kind))
        store.write("b", "t", table.set_column(1, "symbol", table["symbol"].cast(kind)))
    store.seal("b", {"tables": {"t": 12}})
    got = read(store, "b")
    assert same(got, rows(0, 12, text=pa.array(["a", None, "ß"] * 4)))


def test_a_build_of_no_rows(store: Delta) -> None:
    store.write("b", "t", rows(0, 0))
    store.seal("b", {"tables": {"t": 0}})
    assert store.builds() == {"b": {"tables": {"t": 0}}}
    assert list(store.verify("b")) == []


def test_very_wide_tables_row_by_row(store: Delta) -> None:
    wide = {f"c{j}": np.arange(3.0) * j for j in range(1700)}
    table = rows(0, 3, **wide)
    for at in range(3):
        store.write("b", "t", table.slice(at, 1))
    store.seal("b", {"tables": {"t": 3}})
    assert same(read(store, "b"), table)


def test_a_store_can_be_copied_and_sent_to_another_process(store: Delta) -> None:
    store.write("b", "t", rows(0, 3))
    assert repr(store) == f"Delta(path={store.path!r}, keep='1d')"
    for other in (pickle.loads(pickle.dumps(store)), copy.deepcopy(store)):
        assert other == store
        other.write("b", "t", rows(3, 3))
    store.seal("b", {"tables": {"t": 6}})


def test_urls(tmp_path: Path) -> None:
    store = Delta(f"file://{tmp_path}/lake")
    for part in range(8):
        store.write("b", "t", rows(part * 10, 12))
    store.seal("b", {"tables": {"t": 82}})
    assert same(read(store, "b"), rows(0, 82))
    assert [v.findings for v in store.verify()] == [()]
    assert {c.table for c in store.compact()} == {"t", "builds"}


def test_settings_that_cannot_be() -> None:
    for path in ("s3a://bucket/lake", "http://bucket/lake", "memory://lake"):
        with pytest.raises(ValueError, match="is none of file, s3, gs, abfs, abfss"):
            Delta(path)
    for path in ("s3://key:Canary1@bucket/lake", "s3://bucket/lake?secret_key=Canary1"):
        with pytest.raises(ValueError, match="it holds credentials or options") as caught:
            Delta(path)
        assert "Canary1" not in str(caught.value)
    Delta("abfss://container@account.dfs.core.windows.net/lake")
    for keep, why in (("1x", "keep: "), ("10m", "too short for a reader"), ("8d", "a log knows for 7d")):
        with pytest.raises(ValueError, match=why):
            Delta(keep=keep)


def _append(path: str, build: str, part: int) -> None:
    store = Delta(path)
    for at in range(part, 90, 3):
        store.write(build, "t", rows(at * 10, 12))


def test_compacting_while_others_write_loses_and_doubles_nothing(store: Delta) -> None:
    """Three processes append to one build and one to another, and this one compacts all the time."""
    store.write("b", "t", rows(0, 1))
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_append, args=(store.path, *what))
        for what in (("b", 0), ("b", 1), ("b", 2), ("c", 0))
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        store.compact()
    assert [writer.exitcode for writer in writers] == [0] * 4
    store.seal("b", {"tables": {"t": 902}})
    assert same(read(store, "b"), rows(0, 902))
    assert [v.findings for v in store.verify("b")] == [()]
    expected = sorted({i for at in range(0, 90, 3) for i in range(at * 10, at * 10 + 12)})
    got = pa.Table.from_batches(store.scan("c", "t", whole=False))
    assert got["row_ns"].equals(rows(0, 1000)["row_ns"].take(expected))


def test_compacting_while_a_build_is_sealed_leaves_what_was_sealed(store: Delta) -> None:
    """Whichever comes first: the files of a sealed build are those whose fingerprint was kept."""
    other = Delta(store.path)
    over = threading.Event()

    def again() -> None:
        while not over.is_set():
            other.compact()

    worker = threading.Thread(target=again)
    worker.start()
    try:
        for build in "abcdefgh":
            for part in range(4):
                store.write(build, "t", rows(part * 10, 10))
            store.seal(build, {"tables": {"t": 40}})
    finally:
        over.set()
        worker.join()
    assert [v.findings for v in Delta(store.path).verify()] == [()] * 8


FILL = """
import sys
sys.path[:0] = sys.argv[2].split(":")
from pathlib import Path
from stores.every_row import read, rows, same
from btcframe.errors import StoreError
from btcframe.stores.delta import Delta

def tried(act):
    try:
        act()
    except StoreError as error:
        assert "space" in str(error).lower() or "full" in str(error).lower(), error
        assert "store.path" in error.next, error.next
        return False
    return True

disk = Path(sys.argv[1])
store = Delta(str(disk / "lake"))
told = 0
while tried(lambda: store.write("b", "t", rows(told * 2000, 2000))):
    told += 1
assert told > 3, told
(disk / "ballast").unlink()  # what the second try needs, and no more
assert tried(lambda: store.write("b", "t", rows(told * 2000, 2000)))
told += 1
with (disk / "rest").open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass
assert not tried(lambda: Delta(store.path).compact())
assert not tried(lambda: store.seal("b", {"tables": {"t": told * 2000}}))
(disk / "rest").unlink()
again = Delta(store.path)
again.compact()
again.seal("b", {"tables": {"t": told * 2000}})
assert same(read(again, "b"), rows(0, told * 2000))
assert [v.findings for v in again.verify()] == [()]
print("whole", told)
"""


@pytest.mark.parametrize(
    "kilobytes", [900, *(pytest.param(k, marks=pytest.mark.drill) for k in range(950, 2000, 50))]
)
def test_a_full_disk_under_the_lake(tmp_path: Path, kilobytes: int) -> None:
    """A real, small file system: writing, compacting and sealing fail with one error, and go on after space is made."""
    disk = tmp_path / "disk"
    disk.mkdir()
    ballast = 3 * kilobytes // 5
    script = (
        f"mount -t tmpfs -o size={kilobytes}k tmpfs {disk} || exit 99; "
        f'head -c {ballast}k /dev/zero > {disk}/ballast; exec {sys.executable} -c "$FILL" {disk} $PLACES'
    )
    if not shutil.which("unshare"):
        pytest.skip("no unshare command: cannot make a small file system")
    root = Path(__file__).parents[2]
    places = {"FILL": FILL, "PLACES": f"{root}:{root / 'tests'}"}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True, text=True, env=os.environ | places, check=False,
    )  # fmt: skip
    if done.returncode in (1, 99) and ("mount" in done.stderr or "unshare" in done.stderr):
        pytest.skip(f"not allowed to mount a small file system: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("whole")


def test_a_store_of_which_a_part_cannot_be_listed(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the directory should be")
    with pytest.raises(StoreError) as caught:
        Delta(str(tmp_path / "lake")).builds()
    assert "store.path" in caught.value.next


@pytest.mark.drill
def test_an_object_store_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both libraries try again for some seconds first."""
    settings = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "Canary1",
        "AWS_SECRET_ACCESS_KEY": "Canary2", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="the store cannot be reached") as caught:
        Delta("s3://bucket/lake").builds()
    assert "Canary" not in str(caught.value)
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint
