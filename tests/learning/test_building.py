"""Builds: what names them, who may make them, and what cannot be built."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from btcframe.api import Batch, Column, Wake
from btcframe.errors import ConfigError, DataError, StoreError
from btcframe.labels.forward_return import ForwardReturn
from btcframe.learning.building import (
    Build,
    build_id,
    build_table,
    check_horizons,
    describe,
    identity,
    write_build,
)
from btcframe.learning.tables import TABLE, read_training
from btcframe.plugins import discover
from btcframe.provenance import code_digest
from btcframe.stores.delta import Delta
from btcframe.truth import read_truth
from btcframe.types import EVENT, NS, ROW, TRUTH, Instrument, RowFlag

LABEL = ForwardReturn(horizons=("5s",))


class Feed:
    """Batches of events; one event makes one row in the pipeline below."""

    instrument = Instrument("BTC/USDT:USDT", Decimal("0.1"), Decimal("0.001"))

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes

    def __iter__(self) -> Iterator[Batch]:
        for size in self.sizes:
            yield Batch(np.zeros(size, EVENT))


class Told(Feed):
    """The same with truth: a row of it for every event."""

    def __iter__(self) -> Iterator[Batch]:
        at = 0
        for size in self.sizes:
            truth = np.zeros(size, TRUTH)
            truth["row_ns"] = NS * np.arange(at + 1, at + size + 1)
            truth["latent"] = truth["row_ns"] / NS
            truth["regime"] = at % 3
            at += size
            yield Batch(np.zeros(size, EVENT), truth=truth)


def oracle(truth: np.ndarray, horizons_ns: Sequence[int]) -> np.ndarray:
    return truth["latent"][:, None] * np.array(horizons_ns) / NS


class FakePipeline:
    """A row per event, ten at most per push: stops with FULL like the real one."""

    columns = (Column("fa", warmup=8), Column("slow", warmup=30))
    regime_columns = (Column("regime_v"),)

    def __init__(self, flags: int = 0) -> None:
        self.flags, self.closed = flags, 0

    def push(self, events: np.ndarray, start: int = 0) -> tuple[int, Wake]:
        n = min(10, len(events) - start)
        self.rows = np.zeros(n, ROW)
        number = self.closed + np.arange(1, n + 1)
        self.rows["row_ns"], self.rows["mid"], self.rows["flags"] = number * NS, 100 + number, self.flags
        self.rows["quality"] = 0.0 if self.flags & RowFlag.GAP else 1.0
        self.x, self.descriptors = np.stack([number, -number], 1) * 1.0, number[:, None] / 2
        self.closed += n
        return start + n, Wake.FULL if n == 10 else Wake.NONE


def stream(*sizes: int, flags: int = 0, label: ForwardReturn = LABEL) -> tuple[Any, list[Any], list[float]]:
    tables: list[Any] = []
    bar: list[float] = []
    write = lambda name, table: tables.append(table)  # noqa: E731
    made = build_table(Feed(*sizes), FakePipeline(flags), label, write, 25, bar.append)  # type: ignore[arg-type]
    return made, tables, bar


def test_every_row_is_written_once_in_order() -> None:
    (layout, summary, _), tables, bar = stream(7, 0, 60, 33)
    row_ns = np.concatenate([t["row_ns"].to_numpy() for t in tables])
    np.testing.assert_array_equal(row_ns, NS * np.arange(1, 101))
    np.testing.assert_array_equal(
        np.concatenate([t["slow"].to_numpy() for t in tables]), -np.arange(1, 101.0)
    )
    y = np.concatenate([t["y_5s"].to_numpy() for t in tables])
    np.testing.assert_allclose(y[:95], 1e4 * np.log(np.arange(106, 201) / np.arange(101, 196)))
    assert np.isnan(y[95:]).all()
    assert (summary.rows, sum(bar), len(tables)) == (100, 100, 4)
    assert layout.columns == ("fa", "slow")


@pytest.mark.parametrize(
    ("sizes", "flags", "label", "message"),
    [
        ((), 0, LABEL, "no row was closed: the source gave 0 events"),
        ((8,), 0, LABEL, "8 rows are too few: fa is known from row 8 on"),
        ((40,), 0, ForwardReturn(horizons=("1m",)), "the rows span 39s and the label looks 1m ahead"),
        ((40,), RowFlag.GAP, LABEL, r"none of the 40 rows has a usable book \(GAP 40\)"),
    ],
)
def test_too_little_data_is_an_error_with_numbers(
    sizes: tuple[int, ...], flags: int, label: ForwardReturn, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        stream(*sizes, flags=flags, label=label)


def test_a_horizon_within_a_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="looks 5s ahead, but a row lasts 1m"):
        check_horizons(SimpleNamespace(period_ns=60 * NS), LABEL)  # type: ignore[arg-type]
    check_horizons(SimpleNamespace(period_ns=5 * NS), LABEL)  # type: ignore[arg-type]


CONFIG = {
    "seed": 7, "select": ["*"], "build": {"rows": False}, "source": {"plugin": "forward_return"}, "clock": {"plugin": "forward_return"},
    "features": {}, "regime": {"plugin": "forward_return"},
    "label": {"plugin": "forward_return", "horizons": ["5s"]}, "model": {"plugin": "x"}, "venue": {"plugin": "y"},
}  # fmt: skip


@pytest.fixture
def catalog() -> Any:
    """Knows one class, under every slot's name."""
    component = discover().get("label", "forward_return")
    return SimpleNamespace(get=lambda slot, name: component)


