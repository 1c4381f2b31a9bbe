"""The embedded store: Delta Lake tables in a directory, no server."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btcframe.stores.claims import claimed

if TYPE_CHECKING:
    import pyarrow as pa

    from btcframe.stores.lake import Lake


@dataclass(frozen=True)
class Delta:
    """Delta Lake tables, one directory each, partitioned by build and day.

    Rows are stored with int64 nanoseconds, NaN as NaN, columns LZ4-compressed without dictionaries. Each write is one
    commit: a crash leaves whole batches or nothing. A build can be read once it is sealed, and never changes after.

    Parameters
    ----------
    path : str      directory, or a URL that delta-rs and Arrow both take, e.g. s3://bucket/lake
    """

    path: str = "lake"

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ValueError("path: it is empty; name a directory")

    def claim(self, build: str, waiting: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Hold the right to make a build among the processes of this machine.

        Processes elsewhere that write one build to one object store are kept apart by the transaction log alone.
        """
        remote = "://" in self.path
        return claimed(
            Path(tempfile.gettempdir()) / "btcframe" if remote else Path(self.path) / ".claims",
            build,
            waiting,
        )

    def write(self, build: str, table: str, batch: pa.Table) -> None:
        """Append the rows whose (symbol, row_ns) the build does not hold yet; retried if another process commits.

        Raises
        ------
        StoreError
            If the build is sealed and the batch has new rows, a column changes its type, or the directory cannot
            be written.
        """
        self._lake().write(build, table, batch)

    def seal(self, build: str, manifest: Mapping[str, Any]) -> None:
        """Declare a build whole.

        Where the manifest has "tables", a mapping of table to number of rows, the tables must hold exactly that many.

        Raises
        ------
        StoreError
            If rows are missing or too many, or the build was sealed with another manifest.
        """
        self._lake().seal(build, manifest)

    def scan(
        self,
        build: str,
        table: str,
        columns: Sequence[str] | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Rows with since <= row_ns < until in order of time, file by file, so memory stays flat.

        Raises
        ------
        StoreError
            If the build is unknown or not sealed, has no such table or column, or a file cannot be read.
        """
        return self._lake().scan(build, table, columns, since, until)

    def builds(self) -> Mapping[str, Mapping[str, Any]]:
        """Manifests of the sealed builds by id."""
        return {build: sealed.manifest for build, sealed in self._lake().sealed().items()}

    def discard(self, build: str) -> None:
        """Remove the rows of an unsealed build. Raises StoreError for a sealed one."""
        self._lake().discard(build)

    def _lake(self) -> Lake:
        from btcframe.stores.lake import Lake  # half a second that a config need not pay

        return Lake(self.path)
