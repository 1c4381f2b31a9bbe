"""The store on a server: PostgreSQL, with TimescaleDB where it is there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from btcframe.errors import StoreError
from btcframe.types import NS, duration_name, duration_ns

if TYPE_CHECKING:
    import pyarrow as pa

    from btcframe.api import Compacted, StoreStatus, Verified
    from btcframe.stores.postgres.connection import Access
    from btcframe.stores.postgres.hypertables import Layout

_NAME_BYTES = 63
"""PostgreSQL's limit."""

_LONGEST_MS = 2**31 - 1
"""The longest of PostgreSQL's own timeouts, 24 days."""

_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True)
class Timescale:
    """Tables on a PostgreSQL server: hypertables where the database has TimescaleDB, plain ones elsewhere.

    Rows are stored in real columns with int64 nanoseconds beside a timestamptz, NaN as NaN and null as NULL. Each
    write is one transaction: a crash leaves whole batches or nothing. A build can be read once it is sealed, and never
    changes after. The password is no setting: PGPASSWORD or ~/.pgpass has it.

    Parameters
    ----------
    host : str                 name or address of the server, or the directory of its socket
    port : int                 the server's
    database : str             its name; it must exist
    user : str                 role; empty: PGUSER, or the user of the system
    schema : str               of all tables; made where it is missing
    sslmode : str              encryption, as libpq takes it: disable, allow, prefer, require, verify-ca, verify-full
    sslrootcert : str          file of the authority that signed the server's certificate; empty: libpq's default
    connect_timeout : str      how long to wait for the server
    statement_timeout : str    how long one batch may take to write; reading takes as long as its reader
    lock_timeout : str         how long to wait for another session
    chunk : str                time that a chunk of a hypertable spans
    compress_after : str       age of the rows at which a chunk is compressed; empty: never
    keep_rows : str            age at which raw rows (`l2_rows`) go; empty: never. No other table ever loses a row
    aggregates : list of str   lengths of the buckets in which views such as l2_rows_1m show raw rows
    refresh : str              how often TimescaleDB brings these up to date
    """

    host: str = "localhost"
    port: int = 5432
    database: str = "btcframe"
    user: str = ""
    schema: str = "btcframe"
    sslmode: str = "prefer"
    sslrootcert: str = ""
    connect_timeout: str = "10s"
    statement_timeout: str = "10m"
    lock_timeout: str = "1m"
    chunk: str = "7d"
    compress_after: str = ""
    keep_rows: str = ""
    aggregates: tuple[str, ...] = ("1m", "1h")
    refresh: str = "10m"

    def __post_init__(self) -> None:
        for name in ("host", "database", "schema"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name}: it is empty")
        for name in ("host", "database", "user"):
            if any(mark in getattr(self, name) for mark in ("=", "://", "@")):
                # what it says is not repeated: it may hold a password
                raise ValueError(
                    f"{name}: it is a connection string; set host, port, database and user apart, "
                    "and leave the password to PGPASSWORD or ~/.pgpass"
                )
        if not 1 <= self.port <= 65_535:
            raise ValueError(f"port: {self.port} is none; they go from 1 to 65535")
        if self.sslmode not in _SSL:
            raise ValueError(f"sslmode: {self.sslmode!r} is none of {', '.join(_SSL)}")
        if self.schema.startswith("pg_") or len(self.schema.encode()) > _NAME_BYTES:
            raise ValueError(
                f"schema: {self.schema!r} is no name for one: {_NAME_BYTES} bytes at most, and pg_ is PostgreSQL's own"
            )
        for name in ("connect_timeout", "statement_timeout", "lock_timeout"):
            _duration(name, getattr(self, name), 1_000_000, _LONGEST_MS * 1_000_000)
        for name in ("chunk", "refresh", *(n for n in ("compress_after", "keep_rows") if getattr(self, n))):
            _duration(name, getattr(self, name), NS)
        _check_aggregates(self.aggregates, self.keep_rows)

    def claim(self, build: str, waiting: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Hold the right to make a build among all that use the database, on any machine."""
        with _libraries():
            from btcframe.stores.postgres.builds import claimed
        return claimed(self._access(), build, waiting)

    def write(self, build: str, table: str, batch: pa.Table) -> None:
        """Append the rows whose (symbol, row_ns) the build does not hold yet, in one transaction.

        Raises
        ------
        StoreError
            If the build is sealed and the batch has new rows, a column changes its type or cannot be kept, or the
            server cannot be reached or refuses.
        """
        with _libraries():
            from btcframe.stores.postgres.writing import write
        write(self._access(), build, table, batch, self._layout())

    def seal(self, build: str, manifest: Mapping[str, Any]) -> None:
        """Declare a build whole.

        Where the manifest has "tables", a mapping of table to number of rows, the tables must hold exactly that many.

        Raises
        ------
        StoreError
            If rows are missing or too many, or the build was sealed with another manifest.
        """
        with _libraries():
            from btcframe.stores.postgres.builds import seal
        seal(self._access(), build, manifest)

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
        """Rows with since <= row_ns < until in order of time, as they arrive, so memory stays flat.

        Raises
        ------
        StoreError
            If the build is unknown or, unless `whole` is false, not sealed, has no such table or column, or the server fails.
        """
        with _libraries():
            from btcframe.stores.postgres.reading import scan
        return scan(self._access(), build, table, columns, since, until, whole=whole)

    def builds(self) -> Mapping[str, Mapping[str, Any]]:
        """Manifests of the sealed builds by id."""
        with _libraries():
            from btcframe.stores.postgres.builds import builds
        return builds(self._access())

    def discard(self, build: str) -> None:
        """Remove the rows of an unsealed build. Raises StoreError for a sealed one."""
        with _libraries():
            from btcframe.stores.postgres.builds import discard
        discard(self._access(), build)

    def record(self, run: str, table: str, rows: pa.Table) -> None:
        """Append the rows of a run that are not there yet, by n, in one transaction.

        Raises
        ------
        StoreError
            If the rows are none of the table's, leave some of the run out, or the server cannot be reached or refuses.
        """
        with _libraries():
            from btcframe.stores.postgres.records import record
        record(self._access(), run, table, rows)

    def records(self, table: str, run: str | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of one run, or of all, run after run, each in order of n; as they arrive, so memory stays flat.

        Raises
        ------
        StoreError
            If there is no such table, or the server fails.
        """
        with _libraries():
            from btcframe.stores.postgres.records import records
        return records(self._access(), table, run)

    def init(self) -> Sequence[str]:
        """Make the schema and its fixed tables; what was made, a line each.

        Raises
        ------
        StoreError
            If the settings ask for what the server cannot do.
        """
        with _libraries():
            from btcframe.stores.postgres.admin import init
        return init(self._access(), self._layout())

    def status(self) -> StoreStatus:
        """How the server and the schema stand. Changes nothing."""
        with _libraries():
            from btcframe.stores.postgres.status import status
        return status(self._access())

    def migrate(self) -> Sequence[str]:
        """Bring the schema to this version, in one transaction, with all its rows; what was done, a line each.

        Raises
        ------
        StoreError
            If there is no schema yet, or a newer btcframe migrated it.
        """
        with _libraries():
            from btcframe.stores.postgres.admin import migrate
        return migrate(self._access(), self._layout())

    def verify(self, build: str | None = None) -> Iterator[Verified]:
        """Read one sealed build, or all, and compare with what was sealed, table by table.

        Raises
        ------
        StoreError
            If there is no such build, or it is not sealed.
        """
        with _libraries():
            from btcframe.stores.postgres.verifying import verify
        return verify(self._access(), build, self._layout())

    def compact(self) -> Sequence[Compacted]:
        """Give back what deleted rows held, and bring the planner's statistics up to date."""
        with _libraries():
            from btcframe.stores.postgres.admin import compact
        return compact(self._access(), self._layout())

    def roles(self) -> str:
        """SQL that makes an owner, a writer and a reader of least rights."""
        with _libraries():
            from btcframe.stores.postgres.roles import roles
        return roles(self._access())

    def address(self) -> str:
        """Server, database and schema; see `Addressed`."""
        return f"timescale {self.host}:{self.port}/{self.database}, schema {self.schema}"

    def _access(self) -> Access:
        from btcframe.stores.postgres.connection import Access

        parameters: dict[str, str | int] = {
            "host": self.host,
            "port": self.port,
            "dbname": self.database,
            "sslmode": self.sslmode,
            "connect_timeout": max(1, duration_ns(self.connect_timeout) // NS),
        }
        named = {"user": self.user, "sslrootcert": self.sslrootcert}
        parameters |= {name: value for name, value in named.items() if value}
        waits = (
            duration_ns(getattr(self, name)) // 1_000_000 for name in ("statement_timeout", "lock_timeout")
        )
        return Access(parameters, self.schema, *waits)

    def _layout(self) -> Layout:
        from btcframe.stores.postgres.hypertables import Layout

        ages = (self.chunk, self.compress_after, self.keep_rows)
        chunk, compress, keep = (duration_ns(age) // 1000 if age else 0 for age in ages)
        periods = tuple(duration_ns(period) // 1000 for period in self.aggregates)
        return Layout(chunk, compress, keep, periods, duration_ns(self.refresh) // 1000)


def _check_aggregates(periods: Sequence[str], keep: str) -> None:
    """Refuse what TimescaleDB would refuse later: it looks at two buckets at least, and the newest is open."""
    lengths = [_duration("aggregates", period, 1) for period in periods]
    for period, length in zip(periods, lengths, strict=True):
        if length % 1_000_000_000:
            raise ValueError(f"aggregates: {period} is not a whole number of seconds")
    longest = max(lengths, default=0)
    if keep and duration_ns(keep) < 4 * longest:
        raise ValueError(f"keep_rows: {keep} is shorter than four buckets of {duration_name(longest)}")


def _duration(name: str, text: str, least: int, most: int = 2**63 - 1) -> int:
    """Nanoseconds of a setting. Raises ValueError with its name."""
    try:
        ns = duration_ns(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not least <= ns <= most:
        limit = f"{duration_name(least)} at least" if ns < least else f"{most // (86_400 * NS)}d at most"
        raise ValueError(f"{name}: {text} is not what a server can keep to: {limit}")
    return ns


@contextlib.contextmanager
def _libraries() -> Iterator[None]:
    """Say how to get SQLAlchemy and psycopg where they are not installed."""
    try:
        yield
    except ImportError as error:
        raise StoreError(
            f"the store timescale needs SQLAlchemy and psycopg: {error}",
            hint="They come with an extra of btcframe.",
            next="pip install 'btcframe[timescale]', or use store=delta",
        ) from error
