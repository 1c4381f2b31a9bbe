"""The contract of a store, and `StoreSuite` for third parties. Every check needs an empty store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe.errors import StoreError
from btcframe.testing.checks import (
    ContractError,
    check_config_roundtrip,
    check_docstring,
    check_light_import,
    differing,
    name_of,
)
from btcframe.testing.markets import START_NS
from btcframe.types import NS

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "l2_training_data"


def table(start: int, stop: int) -> pa.Table:
    """Rows start…stop−1 of a small training table: NaN, numbers of all sizes, integers that float64 would lose."""
    import pyarrow

    i = np.arange(start, stop)
    x = np.sin(i) * 10.0 ** (i % 30 - 15)
    x[i % 7 == 3] = np.nan
    return pyarrow.table(
        {
            "row_ns": START_NS + NS * i,
            "symbol": np.full(len(i), "BTC/USDT:USDT"),
            "flags": (i % 5).astype(np.int32),
            "x": x,
            "y_t_end": START_NS + NS * (i + 5) + 1,
        }
    )


def _read(store: Any, build: str, **kwargs: Any) -> pa.Table:
    import pyarrow

    return pyarrow.Table.from_batches(list(store.scan(build, TABLE, **kwargs)))


def _same(one: pa.Table, other: pa.Table) -> bool:
    if one.num_rows != other.num_rows:
        return False
    for name in other.column_names:
        a, b = one[name].to_numpy(), other[name].to_numpy()
        if differing(a, b).any() if a.dtype == b.dtype else (a != b).any():
            return False
    return True


def _refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except StoreError:
        return True
    return False


def check_claim(store: Any) -> None:
    """A build that nobody makes is claimed at once, and is free again after an error."""
    waited: list[str] = []
    for _ in range(2):
        try:
            with store.claim("a", lambda: waited.append("a")), store.claim("b", lambda: waited.append("b")):
                raise StoreError("the build failed")
        except StoreError as error:
            if error.what != "the build failed":
                raise
    if waited:
        raise ContractError(
            f"{name_of(store)}.claim waits for build {waited[0]}, which nobody makes",
            "A claim is for one build, and is given back when the block is left, by an error too.",
        )


def check_roundtrip(store: Any) -> None:
    """What was written and sealed is read back in order, to the bit, with its manifest."""
    store.write("a", TABLE, table(0, 60))
    store.write("a", TABLE, table(60, 100))
    store.seal("a", {"seed": 1, "columns": ["x"]})
    if not _same(_read(store, "a"), table(0, 100)):
        raise ContractError(
            f"{name_of(store)} reads back something else than was written",
            "int64 nanoseconds stay int64, NaN stays NaN, rows come in order of row_ns.",
        )
    if dict(store.builds().get("a", {})) != {"seed": 1, "columns": ["x"]}:
        raise ContractError(
            f"{name_of(store)}.builds() gives {dict(store.builds())}", "Keep the manifest handed to seal()."
        )


def check_idempotent(store: Any) -> None:
    """Rows that are there already are not written twice."""
    for start, stop in ((0, 50), (0, 50), (30, 80)):
        store.write("a", TABLE, table(start, stop))
    store.seal("a", {})
    if not _same(_read(store, "a"), table(0, 80)):
        raise ContractError(
            f"{name_of(store)} writes rows twice", "The key is (build, symbol, row_ns): skip what is there."
        )


def check_unsealed(store: Any) -> None:
    """An unsealed build cannot be read and is not listed; discarded, it leaves nothing."""
    store.write("a", TABLE, table(0, 50))
    if not _refused(lambda: list(store.scan("a", TABLE))) or "a" in store.builds():
        raise ContractError(
            f"{name_of(store)} reads a build that is not sealed",
            "Raise StoreError: an interrupted build must not be taken for whole.",
        )
    store.discard("a")
    store.write("a", TABLE, table(70, 90))
    store.seal("a", {})
    if not _same(_read(store, "a"), table(70, 90)):
        raise ContractError(f"{name_of(store)}.discard leaves rows behind", "Delete all rows of the build.")


def check_immutable(store: Any) -> None:
    """A sealed build takes no new rows."""
    store.write("a", TABLE, table(0, 50))
    store.seal("a", {})
    if not _refused(lambda: store.write("a", TABLE, table(50, 60))):
        raise ContractError(f"{name_of(store)} adds rows to a sealed build", "Raise StoreError.")


def check_scan(store: Any) -> None:
    """`columns`, `since` and `until` select; builds stand apart; unknown names are refused."""
    store.write("a", TABLE, table(0, 50))
    store.write("b", TABLE, table(20, 30))
    for build in ("a", "b"):
        store.seal(build, {})
    since, until = START_NS + 10 * NS, START_NS + 25 * NS
    part = _read(store, "a", columns=["row_ns", "x"], since=since, until=until)
    if part.column_names != ["row_ns", "x"] or not _same(part, table(10, 25).select(["row_ns", "x"])):
        raise ContractError(
            f"{name_of(store)}.scan(columns, since, until) gives {part.num_rows} rows of {part.column_names}",
            "Rows with since <= row_ns < until, exactly the columns asked for, in that order.",
        )
    if not _same(_read(store, "b"), table(20, 30)):
        raise ContractError(f"{name_of(store)} mixes two builds", "Select by build.")
    for build, columns in (("c", None), ("a", ["nonsense"])):
        if not _refused(lambda build=build, columns=columns: list(store.scan(build, TABLE, columns))):  # type: ignore[misc]
            raise ContractError(
                f"{name_of(store)}.scan finds {columns or build}, which does not exist", "Raise StoreError."
            )


CHECKS = (
    check_claim,
    check_roundtrip,
    check_idempotent,
    check_unsealed,
    check_immutable,
    check_scan,
    check_docstring,
    check_config_roundtrip,
    check_light_import,
)


class StoreSuite:
    """Behaviour of a store: subclass it in your tests as ``class TestMine(StoreSuite)`` and give `make`."""

    def make(self, tmp_path: Path) -> Any:
        """An empty store; `tmp_path` is a new directory it may use."""
        raise NotImplementedError("return your store")

    def test_claim(self, tmp_path: Path) -> None:
        check_claim(self.make(tmp_path))

    def test_roundtrip(self, tmp_path: Path) -> None:
        check_roundtrip(self.make(tmp_path))

    def test_idempotent(self, tmp_path: Path) -> None:
        check_idempotent(self.make(tmp_path))

    def test_unsealed(self, tmp_path: Path) -> None:
        check_unsealed(self.make(tmp_path))

    def test_immutable(self, tmp_path: Path) -> None:
        check_immutable(self.make(tmp_path))

    def test_scan(self, tmp_path: Path) -> None:
        check_scan(self.make(tmp_path))