def test_the_id_follows_what_decides_the_bits(catalog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def name(fingerprint: str = "", **changes: object) -> str:
        return build_id(identity(CONFIG | changes, catalog, fingerprint))

    first = name()
    assert len(first) == 12 and name() == first
    assert name(model={"plugin": "z"}, venue={"plugin": "z"}, trained="elsewhere") == first
    assert len({first, name("data"), name(seed=8), name(label={"plugin": "forward_return"})}) == 4
    assert name("data", seed=8) == name("data")  # recorded data: the seed decides nothing
    with monkeypatch.context() as patch:
        patch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "another")
        assert name() != first  # machines of two kinds may share a store
    monkeypatch.setattr("importlib.metadata.version", lambda package: "0.0")
    assert name() != first  # another compiler may round differently


def test_code_is_part_of_the_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "digested"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("a = 1\n")
    (package / "sub" / "b.py").write_text("b = 1\n")
    (tmp_path / "digested_module.py").write_text("c = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = code_digest("digested"), code_digest("digested_module")
    assert before[0] != before[1]
    for cache in ("__pycache__/b.nbi", ".cache/b"):
        (package / cache).parent.mkdir()
        (package / cache).write_text("made while it runs")
    assert code_digest("digested") == before[0]
    (package / "thresholds.json").write_text("[1]")  # what a component may read
    assert code_digest("digested") != before[0]
    (package / "thresholds.json").unlink()
    (package / "sub" / "b.py").write_text("b = 2\n")
    (tmp_path / "digested_module.py").write_text("c = 2\n")
    assert code_digest("digested") != before[0] and code_digest("digested_module") != before[1]
    assert "digested" not in sys.modules  # looked at, not imported


def build(store: Delta, *sizes: int, feed: type[Feed] = Feed) -> Build:
    def make(write: Any) -> Any:
        return build_table(feed(*sizes), FakePipeline(), LABEL, write, 25, lambda n: None, oracle)  # type: ignore[arg-type]

    return write_build(store, "abc", {"seed": 7}, make, "BTC/USDT:USDT")


def test_a_build_is_whole_described_and_readable(tmp_path: Path) -> None:
    store = Delta(str(tmp_path / "lake"))
    made = build(store, 100)
    known = Build("abc", store.builds()["abc"], reused=True)
    assert (known.rows, known.layout, known.summary) == (100, made.layout, made.summary)
    table = read_training(store, known.id, known.layout, known.rows)
    np.testing.assert_array_equal(table.x[:, 0], np.arange(1, 101.0))
    text = describe(known)
    assert "Build abc exists: 100 rows of BTC/USDT:USDT, 2 features, horizons 5s" in text


def test_an_interrupted_build_leaves_nothing_and_is_made_again(tmp_path: Path) -> None:
    store = Delta(str(tmp_path / "lake"))

    def interrupted(write: Any) -> Any:
        build_table(Feed(60), FakePipeline(), LABEL, write, 25, lambda n: None)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_build(store, "abc", {}, interrupted, "BTC/USDT:USDT")
    assert store.builds() == {}
    with pytest.raises(StoreError, match="no whole build abc"):
        store.scan("abc", TABLE)
    assert build(store, 40).rows == 40


def test_truth_goes_into_a_table_of_its_own(tmp_path: Path) -> None:
    stores = {feed: Delta(str(tmp_path / feed.__name__)) for feed in (Feed, Told)}
    plain, told = (build(store, 7, 0, 60, 33, feed=feed) for feed, store in stores.items())
    assert plain.manifest["tables"] == {TABLE: 100}
    assert told.manifest["tables"] == {TABLE: 100, "truth": 100}
    assert "its truth in 100 rows" in describe(told) and "truth" not in describe(plain)
    # the training table is the same to the bit, whether truth comes with the events or not
    assert plain.layout == told.layout and plain.summary == told.summary
    one, other = (pa.Table.from_batches(store.scan("abc", TABLE)) for store in stores.values())
    assert one.column_names == other.column_names
    for name in one.column_names:
        np.testing.assert_array_equal(one[name].to_numpy(), other[name].to_numpy())
    got = read_truth(stores[Told], "abc", ["latent", "regime", "expected_5s"], NS * np.arange(1, 101))
    np.testing.assert_array_equal(got["latent"], np.arange(1, 101.0))
    np.testing.assert_array_equal(got["expected_5s"], 5 * np.arange(1, 101.0))
    np.testing.assert_array_equal(got["regime"], np.repeat([0, 1, 1], [7, 60, 33]))


def test_an_interrupted_build_leaves_no_truth(tmp_path: Path) -> None:
    store = Delta(str(tmp_path / "lake"))

    def interrupted(write: Any) -> Any:
        build_table(Told(60), FakePipeline(), LABEL, write, 25, lambda n: None, oracle)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_build(store, "abc", {}, interrupted, "BTC/USDT:USDT")
    assert store.builds() == {}
    with pytest.raises(StoreError, match="no whole build abc"):
        read_truth(store, "abc", ["latent"], np.array([NS]))
    made = build(store, 40)  # of another length, and without truth: nothing of the first may be left
    assert made.manifest["tables"] == {TABLE: 40}
    with pytest.raises(DataError, match="build abc holds no truth"):
        read_truth(store, "abc", ["latent"], np.array([NS]))


@pytest.mark.parametrize("dies", ["truth", TABLE])
def test_what_a_killed_build_left_is_not_taken_for_its_own(tmp_path: Path, dies: str) -> None:
    """Killed between the writes to the two tables: whichever stands, the next build discards both."""
    store = Delta(str(tmp_path / "lake"))

    def dying(name: str, table: Any) -> None:
        store.write("abc", name, table)
        if name == dies:
            raise MemoryError

    with pytest.raises(MemoryError):
        build_table(Told(70), FakePipeline(), LABEL, dying, 25, lambda n: None, oracle)  # type: ignore[arg-type]
    made = build(store, 50, feed=Told)
    assert made.manifest["tables"] == {TABLE: 50, "truth": 50}
    assert np.isnan(read_truth(store, "abc", ["latent"], NS * np.arange(51, 71))["latent"]).all()


def test_sealing_counts_the_rows_of_the_truth(tmp_path: Path) -> None:
    store = Delta(str(tmp_path / "lake"))

    def losing(write: Any) -> Any:
        def lossy(name: str, table: Any) -> None:
            write(name, table)
            if name == "truth":
                write(name, table)  # counted twice, stored once: the key is there already

        return build_table(Told(60), FakePipeline(), LABEL, lossy, 25, lambda n: None, oracle)  # type: ignore[arg-type]

    with pytest.raises(StoreError, match="truth holds 60 rows, 120 were written"):
        write_build(store, "abc", {}, losing, "BTC/USDT:USDT")
    assert store.builds() == {}


def test_what_stands_out_of_the_columns_is_told(tmp_path: Path) -> None:
    store = Delta(str(tmp_path / "lake"))
    made = build(store, 100)
    text = describe(made)
    assert "alike (rank correlation 0.90 or more): 3 columns in 1 group: fa = slow = regime_v" in text
    assert "\n  quality 1 in all 100 rows\n" in text
    found = made.manifest["checkup"]
    assert found["columns"]["known"] == [100, 100, 100] and found["rows"] == 100
    assert (
        describe(Build("abc", store.builds()["abc"], reused=True)).partition("\n")[2]
        == text.partition("\n")[2]
    )
    older = {name: part for name, part in made.manifest.items() if name != "checkup"}
    assert "its columns were not checked: it was made before builds did that" in describe(
        Build("abc", older, reused=True)
    )


def test_labels_that_are_mostly_unknown_are_named() -> None:
    (layout, summary, found), _, _ = stream(40, label=ForwardReturn(horizons=("5s", "30s")))
    manifest = {
        "layout": layout.as_manifest(), "summary": vars(summary), "checkup": found.as_manifest(), "symbol": "X",
        "tables": {TABLE: 40},
    }  # fmt: skip
    assert "labels known in less than 90 % of the rows: y_5s 88 %, y_30s 25 %" in describe(
        Build("b", manifest, False)
    )
