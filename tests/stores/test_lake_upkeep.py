"""The upkeep of a lake: what verify finds, what compact may touch, how it stands, older and newer layouts."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from stores.every_row import read, rows, same

from btcframe.api.storage import Administered
from btcframe.errors import StoreError
from btcframe.stores import lake, lake_merge
from btcframe.stores.delta import Delta
from btcframe.types import NS


@pytest.fixture
def store(tmp_path: Path) -> Delta:
    return Delta(str(tmp_path / "lake"))


def data_files(store: Delta, table: str = "t") -> list[Path]:
    return sorted(Path(store.path, table).glob("build=*/*/*.parquet"))


def active(store: Delta, table: str = "t") -> int:
    return len(DeltaTable(f"{store.path}/{table}").file_uris())


def findings(store: Delta, build: str = "b") -> list[str]:
    return [finding for told in Delta(store.path).verify(build) for finding in told.findings]


def sealed(store: Delta) -> Delta:
    for part in range(3):
        store.write("b", "t", rows(part * 1000, 1000))
    store.write("b", "u", rows(0, 10))
    store.seal("b", {"tables": {"t": 3000, "u": 10}})
    return store


def test_it_can_be_administered(store: Delta) -> None:
    assert isinstance(store, Administered)
    with pytest.raises(StoreError, match="a lake has no roles of its own"):
        store.roles()


def test_verify_reads_every_table_of_every_build(store: Delta) -> None:
    sealed(store)
    store.write("a", "t", rows(0, 5))
    store.seal("a", {})
    store.write("open", "t", rows(0, 5))
    told = {(v.build, v.table): (v.rows, v.findings) for v in store.verify()}
    assert told == {("b", "t"): (3000, ()), ("b", "u"): (10, ()), ("a", "t"): (5, ())}
    with pytest.raises(StoreError, match="there is no whole build open"):
        store.verify("open")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_bit_is_found(store: Delta, place: float) -> None:
    sealed(store)
    file = data_files(store)[1]
    held = bytearray(file.read_bytes())
    held[int(len(held) * place)] ^= 4
    file.write_bytes(held)
    told = {v.table: v.findings for v in Delta(store.path).verify("b")}
    assert told["u"] == ()
    (found,) = told["t"]
    assert file.name in found and "its bytes are not those that were written" in found


def test_what_else_is_found(store: Delta) -> None:
    sealed(store)
    one, two, three = data_files(store)
    held = one.read_bytes()
    one.write_bytes(held[:-1])
    with pytest.raises(StoreError, match="table t cannot be read: a file is damaged") as caught:
        read(Delta(store.path), "b")
    assert str(one) in caught.value.where and "bytes, and" in caught.value.hint
    assert "db verify" in caught.value.next
    assert [f"{len(held) - 1:,} bytes" in f for f in findings(store)] == [True]
    one.write_bytes(held[:-4] + b"PAR2")  # the right size, and no footer
    with pytest.raises(StoreError, match="a file is damaged"):
        read(Delta(store.path), "b")
    two.unlink()
    three.write_bytes(b"PAR1" * (three.stat().st_size // 4) + b"P" * (three.stat().st_size % 4))
    (three.parent / "stranger.parquet").write_bytes(b"?")
    found = findings(store)
    assert len(found) == 4
    assert [two.name in f and "it is missing" in f for f in found].count(True) == 1
    assert ["stranger.parquet: btcframe did not write" in f for f in found].count(True) == 1


def test_another_set_of_files_than_was_sealed_is_found(store: Delta) -> None:
    sealed(store)
    one = data_files(store)[0]
    DeltaTable(f"{store.path}/t").delete("row_ns < 1721260801000000000")  # another program's doing
    assert any("other files than were sealed" in f for f in findings(store))
    assert any("the log has 2,999 rows, and 3,000 were sealed" in f for f in findings(store))
    assert one.exists()  # nothing is deleted before a vacuum


@pytest.mark.parametrize("first", ["init", "write", "seal", "record"])
def test_whatever_makes_a_lake_makes_one_of_this_layout(store: Delta, first: str) -> None:
    does = {
        "init": store.init,
        "write": lambda: store.write("b", "t", rows(0, 10)),
        "seal": lambda: store.seal("b", {}),
        "record": lambda: store.record("r", "runs", pa.table({"n": [0], "started_ns": [0]})),
    }
    does[first]()
    status = Delta(store.path).status()
    assert status.revision == status.head
    assert list(store.migrate()) == []


@pytest.mark.parametrize("appends", [5, 64, 65, 130, 157])
def test_a_sealed_day_is_five_files_at_most(
    store: Delta, monkeypatch: pytest.MonkeyPatch, appends: int
) -> None:
    """As 1,440 appends of 55 kB are, before a limit of 16 MB: here a tenth of the appends, and of the limits."""
    numbers = np.random.default_rng(3).normal(size=(157, 60, 16))
    of_one = 60 * (16 + 1) * 8
    for rule, most in (("APPEND", 8), ("SEAL", 5)):
        for module in (lake, lake_merge):
            monkeypatch.setattr(module, rule, (most, 32 * of_one))
    for at in range(appends):
        columns = {f"c{j}": numbers[at, :, j] for j in range(16)}
        store.write("b", "t", rows(at * 60, 60, **columns))
    store.seal("b", {"tables": {"t": appends * 60}})
    (table,) = (t for t in store.status().tables if t.name == "t")
    assert table.pieces <= 5
    assert [v.findings for v in store.verify("b")] == [()]
    assert read(store, "b")["c0"].to_pylist() == numbers[:appends, :, 0].ravel().tolist()


def test_many_appends_are_few_files_in_order(store: Delta) -> None:
    """More than 64 small files of a day are merged by the append, and the rest by compact."""
    for part in np.random.default_rng(0).permutation(150):
        store.write("b", "t", rows(int(part) * 10, 12))  # each overlaps the next by two rows
    assert active(store) <= 65
    (told,) = store.compact()
    assert told.table == "t" and told.pieces[1] == active(store) == 1 and "files are 1" in told.done
    got = pa.Table.from_batches(store.scan("b", "t", whole=False))
    assert same(got, rows(0, 1502))
    store.write("b", "t", rows(1490, 20))
    store.seal("b", {"tables": {"t": 1510}})
    assert findings(store) == []
    assert same(read(store, "b"), rows(0, 1510))


def test_sealing_puts_small_files_together_and_then_nothing_touches_them(store: Delta) -> None:
    for part in range(20):
        store.write("b", "t", rows(part * 10, 10))
    store.seal("b", {"tables": {"t": 200}})
    assert active(store) == 1
    for part in range(3):  # below the rule of sealing: three files
        store.write("c", "t", rows(part * 10, 10))
    store.seal("c", {})
    files = DeltaTable(f"{store.path}/t").file_uris()
    store.compact()
    assert sorted(DeltaTable(f"{store.path}/t").file_uris()) == sorted(files)
    assert findings(store, "b") == findings(store, "c") == []


def test_a_day_is_a_file_of_its_own_before_1970_too(store: Delta) -> None:
    day = 86_400 * NS
    stamps = np.array([-day - 1, -day, -1, 0, day - 1, day])
    table = pa.table({"row_ns": stamps, "symbol": pa.repeat("B", 6), "f": np.arange(6.0)})
    store.write("b", "t", table)
    store.seal("b", {"tables": {"t": 6}})
    assert same(read(store, "b"), table)
    days = {f.path.split("/")[1] for f in store._lake._look("t").files("b")}  # type: ignore[union-attr]
    assert days == {"day=1969-12-30", "day=1969-12-31", "day=1970-01-01", "day=1970-01-02"}


def test_a_reader_that_began_before_goes_on(store: Delta) -> None:
    for part in range(10):
        store.write("b", "t", rows(part * 100, 100))
    scan = store.scan("b", "t", whole=False)
    first = next(scan)
    store.compact()
    assert active(store) == 1
    rest = pa.Table.from_batches([first, *scan])
    assert same(rest, rows(0, 1000))


def test_what_nobody_needs_is_deleted_after_keep(store: Delta) -> None:
    for part in range(10):
        store.write("b", "t", rows(part * 100, 100))
    store.write("gone", "t", rows(0, 10))
    store.discard("gone")
    orphan = data_files(store)[0].with_name("0" * 12 + "-" + "0" * 64 + ".parquet")
    orphan.write_bytes(b"a writer was killed")
    store.compact()
    assert len(data_files(store)) == 13  # all of them are younger than keep
    old = time.time() - 2 * 86_400
    for file in data_files(store):
        if file.name != next(iter(DeltaTable(f"{store.path}/t").file_uris())).rpartition("/")[2]:
            os.utime(file, (old, old))
    (told,) = store.compact()
    assert "old files deleted" in told.done
    assert orphan not in data_files(store)
    assert same(pa.Table.from_batches(store.scan("b", "t", whole=False)), rows(0, 1000))


def test_status_tells_of_open_and_sealed_builds(store: Delta) -> None:
    assert store.status().tables == () and store.status().revision == ""
    assert [line.endswith("layout 2") for line in store.init()] == [True]
    assert store.init() == []
    sealed(store)
    store.write("open", "t", rows(0, 5))
    status = store.status()
    assert status.revision == status.head == "2"
    assert {(t.name, t.rows, t.pieces) for t in status.tables} == {
        ("t", 3005, 4),
        ("u", 10, 1),
        ("builds", 1, 1),
    }
    told = {b.build: (b.sealed, b.rows) for b in status.builds}
    assert told == {"b": (True, 3010), "open": (False, 5)}
    assert status.builds[1].first_ns == rows(0, 1)["row_ns"][0].as_py()


def first_layout(store: Delta) -> None:
    """What the first layout wrote: delta-rs's own files, null where a build has no such column."""
    table = (
        rows(0, 10)
        .add_column(0, "build", pa.repeat("old", 10))
        .add_column(1, "day", pa.repeat("2024-07-18", 10))
    )
    path = f"{store.path}/t"
    write_deltalake(
        path, table.append_column("other", pa.nulls(10, pa.float64())), partition_by=["build", "day"]
    )
    row = pa.table({"build": ["old"], "manifest": ['{"tables": {"t": 10}}'], "tables": ['{"t": ["row_ns", "symbol", "f"]}']})  # fmt: skip
    write_deltalake(f"{store.path}/builds", row)


