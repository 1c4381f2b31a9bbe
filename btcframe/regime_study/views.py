"""What is drawn: the whole price with few points, and a stretch of it with its Hilbert spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np

from btcframe.regime_study.rows import Rows
from btcframe.regime_study.walk import Walked
from btcframe.report.thin import extremes
from btcframe.types import Floats, Ints

STRETCH = 2048
"""Rows of the stretch that is drawn in full."""

LEAST = 64
"""Rows with a price below which there is no spectrum."""

BANDS = 40
MOMENTS = 256
"""Cells of the spectrum: periods, and times."""

DEEPEST = -40
"""dB below the strongest cell at which the picture ends."""


def price(rows: Rows, walked: Walked) -> dict[str, Any]:
    """The test rows' mid at its extremes, and what each method said there."""
    test = walked.test
    return _drawn(rows, walked, test.start + extremes(rows.mid[test])) | {"total": test.stop - test.start}


def stretch(rows: Rows, walked: Walked) -> dict[str, Any]:
    """The stretch in the middle of the test rows, not a chosen one: every row, and its spectrum where it has one."""
    test = walked.test
    middle, half = (test.start + test.stop) // 2, STRETCH // 2
    at = np.arange(max(middle - half, test.start), min(middle + half, test.stop))
    return _drawn(rows, walked, at) | {"spectrum": spectrum(np.asarray(rows.mid[at]))}


def _drawn(rows: Rows, walked: Walked, at: Ints) -> dict[str, Any]:
    return {
        "ns": rows.row_ns[at].tolist(),
        "mid": [v if np.isfinite(v) else None for v in rows.mid[at].tolist()],
        "labels": {name: told.at[at].tolist() for name, told in walked.told.items()},
    }


def spectrum(mid: Floats) -> dict[str, Any] | None:
    """Hilbert spectrum of a stretch as a picture: energy in dB below its strongest cell, by period and time.

    The transform sees the whole stretch, so the picture knows what came later; no method does. Rows without a price
    take the one before.

    Returns
    -------
    dict or None
        `periods` (bars, rising edges), `columns` (first row of each), `db` (periods × columns, null for nothing); None
        where there are too few prices, or the price stands still.
    """
    from btcframe.kernels.hht import hht

    known = np.flatnonzero(np.isfinite(mid))
    if len(known) < LEAST or np.ptp(mid[known]) == 0:
        return None
    first = int(known[0])
    carried = known[np.searchsorted(known, np.arange(first, len(mid)), side="right") - 1]
    x = 1e4 * np.log(mid[carried] / mid[first])
    edges = np.geomspace(2 / len(x), 0.5, BANDS + 1)
    starts = np.unique(np.linspace(0, len(x), MOMENTS, endpoint=False).astype(np.int64))
    energy = np.add.reduceat(hht(x, bins=edges).energy, starts, axis=1)
    energy /= np.diff(np.append(starts, len(x)))
    with np.errstate(divide="ignore"):
        db = 10 * np.log10(energy / energy.max())
    return {
        "periods": (1 / edges[::-1]).tolist(),
        "columns": (first + starts).tolist(),
        "db": [[round(v) if v >= DEEPEST else None for v in row] for row in db[::-1].tolist()],
    }
