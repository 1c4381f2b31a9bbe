"""Building a training table: what identifies it, who may build it, and the stream from events to the store."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from btcframe import truth
from btcframe.api import Clock, Column, Feed, Label, Store
from btcframe.checkup import judge
from btcframe.checkup.collect import Collector
from btcframe.checkup.numbers import Checkup
from btcframe.config import digest, nodes
from btcframe.errors import BtcframeError, ConfigError, DataError
from btcframe.learning import stored_rows
from btcframe.learning.tables import TABLE, Assembler, Layout, Summary
from btcframe.pipeline import Pipeline
from btcframe.plugins import Catalog
from btcframe.provenance import code_of, versions
from btcframe.run import cpu_class
from btcframe.types import NS, duration_name

INPUTS = ("source", "clock", "features", "regime", "label")
"""The slots that decide what is in a training table."""

Write = Callable[[str, Any], None]
"""Takes the name of a table and a pyarrow.Table of its rows."""

COMPILER = ("numpy", "numba", "llvmlite")
"""What turns a kernel into machine code."""


class Build(NamedTuple):
    """A training table that stands in the store.

    Parameters
    ----------
    id : str
    manifest : mapping    identity, layout, summary, checkup of the columns, symbol, rows by table
    reused : bool         it stood there before
    """

    id: str
    manifest: Mapping[str, Any]
    reused: bool

    @property
    def layout(self) -> Layout:
        """Its columns."""
        return Layout.from_manifest(self.manifest["layout"])

    @property
    def summary(self) -> Summary:
        """What it is made of."""
        return Summary(**self.manifest["summary"])

    @property
    def rows(self) -> int:
        """Rows of the training table."""
        return int(self.manifest["tables"][TABLE])


class Made(NamedTuple):
    """What is known of a table once it has been written.

    Parameters
    ----------
    layout : Layout
    summary : Summary
    checkup : Checkup    of features and regime descriptors
    """

    layout: Layout
    summary: Summary
    checkup: Checkup


# -------------------------------------------------------------------------------------------------- identity


def identity(config: Mapping[str, Any], catalog: Catalog, fingerprint: str) -> dict[str, Any]:
    """What decides the bits of a build, plain values.

    The components' settings, the data's fingerprint, the code of the core and of every plugin package used, what
    compiles it and for which CPU; the seed only where the source has no recorded data (fingerprint ""), because
    nothing else in a build is random. A build with raw rows is another one: what is sealed cannot get them later.
    """
    chosen = [(slot, path, node) for slot, path, node in nodes(config) if slot in INPUTS]
    rows = {"rows": True} if config["build"]["rows"] else {}
    return rows | {
        "components": [[path, node] for _, path, node in chosen],
        "select": list(config["select"]),
        "fingerprint": fingerprint,
        "seed": None if fingerprint else config["seed"],
        "code": code_of(((slot, node) for slot, _, node in chosen), catalog),
        "compiler": compiler(),
    }


def compiler() -> dict[str, str]:
    """What turns kernels into machine code, by version, and the class of CPU that it is for.

    Another version, or another class of CPU, may round differently: machines that share a store share a build only
    where both are the same.
    """
    return versions(COMPILER) | {"cpu": cpu_class()}


def build_id(what: Mapping[str, Any]) -> str:
    """Short name of an identity: the first 12 digits of its sha256."""
    return digest(what)[:12]


# ---------------------------------------------------------------------------------------------------- stream


def check_horizons(clock: Clock, label: Label) -> None:
    """Refuse a horizon shorter than a row: nothing could happen within it.

    Raises
    ------
    ConfigError
    """
    shortest = min(label.horizons_ns)
    if shortest < clock.period_ns:
        raise ConfigError(
            f"the label looks {duration_name(shortest)} ahead, but a row lasts {duration_name(clock.period_ns)}",
            where="label",
            hint="Use longer horizons or a faster clock.",
        )


def build_table(
    feed: Feed, pipeline: Pipeline, label: Label, write: Write, batch: int, advance: Callable[[float], None],
    oracle: truth.Oracle | None = None, *, raw: bool = False,
) -> Made:  # fmt: skip
    """Stream a feed through the pipeline and hand batches of the training table to `write`.

    What a synthetic market tells of its hidden state goes by the pipeline into the table `truth`.

    Parameters
    ----------
    feed : Feed
    pipeline : Pipeline    without wakes
    label : Label
    write : callable       takes the name of a table and a pyarrow.Table
    batch : int            rows a batch has at least
    advance : callable     told of every number of rows closed
    oracle : callable, optional    of a source whose batches carry truth
    raw : bool             write the rows themselves, too: table `l2_rows`

    Raises
    ------
    DataError
        If there are no rows, fewer than any feature or any descriptor needs, or they do not reach the longest horizon.
    PluginError
        If the source's truth or its oracle breaks their rules.
    """
    layout = Layout.of([c.name for c in pipeline.columns], [c.name for c in pipeline.regime_columns], label)
    symbol = feed.instrument.symbol
    assembler = Assembler(layout, symbol, label, batch)
    columns = (*pipeline.columns, *pipeline.regime_columns)
    collector = Collector(columns)
    hidden = truth.TruthWriter(oracle, label.horizons_ns, symbol, batch, partial(write, truth.TABLE))
    rows = stored_rows.RowWriter(symbol, batch, partial(write, stored_rows.TABLE)) if raw else None
    events = 0
    for taken in _closed_rows(feed, pipeline, hidden):
        events += taken
        if len(pipeline.rows):
            collector.add(pipeline.rows, pipeline.x, pipeline.descriptors)
            table = assembler.add(pipeline.rows, pipeline.x, pipeline.descriptors)
            if table is not None:
                write(TABLE, table)
            if rows is not None:
                rows.add(pipeline.rows)
            advance(len(pipeline.rows))
    rest = assembler.finish()
    if rest is not None:
        write(TABLE, rest)
    hidden.finish()
    if rows is not None:
        rows.finish()
    _check_enough(
        assembler.summary, events, (pipeline.columns, pipeline.regime_columns), label.max_horizon_ns
    )
    return Made(layout, assembler.summary, collector.finish())


def _closed_rows(feed: Feed, pipeline: Pipeline, hidden: truth.TruthWriter) -> Iterator[int]:
    """Push everything; after each step the pipeline holds the rows it closed. Yields the events consumed."""
    for batch in feed:
        if batch.truth is not None:
            hidden.add(batch.truth)
        if batch.rows is not None:
            at = 0
            while at < len(batch.rows):
                at = pipeline.push_rows(batch.rows, at)
                yield 0
        at, whole = 0, False
        while not whole:
            before = at
            at, wake = pipeline.push(batch.events, at)
            whole = at == len(batch.events) and not wake
            yield at - before


def _check_enough(summary: Summary, events: int, groups: Iterable[Sequence[Column]], horizon: int) -> None:
    """Refuse rows of which no feature, no descriptor or no label can be known; single columns the checkup names."""
    rows = summary.rows
    if rows == 0:
        raise DataError(
            f"no row was closed: the source gave {events:,} events, and the book never became whole before "
            "a row's end",
            where="source",
            hint="Is there a snapshot in the data, and does it last longer than one row (clock.every)?",
        )
    if summary.unusable == rows:
        flags = ", ".join(f"{flag} {n:,}" for flag, n in summary.flags.items())
        raise DataError(f"none of the {rows:,} rows has a usable book ({flags})", where="source")
    for columns in groups:
        soonest = min(columns, key=lambda column: column.warmup, default=None)
        if soonest is not None and rows <= soonest.warmup:
            raise DataError(
                f"{rows:,} rows are too few: {soonest.name} is known from row {soonest.warmup:,} on",
                where="source",
                hint="Use more data, a faster clock (clock.every), or shorter windows.",
            )
    span = summary.last_ns - summary.first_ns
    if span < horizon:
        raise DataError(
            f"the rows span {span / NS:.10g}s and the label looks {duration_name(horizon)} ahead: none is known",
            where="label.horizons",
            hint="Use more data or shorter horizons.",
        )


def write_build(
    store: Store, build: str, what: Mapping[str, Any], make: Callable[[Write], Made], symbol: str,
) -> Build:  # fmt: skip
    """Write and seal a build; whatever stops it half-way is cleaned up as well as can be.

    Parameters
    ----------
    store : Store
    build : str
    what : mapping     its identity
    make : callable    streams the tables into the function it is given
    symbol : str
    """
    store.discard(build)  # what an interrupted build may have left
    rows: Counter[str] = Counter()

    def write(table: str, batch: Any) -> None:
        store.write(build, table, batch)
        rows[table] += len(batch)

    try:
        made = make(write)
        manifest = {
            "identity": dict(what),
            "symbol": symbol,
            "layout": made.layout.as_manifest(),
            "summary": vars(made.summary),
            "checkup": made.checkup.as_manifest(),
            "tables": dict(rows),
        }
        store.seal(build, manifest)
    except BaseException:
        with contextlib.suppress(BtcframeError):  # unsealed rows are never read, and the error matters more
            store.discard(build)
        raise
    return Build(build, manifest, reused=False)


def describe(build: Build) -> str:
    """A few lines on what a build holds and what was left out."""
    s, layout = build.summary, build.layout
    head = f"Build {build.id}{' exists' if build.reused else ''}: {s.rows:,} rows of {build.manifest['symbol']}, "
    lines = [
        f"{head}{len(layout.columns)} features, horizons {', '.join(map(duration_name, layout.horizons_ns))}",
        f"  {(s.last_ns - s.first_ns) / NS:,.0f} s, "
        f"{f'{s.warmup:,} rows of warm-up' if s.warmup < s.rows else 'no row in which every feature is known'}, "
        f"{s.unusable:,} rows unusable (weight 0)",
    ]
    if s.flags:
        lines.append("  flags: " + ", ".join(f"{flag} {n:,}" for flag, n in sorted(s.flags.items())))
    if truth.known(build.manifest):
        told = build.manifest["tables"][truth.TABLE]
        lines.append(f"  its truth in {told:,} rows of a table of its own, to judge by")
    thin = [name for name in layout.labels if s.valid[name] < judge.COVERED * s.rows]
    if thin:
        shares = ", ".join(f"{name} {judge.share(s.valid[name], s.rows)}" for name in thin)
        lines.append(f"  labels known in less than {100 * judge.COVERED:.0f} % of the rows: {shares}")
    found = judge.of_build(build.manifest)
    if found is None:
        lines.append("  its columns were not checked: it was made before builds did that")
    else:
        lines += [f"  {judge.quality(found.history)}", *judge.summary(found)]
    return "\n".join(lines)
