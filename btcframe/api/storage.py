"""Where tables stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa


@runtime_checkable
class Store(Protocol):
    """Tables of builds. Key (build, symbol, row_ns); a sealed build never changes."""

    def claim(self, build: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold the right to make a build; calls `waiting` once and waits while another process has it."""

    def write(self, build: str, table: str, batch: pa.Table) -> None:
        """Append rows. Idempotent: rows of this build that are there already are not written twice."""

    def seal(self, build: str, manifest: Mapping[str, Any]) -> None:
        """Declare a build whole. Until then `scan` refuses it."""

    def scan(
        self,
        build: str,
        table: str,
        columns: Sequence[str] | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Rows with since <= row_ns < until in order, only `columns`. Raises StoreError for an unsealed build."""

    def builds(self) -> Mapping[str, Mapping[str, Any]]:
        """Manifests of the sealed builds by id."""

    def discard(self, build: str) -> None:
        """Delete what an interrupted, unsealed build left behind."""
