"""Tables, their fingerprint, and where two sessions part."""

from __future__ import annotations

import resource
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from session_tables import random_tables as session

from btcframe.errors import DataError, StoreError
from btcframe.trading.audit import (
    INTENT,
    KEPT,
    TABLES,
    Audit,
    Table,
    fingerprint,
    load_tables,
)


@pytest.mark.parametrize("filed", [False, True])
def test_a_table_grows_by_one_and_by_many(filed: bool, tmp_path: Path) -> None:
    table = Table(INTENT, tmp_path / "intents.npy" if filed else None)
    assert len(table.records) == 0
    rows = session(n=10_000)["intents"]
    at = 0
    for each in (1, 7, KEPT // INTENT.itemsize, 5000, 0, 500):
        table.extend(rows[at : at + each])
        at += each
        for row in rows[at : at + 100].tolist():
            table.append(row)
        at += 100
        assert table.records.tobytes() == rows[:at].tobytes()


def test_what_was_written_before_a_crash_is_there(tmp_path: Path) -> None:
    rows = session(n=10_000)["intents"]
    table = Table(INTENT, tmp_path / "intents.npy")
    for row in rows.tolist():
        table.append(row)
    there = np.load(tmp_path / "intents.npy")  # and nobody flushed
    assert there.tobytes() == rows[: len(there)].tobytes()
    assert (len(rows) - len(there)) * INTENT.itemsize < KEPT


def test_a_write_that_fails_half_way_leaves_the_records_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = session(n=2000)["intents"]
    table = Table(INTENT, tmp_path / "intents.npy")
    table.extend(rows[:1000])
    table.flush()
    table.extend(rows[1000:])  # up to 288,000 bytes
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_001, hard))
        with pytest.raises(StoreError, match="a table of the session cannot be written: File too large"):
            table.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert np.load(tmp_path / "intents.npy").tobytes() == rows[:1000].tobytes()
    assert table.records.tobytes() == rows.tobytes()  # it can be tried again


def test_tables_are_never_written_over(tmp_path: Path) -> None:
    Audit(tmp_path / "tables")
    with pytest.raises(StoreError, match="the tables of the session cannot be written: File exists"):
        Audit(tmp_path / "tables")


@pytest.mark.parametrize("dtype", TABLES.values(), ids=TABLES)
def test_records_have_no_padding(dtype: Any) -> None:
    assert dtype.itemsize == sum(dtype[field].itemsize for field in dtype.names)


def test_an_empty_session() -> None:
    audit = Audit()
    assert set(audit.tables()) == set(TABLES)
    assert audit.fingerprint() != fingerprint(session())


def saved(folder: Path, tables: dict[str, Any]) -> Path:
    folder.mkdir()
    for name, table in tables.items():
        np.save(folder / f"{name}.npy", table)
    return folder


def test_a_session_leaves_its_tables(tmp_path: Path) -> None:
    tables = session(n=5000)
    audit = Audit(tmp_path / "tables")
    for name, table in tables.items():
        getattr(audit, name).extend(table)
    audit.flush()
    for found in (audit.tables(), load_tables(tmp_path / "tables")):
        assert all(found[name].tobytes() == tables[name].tobytes() for name in TABLES)
        assert all(found[name].base is not None for name in TABLES)  # mapped, not read
    assert audit.fingerprint() == fingerprint(tables)
    assert sorted(p.stem for p in (tmp_path / "tables").iterdir()) == sorted(TABLES)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_tables(tmp_path)
    path = saved(tmp_path / "cut", session()) / "orders.npy"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"cannot be read.*orders\.npy"):
        load_tables(tmp_path / "cut")
    path.write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read"):
        load_tables(tmp_path / "cut")
    tables = session()
    tables["fills"] = np.zeros(3, [("ns", "i8")])
    with pytest.raises(DataError, match="fills was written by another version"):
        load_tables(saved(tmp_path / "older", tables))
