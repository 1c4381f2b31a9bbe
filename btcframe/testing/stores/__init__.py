"""The contract of a store, and `StoreSuite` for third parties. A check of its behaviour needs an empty store.

`building`, `reading`, `values` and `records` need nothing else; `together` opens the same store in other processes, by
its settings, and is skipped, saying so, where that cannot be done.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from btcframe.testing.checks import (
    NotApplicable,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
)
from btcframe.testing.stores import building, reading, records, together, values

BEHAVIOUR: tuple[Callable[[Any], None], ...] = (
    *building.CHECKS,
    *reading.CHECKS,
    *values.CHECKS,
    *records.CHECKS,
    *together.CHECKS,
)
"""The checks that write: each needs an empty store of its own."""

CHECKS = (*BEHAVIOUR, check_docstring, check_config_roundtrip, check_light_import)


class StoreSuite:
    """Behaviour of a store: subclass it in your tests as ``class TestMine(StoreSuite)`` and give `make`."""

    def make(self, tmp_path: Path) -> Any:
        """An empty store; `tmp_path` is a new directory it may use."""
        raise NotImplementedError("return your store")

    def check(self, check: Callable[[Any], None], tmp_path: Path) -> None:
        """Run one check on a new store, and skip, saying why, what cannot be run on it."""
        try:
            check(self.make(tmp_path))
        except NotApplicable as reason:
            import pytest

            pytest.skip(str(reason))

    def test_claim(self, tmp_path: Path) -> None:
        self.check(building.check_claim, tmp_path)

    def test_roundtrip(self, tmp_path: Path) -> None:
        self.check(building.check_roundtrip, tmp_path)

    def test_idempotent(self, tmp_path: Path) -> None:
        self.check(building.check_idempotent, tmp_path)

    def test_any_order(self, tmp_path: Path) -> None:
        self.check(building.check_any_order, tmp_path)

    def test_symbols(self, tmp_path: Path) -> None:
        self.check(building.check_symbols, tmp_path)

    def test_unsealed(self, tmp_path: Path) -> None:
        self.check(building.check_unsealed, tmp_path)

    def test_immutable(self, tmp_path: Path) -> None:
        self.check(building.check_immutable, tmp_path)

    def test_counts(self, tmp_path: Path) -> None:
        self.check(building.check_counts, tmp_path)

    def test_empty(self, tmp_path: Path) -> None:
        self.check(building.check_empty, tmp_path)

    def test_global_state(self, tmp_path: Path) -> None:
        self.check(building.check_global_state, tmp_path)

    def test_scan(self, tmp_path: Path) -> None:
        self.check(reading.check_scan, tmp_path)

    def test_open_build(self, tmp_path: Path) -> None:
        self.check(reading.check_open_build, tmp_path)

    def test_widening(self, tmp_path: Path) -> None:
        self.check(reading.check_widening, tmp_path)

    def test_abandoned_scan(self, tmp_path: Path) -> None:
        self.check(reading.check_abandoned_scan, tmp_path)

    def test_readers_and_writers(self, tmp_path: Path) -> None:
        self.check(reading.check_readers_and_writers, tmp_path)

    def test_nanoseconds(self, tmp_path: Path) -> None:
        self.check(values.check_nanoseconds, tmp_path)

    def test_null_is_not_nan(self, tmp_path: Path) -> None:
        self.check(values.check_null_is_not_nan, tmp_path)

    def test_types(self, tmp_path: Path) -> None:
        self.check(values.check_types, tmp_path)

    def test_names(self, tmp_path: Path) -> None:
        self.check(values.check_names, tmp_path)

    def test_column_names(self, tmp_path: Path) -> None:
        self.check(values.check_column_names, tmp_path)

    def test_changed_type(self, tmp_path: Path) -> None:
        self.check(values.check_changed_type, tmp_path)

    def test_records(self, tmp_path: Path) -> None:
        self.check(records.check_records, tmp_path)

    def test_records_in_order(self, tmp_path: Path) -> None:
        self.check(records.check_records_in_order, tmp_path)

    def test_claim_elsewhere(self, tmp_path: Path) -> None:
        self.check(together.check_claim_elsewhere, tmp_path)

    def test_two_writers(self, tmp_path: Path) -> None:
        self.check(together.check_two_writers, tmp_path)

    def test_killed_writer(self, tmp_path: Path) -> None:
        self.check(together.check_killed_writer, tmp_path)

    def test_flat_memory(self, tmp_path: Path) -> None:
        self.check(together.check_flat_memory, tmp_path)
