"""Where tables stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa


@runtime_checkable
class Store(Protocol):
    """Tables of builds, key (build, symbol, row_ns), and of runs, key (run, n). A sealed build never changes."""

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
        *,
        whole: bool = True,
    ) -> Iterator[pa.RecordBatch]:
        """Rows with since <= row_ns < until in order, only `columns`.

        Raises StoreError for an unsealed build, but with `whole=False`: then it gives the rows acknowledged so far.
        """

    def builds(self) -> Mapping[str, Mapping[str, Any]]:
        """Manifests of the sealed builds by id."""

    def discard(self, build: str) -> None:
        """Delete what an interrupted, unsealed build left behind."""

    def record(self, run: str, table: str, rows: pa.Table) -> None:
        """Keep rows of a run in one of the tables of `btcframe.stores.records`: its columns but `run`, n counting on.

        Idempotent: rows of the run that are there already, by n, are not written twice; none may be left out.
        """

    def records(self, table: str, run: str | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of one run, or of all of them, run after run, each in order of n; nothing where there are none."""


class TableStatus(NamedTuple):
    """A table as it stands.

    Parameters
    ----------
    name : str
    rows : int
    exact : bool      whether the rows are counted; else it is the server's estimate
    bytes : int       on disk, indexes too
    pieces : int      files of a lake, chunks of a hypertable; 1 for a plain table
    packed : int      of them compressed after they were written
    policies : str    what is done to it by itself, in words; "" for nothing
    """

    name: str
    rows: int
    exact: bool
    bytes: int
    pieces: int
    packed: int
    policies: str


class BuildStatus(NamedTuple):
    """A build as it stands: `rows` of all its tables; the first and last row_ns (ns UTC), None without rows."""

    build: str
    sealed: bool
    rows: int
    first_ns: int | None
    last_ns: int | None


class StoreStatus(NamedTuple):
    """A store as it stands.

    Parameters
    ----------
    facts : mapping       what it is and where, as text by name: address, version of the server, …
    revision : str        of its layout; "" where nothing is made yet
    head : str            the revision that this btcframe reads and writes
    tables, builds : tuple
    """

    facts: Mapping[str, str]
    revision: str
    head: str
    tables: tuple[TableStatus, ...]
    builds: tuple[BuildStatus, ...]


class Verified(NamedTuple):
    """A table of a build, read from end to end.

    Parameters
    ----------
    build, table : str
    rows : int          that are there
    findings : tuple    what is wrong with them, a sentence each
    dropped : str       which rows are gone because a setting says so, in words; that is no finding
    """

    build: str
    table: str
    rows: int
    findings: tuple[str, ...]
    dropped: str = ""


class Compacted(NamedTuple):
    """What was done to a table, in words, and its pieces and bytes before and after."""

    table: str
    done: str
    pieces: tuple[int, int]
    bytes: tuple[int, int]


@runtime_checkable
class Addressed(Protocol):
    """What a store may say besides. Optional."""

    def address(self) -> str:
        """Where its tables are, the same however it is set to go about its work, and nothing secret."""


@runtime_checkable
class Administered(Protocol):
    """What a store has, besides, for `btcframe db`. Optional. Everything may be done again, and while others work."""

    def init(self) -> Sequence[str]:
        """Make what writing needs; what was made, a line each. Nothing where all is there."""

    def status(self) -> StoreStatus:
        """How it stands. Changes nothing; cheap, however large the store."""

    def migrate(self) -> Sequence[str]:
        """Bring an older layout, and what the settings say of it, to this version; what was done, a line each."""

    def verify(self, build: str | None = None) -> Iterator[Verified]:
        """Read one sealed build, or all of them, in flat memory, and compare with what was sealed, table by table.

        Raises
        ------
        StoreError
            If nothing is made yet, there is no such build, or it is not sealed. What is wrong with rows or files is a
            finding, no error.
        """

    def compact(self) -> Sequence[Compacted]:
        """Few large pieces for many small ones, and away with what nobody needs. Readers and writers go on."""

    def roles(self) -> str:
        """A script that makes roles of least rights. Raises StoreError where the store has no roles of its own."""
