"""The table `truth`: what a synthetic market hides, beside the training table of the same build.

*Architecture Invariant*: building writes it and judging reads it. Nothing that computes features, fits, predicts or
trades may import this module, not even through another one (`pyproject.toml` holds that), so no model can peek.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from btcframe import scratch
from btcframe.api import Store
from btcframe.errors import DataError, PluginError, StoreError, did_you_mean
from btcframe.types import TRUTH, Floats, Ints, StateArray, duration_name

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "truth"
STATE = ("regime", "latent", "pressure")
"""What is stored of the hidden state; the expected returns stand beside it."""

Oracle = Callable[[StateArray, Sequence[int]], Floats]


def expected_name(horizon_ns: int) -> str:
    """Column of the oracle's expected return over a horizon, bps: expected_5s."""
    return f"expected_{duration_name(horizon_ns)}"


class TruthWriter:
    """Takes truth as it streams by and gives it out in tables of at least `batch` rows.

    Parameters
    ----------
    oracle : callable or None    the source's; one that gives no truth needs none
    horizons_ns : tuple        of the label
    symbol : str
    batch : int
    write : callable           takes a pyarrow.Table
    """

    def __init__(
        self, oracle: Oracle | None, horizons_ns: Sequence[int], symbol: str, batch: int, write: Callable[[Any], None]
    ) -> None:  # fmt: skip
        self.rows = 0
        self._oracle, self._horizons_ns, self._symbol = oracle, tuple(horizons_ns), symbol
        self._batch, self._write = batch, write
        self._parts: list[StateArray] = []
        self._held = 0
        self._last_ns = np.iinfo(np.int64).min

    def add(self, truth: StateArray) -> None:
        """Take some truth (copied).

        Raises
        ------
        PluginError
            If it is not TRUTH, does not go forward in time, or the source's oracle is missing or answers nonsense.
        """
        if truth.dtype != TRUTH:
            raise PluginError(
                f"the source's truth is {truth.dtype}, not btcframe.types.TRUTH", where="source"
            )
        if not len(truth):
            return
        stamps = np.concatenate([[self._last_ns], truth["row_ns"]])
        back = np.flatnonzero(stamps[1:] <= stamps[:-1])
        if len(back):
            at = int(back[0])
            raise PluginError(
                f"the source's truth does not go forward: after row_ns {stamps[at]} comes {stamps[at + 1]}",
                where="source",
            )
        self._last_ns = int(stamps[-1])
        self._parts.append(truth.copy())
        self._held += len(truth)
        if self._held >= self._batch:
            self.finish()

    def finish(self) -> None:
        """Give out what is held."""
        if not self._held:
            return
        truth = np.concatenate(self._parts)
        self._write(self._table(truth))
        self.rows += len(truth)
        self._parts, self._held = [], 0

    def _table(self, truth: StateArray) -> pa.Table:
        import pyarrow as pa

        expected = expectations(self._oracle, truth, self._horizons_ns)
        columns: dict[str, Any] = {"row_ns": truth["row_ns"], "symbol": pa.repeat(self._symbol, len(truth))}
        columns |= {name: np.ascontiguousarray(truth[name]) for name in STATE}
        for h, horizon in enumerate(self._horizons_ns):
            columns[expected_name(horizon)] = np.ascontiguousarray(expected[:, h])
        return pa.table(columns)


def expectations(oracle: Oracle | None, truth: StateArray, horizons_ns: Sequence[int]) -> Floats:
    """What a source's oracle expects, float64[n, h], bps.

    Raises
    ------
    PluginError
        If there is no oracle, or it does not answer one finite number a row and horizon.
    """
    if oracle is None:
        raise PluginError(
            "the source gives truth but has no oracle",
            where="source",
            hint="Give it oracle(truth, horizons_ns) -> float64[n, h], the expected returns in bps, or no truth.",
        )
    expected = np.asarray(oracle(truth, horizons_ns))
    shape = (len(truth), len(horizons_ns))
    if expected.shape != shape or expected.dtype != np.float64 or not np.isfinite(expected).all():
        raise PluginError(
            f"the source's oracle gives {expected.dtype}{list(expected.shape)}"
            f"{'' if expected.shape != shape else ' with values that are not finite'}, not finite float64{list(shape)}",
            where="source",
        )
    return expected


def known(manifest: Mapping[str, Any]) -> bool:
    """Whether the build of this manifest holds truth."""
    return TABLE in manifest["tables"]


def read_truth(
    store: Store, build: str, columns: Sequence[str], row_ns: Ints, directory: Path | None = None
) -> dict[str, Floats]:
    """Columns of the truth at given rows, one batch of the table at a time.

    Parameters
    ----------
    store : Store
    build : str
    columns : sequence of str    regime, latent, pressure, or an `expected_name`
    row_ns : int64[n]            never decreasing
    directory : Path, optional   where large arrays lie, see `scratch`; None: in memory

    Returns
    -------
    dict of str to float64[n]
        NaN at rows that the truth has no row of the same time for.

    Raises
    ------
    DataError
        If the build holds no truth, or not this column.
    StoreError
        If the build is not whole or cannot be read.
    """
    manifest = store.builds().get(build)
    if manifest is None:
        raise StoreError(f"there is no whole build {build}", next="Make it: btcframe build")
    if not known(manifest):
        raise DataError(
            f"build {build} holds no truth: its source hides nothing, or does not tell it",
            hint="The source synthetic does.",
            next="btcframe run source=synthetic",
        )
    valid = [*STATE, *map(expected_name, manifest["layout"]["horizons_ns"])]
    for name in columns:
        if name not in valid:
            raise DataError(
                f"the truth of build {build} has no column {name}", hint=did_you_mean(name, valid)
            )
    found = {name: scratch.zeros((len(row_ns),), np.float64, directory) for name in columns}
    for array in found.values():
        array[:] = np.nan
    if len(row_ns) == 0:
        return found
    for batch in store.scan(build, TABLE, ["row_ns", *columns], int(row_ns[0]), int(row_ns[-1]) + 1):
        told = batch.column("row_ns").to_numpy()
        if not len(told):
            continue
        start = int(np.searchsorted(row_ns, told[0], side="left"))
        stop = int(np.searchsorted(row_ns, told[-1], side="right"))
        asked = row_ns[start:stop]
        at = np.searchsorted(told, asked)
        same = told[at] == asked
        for name in columns:
            found[name][start:stop][same] = batch.column(name).to_numpy()[at[same]]
        scratch.forget(*found.values())
    return found