def test_the_first_layout_is_read_written_and_migrated(store: Delta) -> None:
    first_layout(store)
    assert store.status().revision == "1"
    assert same(read(store, "old"), rows(0, 10))
    store.write("new", "t", rows(0, 20))
    store.seal("new", {"tables": {"t": 20}})
    assert read(store, "new").column_names == ["row_ns", "symbol", "f"]
    done = store.migrate()
    assert any("layout 2" in line for line in done) and any(line.startswith("t:") for line in done)
    assert store.migrate() == []
    assert store.status().revision == "2"
    assert [(v.build, v.findings) for v in Delta(store.path).verify()] == [("new", ()), ("old", ())]
    (file,) = Path(store.path, "t").glob("build=old/*/*.parquet")
    file.write_bytes(file.read_bytes()[:-9] + b"123456789")
    assert len(findings(store, "old")) == 1


def test_a_lake_of_a_newer_btcframe_is_refused(store: Delta) -> None:
    sealed(store)
    file = Path(store.path, "lake.json")
    file.write_text(json.dumps({"layout": 3}))
    newer = Delta(store.path)
    for call in (
        lambda: newer.write("c", "t", rows(0, 1)),
        lambda: newer.builds(),
        lambda: newer.scan("b", "t"),
        lambda: newer.compact(),
        lambda: list(newer.records("equity")),
    ):
        with pytest.raises(StoreError, match="has layout 3, and this btcframe knows none after 2"):
            call()
    file.write_text("{")
    with pytest.raises(StoreError, match="the lake's layout cannot be read"):
        Delta(store.path).builds()
