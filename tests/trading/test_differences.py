"""Where two sessions part."""

from __future__ import annotations

import pytest
from session_tables import copy, random_tables

from btcframe.trading.audit import COMPARED, TABLES, Audit, fingerprint
from btcframe.trading.differences import first_difference


@pytest.mark.parametrize("name", COMPARED)
def test_every_field_counts(name: str) -> None:
    tables = random_tables()
    for field in TABLES[name].names or ():
        other = copy(tables)
        value = other[name][field][500]
        other[name][field][500] = b"because" if isinstance(value, bytes) else value + 1
        assert fingerprint(other) != fingerprint(tables)
        head, line, same = first_difference(tables, other).splitlines()
        assert (
            head == f"{name}[500] differs, 1970-01-01 00:00:00.000005000 UTC; the 500 before it are the same"
        )
        assert line.split()[0] == field and " recorded, " in line and line.endswith(" replayed")
        assert f" {field} " not in same


def test_the_same_is_the_same_nan_included() -> None:
    nothing = Audit().tables()
    assert first_difference(nothing, nothing) == first_difference(random_tables(), random_tables()) == ""
    assert fingerprint(random_tables()) == fingerprint(random_tables())


def test_the_earliest_difference_is_told() -> None:
    tables, other = random_tables(), random_tables()
    other["intents"]["lots"][700] += 1
    other["fills"]["lots"][600] += 1
    other["fills"]["lots"][800] += 1
    lots = tables["fills"]["lots"][600]
    head, line, _ = first_difference(tables, other).splitlines()
    assert head.startswith("fills[600] differs, ")
    assert line == f"  lots  {lots} recorded, {lots + 1} replayed"


def test_of_several_at_one_moment_that_of_the_intents() -> None:
    tables, other = random_tables(), random_tables()
    for name in ("fills", "orders", "intents"):
        other[name]["lots"][0] += 1
    assert first_difference(tables, other).startswith("intents[0] differs, ")
    assert "it is the first" in first_difference(tables, other)


def test_codes_have_names() -> None:
    tables, other = random_tables(), random_tables()
    tables["orders"]["state"][9], other["orders"]["state"][9] = 2, 7
    tables["orders"]["tif"][9] = other["orders"]["tif"][9] = 4
    told = first_difference(tables, other)
    assert "  state  ACCEPTED recorded, REJECTED replayed" in told and "tif POST_ONLY" in told


def test_a_missing_or_additional_record_is_told() -> None:
    tables, shorter = random_tables(), random_tables()
    shorter["orders"] = shorter["orders"][:900]
    for one, other, what in ((tables, shorter, "recorded only"), (shorter, tables, "replayed only")):
        head, record = first_difference(one, other).splitlines()
        assert head.startswith(f"orders[900] is {what}, 1970-01-01 00:00:00.000009000 UTC; the 900 before")
        assert f"lots {tables['orders']['lots'][900]}," in record
    assert fingerprint(tables) != fingerprint(shorter)


def test_minus_zero_is_not_zero() -> None:
    tables, other = random_tables(), random_tables()
    tables["fills"]["fee"][5], other["fills"]["fee"][5] = 0.0, -0.0
    assert "  fee  0.0 recorded, -0.0 replayed" in first_difference(tables, other)


def test_a_difference_late_in_long_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btcframe.scratch.PIECE", 37)
    tables, other = random_tables(), random_tables()
    other["fills"]["lots"][999] += 1
    assert first_difference(tables, other).startswith("fills[999] differs")


def test_of_a_session_that_died_the_beginning_counts() -> None:
    tables, cut = random_tables(), {name: table[:600] for name, table in random_tables().items()}
    assert first_difference(cut, tables, cut=True) == ""
    assert "[600] is replayed only, " in first_difference(cut, tables)
    assert "[600] is recorded only, " in first_difference(
        tables, cut, cut=True
    )  # it is never ahead of its log
    cut["fills"] = copy(tables)["fills"][:600]
    cut["fills"]["lots"][7] += 1
    assert first_difference(cut, tables, cut=True).startswith("fills[7] differs, ")
