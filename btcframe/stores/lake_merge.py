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
from btcframe.stores.lake_files import OURS, File, Files, overlapping
from btcframe.stores.lake_log import Table
from btcframe.stores.lake_writing import FILE_BYTES, put_all, regrouped

APPEND = (64, 16_000_000)
"""A build's day with more files than this, each below so many bytes, is merged by the append that brought the last."""

SEAL = (5, 16_000_000)
"""The same for a build that is being sealed, but all files of the day are counted: after that it is never touched."""

COMPACT = (1, FILE_BYTES // 2)
"""The same for `btcframe db compact`."""


def merge_days(files: Files, name: str, table: Table, of: Sequence[File], rule: tuple[int, int]) -> int:
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
    int
        Files that were replaced; 0 as well where another process changed them meanwhile.
    """
    most, small = rule
    replaced = 0
    for (build, _), day in groupby(sorted(of, key=_place), key=_place):
        inside = sorted(day, key=lambda f: (f.first, f.last, f.path))
        if (len(inside) if rule == SEAL else sum(f.size < small for f in inside)) <= most:
            continue
        if rule != SEAL and build and table.transaction(sealing(build)):
            continue
        for run in _runs(inside, small):
            replaced += _merge(files, name, table, run)
    return replaced


def _place(file: File) -> tuple[str, str]:
    return file.build, file.day


def _runs(day: Sequence[File], small: int) -> Iterator[list[File]]:
    """Small files that follow each other: a merged file must not span the time of a large one."""
    for is_small, run in groupby(day, key=lambda f: f.size < small):
        if is_small and len(found := list(run)) > 1:
            yield found


def _merge(files: Files, name: str, table: Table, run: Sequence[File]) -> int:
    columns = written(files, name, run)
    there = (field for field in table.schema() if field.name in columns)
    schema = pa.schema([field.with_nullable(columns[field.name]) for field in there])
    rows = regrouped(part for group in overlapping(run) for part in in_order(files, name, group, schema))
    made = put_all(files, name, rows, schema, run[0].build, run[0].day)
    try:
        if {f.path for f in run} <= {f.path for f in table.files()}:
            table.commit(made, run, transaction(run[0].build, table) if run[0].build else ())
            return len(run)
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


def written(files: Files, name: str, of: Sequence[File]) -> dict[str, bool]:
    """Columns that a build wrote, as its files tell, and whether one may be null: the table has those of all builds."""
    found: set[str] = set()
    never: list[set[str]] = []
    for file in of:
        opened = files.open(name, file)
        names = opened.schema_arrow.names
        never.append({field.name for field in opened.schema_arrow if not field.nullable})
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
    whole = set.intersection(*never) if never else set()
    return {column: column not in whole for column in found}
