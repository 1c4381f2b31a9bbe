"""The embedded store: Delta Lake tables in a directory, no server."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btcframe.errors import StoreError
from btcframe.stores.claims import claimed
from btcframe.types import NS, duration_ns

if TYPE_CHECKING:
    import pyarrow as pa

    from btcframe.api.storage import Compacted, StoreStatus, Verified
    from btcframe.stores.lake import Lake

SCHEMES = ("file", "s3", "gs", "abfs", "abfss")
"""URLs that both delta-rs and Arrow take. What they need besides comes from the environment."""


@dataclass(frozen=True)
class Delta:
    """Delta Lake tables, one directory each, partitioned by build and day.

    Rows are stored with int64 nanoseconds, NaN as NaN, columns LZ4-compressed without dictionaries. Each write is one
    commit: a crash leaves whole batches or nothing. A build can be read once it is sealed, and never changes after.

    Parameters
    ----------
    path : str      directory, or a URL that delta-rs and Arrow both take, e.g. s3://bucket/lake
    keep : str      how long a file that is no longer needed stays for readers that began before; `db compact` deletes it
    """

    path: str = "lake"
    keep: str = "1d"

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ValueError("path: it is empty; name a directory")
        scheme, found, rest = self.path.partition("://")
        if found and scheme not in SCHEMES:
            raise ValueError(
                f"path: {scheme}:// is none of {', '.join(SCHEMES)}; a directory needs no scheme"
            )
        if found and ("?" in rest or ":" in rest.rpartition("@")[0]):
            # what it says is not repeated: it may hold a secret
            raise ValueError(
                "path: it holds credentials or options; leave them to the environment (AWS_ACCESS_KEY_ID, …)"
            )
        try:
            keep = duration_ns(self.keep)
        except ValueError as error:
            raise ValueError(f"keep: {error}") from None
        if keep < 3600 * NS:
            raise ValueError(f"keep: {self.keep} is too short for a reader to end; take 1h or more")
        if keep > 7 * 86_400 * NS:
            raise ValueError(f"keep: a log knows for 7d when a file was removed, and {self.keep} is longer")

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
        self._lake.write(build, table, batch)

    def seal(self, build: str, manifest: Mapping[str, Any]) -> None:
        """Declare a build whole.

        Where the manifest has "tables", a mapping of table to number of rows, the tables must hold exactly that many.

        Raises
        ------
        StoreError
            If rows are missing or too many, or the build was sealed with another manifest.
        """
        self._lake.seal(build, manifest)

    def scan(
        self,
        build: str,
        table: str,
        columns: Sequence[str] | None = None,
        since: int | None = None,
        until: int | None = None,
        *,
        whole: bool = True,
    ) -> Iterator[pa.RecordBatch]:
        """Rows with since <= row_ns < until in order of time, file by file, so memory stays flat.

        Raises
        ------
        StoreError
            If the build is unknown or, unless `whole` is false, not sealed, has no such table or column, or a file cannot be read.
        """
        return self._lake.scan(build, table, columns, since, until, whole=whole)

    def builds(self) -> Mapping[str, Mapping[str, Any]]:
        """Manifests of the sealed builds by id."""
        return {build: sealed.manifest for build, sealed in self._lake.sealed().items()}

    def discard(self, build: str) -> None:
        """Remove the rows of an unsealed build. Raises StoreError for a sealed one."""
        self._lake.discard(build)

    def record(self, run: str, table: str, rows: pa.Table) -> None:
        """Append the rows of a run that are not there yet, by n, in one commit.

        Raises
        ------
        StoreError
            If the rows are none of the table's, leave some of the run out, or the directory cannot be written.
        """
        from btcframe.stores.lake_records import record

        record(self._lake, run, table, rows)

    def records(self, table: str, run: str | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of one run, or of all, run after run, each in order of n; file by file, so memory stays flat.

        Raises
        ------
        StoreError
            If there is no such table, or a file cannot be read.
        """
        from btcframe.stores.lake_records import records

        return records(self._lake, table, run)

    def address(self) -> str:
        """The directory or URL; see `Addressed`."""
        return f"delta {self.path if '://' in self.path else Path(self.path).absolute()}"

    def init(self) -> Sequence[str]:
        """Make the directory, and say its layout; see `Administered`."""
        from btcframe.stores import lake_upkeep

        return lake_upkeep.init(self._lake)

    def status(self) -> StoreStatus:
        """Tables and builds as the logs have them: no data file is opened."""
        from btcframe.stores import lake_upkeep

        return lake_upkeep.status(self._lake)

    def migrate(self) -> Sequence[str]:
        """Bring a lake of an earlier layout to this one; what is sealed stays as it is.

        Raises
        ------
        StoreError
            If there is no lake yet, or a newer btcframe wrote it.
        """
        from btcframe.stores import lake_upkeep

        return lake_upkeep.migrate(self._lake)

    def verify(self, build: str | None = None) -> Iterator[Verified]:
        """Read every byte of one sealed build, or of all, and compare with checksums, sizes and what was sealed.

        Raises
        ------
        StoreError
            If there is no lake yet, no such build, or it is not sealed.
        """
        from btcframe.stores import lake_upkeep

        return lake_upkeep.verify(self._lake, build)

    def compact(self) -> Sequence[Compacted]:
        """Few files for many small ones in builds that are not sealed, and away with what is older than `keep`."""
        from btcframe.stores import lake_upkeep

        return lake_upkeep.compact(self._lake, duration_ns(self.keep))

    def roles(self) -> str:
        """Not for a lake. Raises StoreError."""
        raise StoreError(
            "a lake has no roles of its own",
            where=self.path,
            hint="The rights of its directory or bucket decide who may read and write.",
        )

    @cached_property  # a lake keeps its logs open, so that an append need not read them from the start
    def _lake(self) -> Lake:
        from btcframe.stores.lake import Lake  # half a second that a config need not pay

        return Lake(self.path)
