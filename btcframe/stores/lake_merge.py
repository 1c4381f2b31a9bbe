"""Many small files of a lake made few: the same rows, in order of time, in one commit.

Only builds that are not sealed are touched. A reader that began before goes on reading the small files, which stay
where they are until the store's `keep` has passed; a writer's commit and this one do not exclude each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import pyarrow as pa
from deltalake.exceptions import CommitFailedError

from btcframe.stores.batches import ordered
from btcframe.stores.lake_files import OURS, File, Files, encoded, overlapping, regrouped
from btcframe.stores.lake_log import Table

FILE_BYTES = 200_000_000
"""About how large a file is made: a day of 864,000 rows × 115 columns is four or five."""

APPEND = (64, 16_000_000)
"""A build's day with more files than this, each below so many bytes, is merged by the append that brought the last."""

SEAL = (5, 4_000_000)
"""The same for a build that is being sealed: after that it is never touched."""

COMPACT = (1, FILE_BYTES // 2)
"""The same for `btcframe db compact`."""


def merge_days(
    files: Files, name: str, table: Table, of: Sequence[File], rule: tuple[int, int]
) -> tuple[int, int]:
    """Merge small files of each build and day where there are more than the rule allows.

    A commit to the same build at the same time, by another process, wins: then nothing is merged.

    Parameters
    ----------
    files : Files
    name : str          the table's
    table : Table       its log
    of : sequence of File    those to look at
    rule : tuple        how many small files a day may have, and below how many bytes a file is small

    Returns
    -------
    tuple of int
        Files replaced, and files that replace them; (0, 0) as well where another process changed them meanwhile.
    """
    most, small = rule
    before = after = 0
    for (build, _), day in groupby(sorted(of, key=_place), key=_place):
        inside = sorted(day, key=lambda f: (f.first, f.last, f.path))
        if sum(f.size < small for f in inside) <= most:
            continue
        if rule != SEAL and build and table.transaction(sealing(build)):
            continue
        for run in _runs(inside, small):
            made = _merge(files, name, table, run)
            if made:
                before, after = before + len(run), after + made
    return before, after


def _place(file: File) -> tuple[str, str]:
    return file.build, file.day


def _runs(day: Sequence[File], small: int) -> Iterator[list[File]]:
    """Small files that follow each other: a merged file must not span the time of a large one."""
    for is_small, run in groupby(day, key=lambda f: f.size < small):
        if is_small and len(found := list(run)) > 1:
            yield found


def _merge(files: Files, name: str, table: Table, run: Sequence[File]) -> int:
    columns = written(files, name, run)
    schema = pa.schema([field for field in table.schema() if field.name in columns])
    rows = regrouped(part for group in overlapping(run) for part in in_order(files, name, group, schema))
    made = put_all(files, name, encoded(rows, schema, FILE_BYTES), run[0].build, run[0].day)
    try:
        if {f.path for f in run} <= {f.path for f in table.files()}:
            table.commit(made, run, transaction(run[0].build, table) if run[0].build else ())
            return len(made)
    except CommitFailedError:
        pass  # somebody merged, discarded, wrote to or sealed the same build; what was made goes with the vacuum
    return 0


def transaction(build: str, table: Table) -> tuple[tuple[str, int]]:
    """What a commit to a build carries: of two at a time, the log refuses the second."""
    name = f"btcframe/{build}"
    return ((name, table.transaction(name) + 1),)


def sealing(build: str) -> str:
    """The transaction by which a table knows that a build is being sealed, and is no more to be merged."""
    return f"btcframe/{build}/sealing"


def put_all(
    files: Files, name: str, made: Iterator[tuple[pa.Buffer, int, int, int]], build: str, day: str
) -> list[File]:
    """Write data files of one build and day, or of a table without; they are not part of the table yet."""
    folder = f"build={build}/day={day}/" if build else ""
    return [
        File(
            folder + files.put(f"{name}/{folder}".rstrip("/"), data), data.size, rows, first, last, build, day
        )
        for data, rows, first, last in made
    ]


def in_order(
    files: Files,
    name: str,
    group: Sequence[File],
    schema: pa.Schema,
    since: int | None = None,
    until: int | None = None,
) -> Iterator[pa.Table]:
    """Rows of files whose times overlap, in order; of one file, or without times, a row group at a time."""
    if len(group) == 1 or "row_ns" not in schema.names:
        for file in group:
            yield from files.read(name, file, schema, since, until)
    else:
        parts = [part for file in group for part in files.read(name, file, schema, since, until)]
        yield ordered(pa.concat_tables(parts))


def written(files: Files, name: str, of: Sequence[File]) -> set[str]:
    """Columns that a build wrote, as its files tell: the table has those of all builds."""
    found: set[str] = set()
    for file in of:
        opened = files.open(name, file)
        names = opened.schema_arrow.names
        ours = OURS.fullmatch(file.path.rpartition("/")[2])
        if ours and ours["sha256"]:
            found.update(names)
            continue
        for number in range(
            opened.num_row_groups
        ):  # the first layout filled columns of other builds with nulls
            group = opened.metadata.row_group(number)
            for i, column in enumerate(names):
                told = group.column(i)
                if not told.is_stats_set or told.statistics.null_count < told.num_values:
                    found.add(column)
    return found
