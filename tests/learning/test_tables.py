"""The training table: the same however the rows arrived, and read back to the bit."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe import scratch
from btcframe.api import Label
from btcframe.errors import ConfigError
from btcframe.labels.forward_return import ForwardReturn
from btcframe.learning.tables import TABLE, Assembler, Layout, read_training
from btcframe.stores.delta import Delta
from btcframe.types import NS, ROW, RowFlag

LABEL = ForwardReturn(horizons=("2s", "10s"))
LAYOUT = Layout.of(("fa", "fb"), ("regime_v",), LABEL)


def market(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    rows = np.zeros(n, ROW)
    rows["row_ns"] = NS * np.arange(1, n + 1)
    rows["mid"] = 100 + rng.random(n)
    rows["microprice"] = rows["mid"] + 0.01
    rows["flags"][:1] = RowFlag.PARTIAL
    bad = rng.random(n) < 0.1
    rows["flags"][bad], rows["mid"][bad] = RowFlag.GAP, np.nan
    rows["quality"] = np.where(bad, 0.0, rng.random(n))
    x = rng.standard_normal((n, 2))
    x[:7, 1] = np.nan
    return rows, x, rng.random((n, 1))


class Trailing:
    """A label that scales by the past: y over the mean of the mids of the last `back` seconds."""

    def __init__(self, back: int) -> None:
        self.lookback_ns = back * NS
        self.horizons_ns, self.max_horizon_ns, self.columns = (
            LABEL.horizons_ns,
            LABEL.max_horizon_ns,
            LABEL.columns,
        )

    def label(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, t_end = LABEL.label(rows)
        since = np.searchsorted(rows["row_ns"], rows["row_ns"] - self.lookback_ns)
        scale = [rows["mid"][a : t + 1].mean() for t, a in enumerate(since)]
        return y / np.array(scale)[:, None], t_end


def assemble(n: int, sizes: list[int], batch: int, label: Label = LABEL) -> tuple[list[pa.Table], Assembler]:
    rows, x, d = market(n)
    assembler = Assembler(LAYOUT, "BTC/USDT:USDT", label, batch)
    tables, at = [], 0
    for size in [*sizes, n]:
        if at < n:
            part = slice(at, min(n, at + size))
            tables.append(assembler.add(rows[part], x[part], d[part]))
            at += size
    return [t for t in [*tables, assembler.finish()] if t is not None], assembler


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    n=st.integers(1, 150),
    sizes=st.lists(st.integers(1, 40), max_size=12),
    batch=st.integers(1, 60),
    back=st.sampled_from([None, 0, 1, 7, 200]),
)
def test_any_chunking_gives_the_same_table(n: int, sizes: list[int], batch: int, back: int | None) -> None:
    label = LABEL if back is None else Trailing(back)
    tables, assembler = assemble(n, sizes, batch, label)
    assert all(len(t) >= batch for t in tables[:-1])
    table = pa.concat_tables(tables)
    rows, x, d = market(n)
    y, t_end = label.label(rows)
    expected = {
        "row_ns": rows["row_ns"], "quality": rows["quality"], "mid": rows["mid"],
        "microprice": rows["microprice"], "flags": rows["flags"].astype(np.int32), "fa": x[:, 0], "fb": x[:, 1],
        "regime_v": d[:, 0], "y_2s": y[:, 0], "y_10s": y[:, 1], "y_2s_t_end": t_end[:, 0],
        "y_10s_t_end": t_end[:, 1],
    }  # fmt: skip
    assert set(table.column_names) == {*expected, "symbol"}
    for name, values in expected.items():
        np.testing.assert_array_equal(table[name].to_numpy(), values)
    summary = assembler.summary
    complete = np.flatnonzero(~np.isnan(x).any(axis=1))
    assert summary.rows == n
    assert summary.warmup == (complete[0] if len(complete) else n)
    assert summary.unusable == np.isnan(rows["mid"]).sum()
    assert summary.valid["y_10s"] == np.isfinite(y[:, 1]).sum()
    assert summary.flags.get("GAP", 0) == (rows["flags"] == RowFlag.GAP).sum()
    assert (summary.first_ns, summary.last_ns) == (NS, n * NS)


def test_rows_wait_for_their_labels() -> None:
    tables, _ = assemble(40, [25, 1, 1], 10)
    assert [len(t) for t in tables[:1]] == [15]  # of 25 rows the last 10 do not know their 10 s label yet


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_table_comes_back_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    store = Delta(str(tmp_path / "lake"))
    tables, _ = assemble(150, [], 60)
    for table in tables:
        store.write("b", TABLE, table)
    store.seal("b", {"tables": {TABLE: 150}})
    rows, x, d = market(150)
    y, t_end = LABEL.label(rows)
    monkeypatch.setattr(scratch, "LARGE", 1000)
    layout = Layout.from_manifest(LAYOUT.as_manifest())
    got = read_training(store, "b", layout, 150, tmp_path if on_disk else None)
    assert len(got) == 150 and got.layout == LAYOUT
    assert isinstance(got.x.base, mmap.mmap) == on_disk
    for ours, theirs in (
        (got.x, x), (got.descriptors, d), (got.y, y), (got.t_end, t_end), (got.row_ns, rows["row_ns"]),
        (got.quality, rows["quality"]), (got.mid, rows["mid"]),
    ):  # fmt: skip
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@pytest.mark.parametrize(
    ("columns", "regime"),
    [(("mid",), ()), (("a", "a"), ()), (("a",), ("a",)), (("y_2s",), ()), (("y_2s_t_end",), ())],
)
def test_two_columns_of_one_name_are_refused(columns: tuple[str, ...], regime: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="two columns of the training table are called"):
        Layout.of(columns, regime, LABEL)
