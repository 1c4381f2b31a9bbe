"""The upkeep of a lake, what `btcframe db` does to it: how it stands, whether it is whole, few files for many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deltalake.exceptions import CommitFailedError

from btcframe.api.storage import BuildStatus, Compacted, StoreStatus, TableStatus, Verified
from btcframe.errors import StoreError, did_you_mean
from btcframe.stores import lake_layout, lake_records
from btcframe.stores.lake import BUILDS, Lake
from btcframe.stores.lake_files import OURS, File, fingerprint
from btcframe.stores.lake_log import SETTINGS, Table, tries
from btcframe.stores.lake_merge import COMPACT, merge_days, written
from btcframe.stores.records import TABLES
from btcframe.types import NS


def init(lake: Lake) -> Sequence[str]:
    """Make the root and its layout file; what was made. Raises StoreError where it cannot be written."""
    with lake._reported("the store cannot be made"):
        if lake_layout.mark(lake.files):
            return [f"{lake.root}: layout {lake_layout.LAYOUT}"]
        return []


def migrate(lake: Lake) -> Sequence[str]:
    """Bring a lake of an earlier layout to this one; what was done. Raises StoreError where nothing is made yet."""
    _check_made(lake, "migrate")
    done = []
    with lake._reported("the store cannot be migrated"), lake._lock:
        for name in _names(lake):
            table = lake._look(name)
            if table is None:
                continue
            settings = (
                SETTINGS if name not in TABLES else {k: v for k, v in SETTINGS.items() if "Stats" not in k}
            )
            have = table.handle.metadata().configuration
            if any(have.get(key) != value for key, value in settings.items()):
                table.handle.alter.set_table_properties(settings)
                done.append(f"{name}: log settings")
        if lake_layout.mark(lake.files, older=True):
            done.append(f"{lake.root}: layout {lake_layout.LAYOUT}")
    return done


def status(lake: Lake) -> StoreStatus:
    """How the lake stands, from its logs."""
    sealed = lake.sealed()
    tables: list[TableStatus] = []
    builds: dict[str, list[File]] = {}
    with lake._reported("the store cannot be read"), lake._lock:
        for name in _names(lake):
            files = _files(lake, name)
            rows = sum(f.rows for f in files)
            tables.append(TableStatus(name, rows, True, sum(f.size for f in files), len(files), 0, ""))
            for file in files:
                if file.build:
                    builds.setdefault(file.build, []).append(file)
        there = lake_layout.layout(lake.files)
    told = [
        BuildStatus(
            build,
            build in sealed,
            sum(f.rows for f in builds.get(build, ())),
            min((f.first for f in builds.get(build, ())), default=None),
            max((f.last for f in builds.get(build, ())), default=None),
        )
        for build in sorted({*builds, *sealed})
    ]
    facts = {"store": "delta", "path": lake.root}
    return StoreStatus(
        facts, str(there) if there else "", str(lake_layout.LAYOUT), tuple(tables), tuple(told)
    )


def verify(lake: Lake, build: str | None) -> Iterator[Verified]:
    """Every byte of one sealed build, or of all, against checksums and what was sealed; see `Delta.verify`."""
    _check_made(lake, "verify")
    sealed = lake.sealed()
    if build is not None and build not in sealed:
        raise StoreError(
            f"there is no whole build {build}",
            where=lake.root,
            hint=did_you_mean(build, sealed) or "This store holds no build yet.",
            next="btcframe db status",
        )
    return _verified(lake, sorted(sealed) if build is None else [build])


def _verified(lake: Lake, builds: Sequence[str]) -> Iterator[Verified]:
    for build in builds:
        known = lake.sealed()[build]
        counted = known.manifest.get("tables", {})
        for name in dict.fromkeys((*known.tables, *known.files, *(t for t, n in counted.items() if n))):
            with lake._reported(f"table {name} cannot be verified"):
                files = [f for f in _files(lake, name) if f.build == build]
                found = [wrong for f in files if (wrong := lake.files.check(name, f))]
                found += _foreign(lake, name, files)
            rows = sum(f.rows for f in files)
            if rows != counted.get(name, rows):
                found.append(f"the log has {rows:,} rows, and {counted[name]:,} were sealed")
            if name in known.files and known.files[name] != fingerprint(files):
                found.append("the log has other files than were sealed")
            if not found:
                lost = sorted(set(known.tables.get(name, ())) - set(written(lake.files, name, files)))
                found += [f"column {column} was sealed, and no file has it" for column in lost]
            yield Verified(build, name, rows, tuple(found))


def _foreign(lake: Lake, name: str, files: Sequence[File]) -> list[str]:
    """Files in the build's directories that btcframe did not write."""
    folders = sorted({f.path.rpartition("/")[0] for f in files})
    return [
        f"{folder}/{other}: btcframe did not write this file"
        for folder in folders
        for other in lake.files.names(f"{name}/{folder}")
        if not OURS.fullmatch(other)
    ]


def _check_made(lake: Lake, what: str) -> None:
    with lake._reported("the store cannot be read"):
        if not lake_layout.layout(lake.files):
            raise StoreError(
                f"there is nothing to {what} yet",
                where=lake.root,
                next="Is the place right? store.path=… To make it: btcframe db init",
            )


def compact(lake: Lake, keep_ns: int) -> Sequence[Compacted]:
    """Merge small files of open builds, of the list of builds and of records; delete what is older than `keep_ns`."""
    done = []
    for name in _names(lake):
        with lake._reported(f"table {name} cannot be compacted"):
            done.append(_compacted(lake, name, keep_ns))
    return done


def _compacted(lake: Lake, name: str, keep_ns: int) -> Compacted:
    before = _files(lake, name)
    for _ in tries():
        with lake._lock:  # of this process only: writers of others go on, and where they meet we look again
            table = lake._look(name)
            try:
                if table is None or not _merge(lake, name, table):
                    break
            except CommitFailedError:
                continue
    gone = 0
    with lake._lock:
        table = lake._look(name)
        if table is not None:
            hours = max(1, -(-keep_ns // (3600 * NS)))
            gone = len(table.handle.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True))
            table.handle.create_checkpoint()
            table.handle.cleanup_metadata()
    after = _files(lake, name)
    words = [f"{len(before):,} files are {len(after):,}"] if len(before) != len(after) else []
    words += [f"{gone:,} old files deleted"] if gone else []
    sizes = sum(f.size for f in before), sum(f.size for f in after)
    return Compacted(name, "; ".join(words) or "nothing to do", (len(before), len(after)), sizes)


def _merge(lake: Lake, name: str, table: Table) -> int:
    """Merge what can be; how many files were replaced."""
    if name in TABLES:
        lake_records.join(lake, name)  # in order of their key, which delta-rs's own compaction does not keep
        return 0
    # after the look at the table: what is sealed meanwhile was merged by the seal itself
    sealed = lake.sealed()
    return merge_days(lake.files, name, table, [f for f in table.files() if f.build not in sealed], COMPACT)


def _files(lake: Lake, name: str) -> list[File]:
    with lake._lock:
        table = lake._look(name)
        return [] if table is None else table.files()


def _names(lake: Lake) -> list[str]:
    """The tables that are there; a directory without a log is somebody else's."""
    there = set(lake.files.folders())
    names = [*lake._tables(), *(name for name in (BUILDS, *TABLES) if name in there)]
    with lake._lock:
        return [name for name in names if lake._look(name) is not None]
