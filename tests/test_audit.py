"""Tables, their fingerprint, and where two sessions part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.audit import (
    COMPARED,
    INTENT,
    TABLES,
    Audit,
    Table,
    fingerprint,
    first_difference,
    load_tables,
    save_tables,
)
from btcframe.errors import DataError


def session(seed: int = 0, n: int = 1000) -> dict[str, Any]:
    """Random tables with times in order."""
    rng = np.random.default_rng(seed)
    tables = {}
    for name, dtype in TABLES.items():
        table = np.zeros(n, dtype)
        for field in dtype.names:
            kind = dtype[field].kind
            table[field] = (
                rng.integers(0, 100, n) if kind in "iu" else rng.random(n) if kind == "f" else b"why"
            )
        if "ns" in dtype.names:
            table["ns"] = np.arange(n) * 10
        tables[name] = table
    tables["fills"]["fee"][3] = np.nan
    return tables


def copy(tables: dict[str, Any]) -> dict[str, Any]:
    return {name: table.copy() for name, table in tables.items()}


def test_a_table_grows_by_one_and_by_many() -> None:
    table = Table(INTENT)
    rows = session()["intents"]
    for row in rows[:300].tolist():
        table.append(row)
    table.extend(rows[300:])
    assert table.records.tobytes() == rows.tobytes()


def test_an_empty_session() -> None:
    audit = Audit()
    assert set(audit.tables()) == set(TABLES)
    assert first_difference(audit.tables(), audit.tables()) == ""
    assert audit.fingerprint() != fingerprint(session())


@pytest.mark.parametrize("name", COMPARED)
def test_every_field_counts(name: str) -> None:
    tables = session()
    for field in TABLES[name].names:
        other = copy(tables)
        value = other[name][field][500]
        other[name][field][500] = b"because" if isinstance(value, bytes) else value + 1
        assert fingerprint(other) != fingerprint(tables)
        found = first_difference(tables, other)
        assert found.startswith(f"{name}[500] at 5000 ns: ")
        assert f"{field}: " in found


def test_the_same_is_the_same_nan_included() -> None:
    assert first_difference(session(), session()) == ""
    assert fingerprint(session()) == fingerprint(session())


def test_the_earliest_difference_is_named() -> None:
    tables, other = session(), session()
    other["intents"]["lots"][700] += 1
    other["fills"]["lots"][600] += 1
    other["fills"]["lots"][800] += 1
    lots = tables["fills"]["lots"][600]
    expected = f"fills[600] at 6000 ns: lots: {lots} recorded, {lots + 1} replayed"
    assert first_difference(tables, other) == expected


def test_a_missing_or_additional_record_is_named() -> None:
    tables, shorter = session(), session()
    shorter["orders"] = shorter["orders"][:900]
    assert first_difference(tables, shorter).startswith("orders[900] is recorded only: {'order_id': ")
    assert first_difference(shorter, tables).startswith("orders[900] is replayed only: ")
    assert fingerprint(tables) != fingerprint(shorter)


def test_minus_zero_is_not_zero() -> None:
    tables, other = session(), session()
    tables["fills"]["fee"][5], other["fills"]["fee"][5] = 0.0, -0.0
    assert "fee: 0.0 recorded, -0.0 replayed" in first_difference(tables, other)


def test_saving_and_loading(tmp_path: Path) -> None:
    tables = session()
    save_tables(tmp_path / "session.npz", tables)
    loaded = load_tables(tmp_path / "session.npz")
    assert all(loaded[name].tobytes() == tables[name].tobytes() for name in TABLES)
    assert [p.name for p in tmp_path.iterdir()] == ["session.npz"]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "session.npz"
    with pytest.raises(DataError, match="cannot be read"):
        load_tables(path)
    save_tables(path, session())
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match="cannot be read"):
        load_tables(path)
    tables = session()
    tables["fills"] = np.zeros(3, [("ns", "i8")])
    save_tables(path, tables)
    with pytest.raises(DataError, match="fills was written by another version"):
        load_tables(path)
