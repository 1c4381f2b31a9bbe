"""The contract of a store: the example keeps it, and every way to break it is caught by name."""

from __future__ import annotations

import cheating_stores as cheats
import pytest
from folder_store import Folder

from btcframe.testing import ContractError, NotApplicable, StoreSuite, stores


class TestFolder(StoreSuite):
    """The store that docs/stores.md shows; delta is in tests/test_contract.py, servers in tests/stores."""

    def make(self, tmp_path):
        return Folder(str(tmp_path / "folder"))


def test_the_suite_has_every_check():
    tests = {name.removeprefix("test_") for name in vars(StoreSuite) if name.startswith("test_")}
    assert tests == {check.__name__.removeprefix("check_") for check in stores.BEHAVIOUR}


# store, the check that is meant for it, words of its message
CAUGHT = [
    (cheats.Clinging, "claim", "waits for build a, which nobody makes"),
    (cheats.Rounding, "roundtrip", "reads back something else than was written: row 1, column x"),
    (cheats.Forgetful, "roundtrip", "builds() gives {'a': {}}"),
    (cheats.Backwards, "roundtrip", "row 0, column row_ns"),
    (cheats.Doubling, "idempotent", "writes rows twice: 150 rows, not 80"),
    (cheats.Trusting, "any_order", "with rows twice"),
    (cheats.OneSymbol, "symbols", "gives 20 rows of two symbols"),
    (cheats.Unsealing, "unsealed", "reads a build that is not sealed"),
    (cheats.Littering, "unsealed", "discard leaves rows behind: 70 rows, not 20"),
    (cheats.Changing, "immutable", "adds rows to a sealed build"),
    (cheats.Resealing, "immutable", "seals a build again with another manifest"),
    (cheats.Ruthless, "immutable", "discards a sealed build"),
    (cheats.Uncounting, "counts", "seals a build of 10 rows as one of {'l2_training_data': 11}"),
    (cheats.Guessing, "empty", "finds build a in an empty store"),
    (
        cheats.Settling,
        "global_state",
        "changes os.environ, which belongs to the whole process: ARROW_IO_THREADS",
    ),
    (cheats.Inclusive, "scan", "since, until) gives other rows: 16 rows, not 15"),
    (cheats.Guessing, "scan", "finds build c, table l2_training_data"),
    (cheats.Stale, "open_build", "does not see what was just written: 10 rows, not 30"),
    (cheats.Showing, "widening", "shows an earlier build the columns of a later one"),
    (cheats.Exhausting, "abandoned_scan", "cannot be read after a scan was given up: another scan runs"),
    (cheats.PerThread, "readers_and_writers", "loses or doubles rows that several threads write"),
    (cheats.Microseconds, "nanoseconds", "does not keep nanoseconds"),
    (cheats.NaNIsNull, "null_is_not_nan", "column double is None, not nan"),
    (cheats.Casting, "types", "takes a column of type uint8, and gives back something else"),
    (
        cheats.Folding,
        "names",
        "takes a build called 'UPPER', and gives back something else: there is no whole build",
    ),
    (cheats.Renaming, "column_names", "does not keep columns with odd names: columns"),
    (cheats.Bending, "changed_type", "takes string in column x, which was double before"),
    (cheats.Recounting, "records", "does not give run r1 as it was recorded: 31 rows, not 21"),
    (cheats.Leaky, "records_in_order", "takes rows 6 and 7 of a run"),
    (cheats.Unlocked, "claim_elsewhere", "gives one build to two processes"),
    (cheats.PerProcess, "two_writers", "rows that two processes write"),
    (cheats.Lazy, "killed_writer", "a writer was killed after"),
    (cheats.Greedy, "flat_memory", "reading 120,000 rows of"),
]


@pytest.mark.parametrize(("store", "check", "words"), CAUGHT, ids=[f"{c[0].__name__}-{c[1]}" for c in CAUGHT])
def test_a_store_that_misbehaves(tmp_path, store, check, words):
    checks = {check.__name__: check for check in stores.BEHAVIOUR}
    with pytest.raises(ContractError) as caught:
        checks[f"check_{check}"](store(str(tmp_path / "folder")))
    assert words in str(caught.value) and "\nCure: " in str(caught.value)


def test_every_check_of_stores_catches_somebody():
    assert {check.__name__ for check in stores.BEHAVIOUR} == {f"check_{name}" for _, name, _ in CAUGHT}


def test_a_store_that_no_other_process_can_open():
    class Hidden:
        pass

    with pytest.raises(NotApplicable, match="it is no dataclass of settings"):
        stores.together.check_two_writers(Hidden())
