"""The feature: how far the mid is from its recent mean."""

from dataclasses import dataclass

import numpy as np
from btcframe.api import Column
from btcframe.kernels import kernel

LONGEST = 1_000_000
"""Rows the window may have: its memory is a float for each."""


@kernel
def gap_to_mean(rows, state, out):
    """out_t = 1e4·(m_t/mean − 1), mean over the mids of the last N rows; NaN where there is no mid."""
    s = state[0]
    n = len(s.mids)
    for t in range(len(rows)):
        mid = rows[t].mid
        if s.seen == 0 and np.isnan(mid):
            continue  # rows count from the first one with a book
        s.mids[s.seen % n] = mid
        s.seen += 1
        total = 0.0
        count = 0
        for k in range(n):
            if not np.isnan(s.mids[k]):
                total += s.mids[k]
                count += 1
        if s.seen >= n and not np.isnan(mid):
            out[t, 0] = 1e4 * (mid * count / total - 1.0)


@dataclass(frozen=True)
class AcmeAll:
    """Distance of the mid from its mean over a window: 1e4·(m_t/mean − 1). Causal: rows ≤ t only.

    Parameters
    ----------
    window : int    rows of the mean
    """

    window: int = 20

    def __post_init__(self):
        """Refuse what has no meaning, before any work; the message begins with the field."""
        if not 1 <= self.window <= LONGEST:
            raise ValueError(f"window: {self.window} is not between 1 and {LONGEST:,} rows")

    def columns(self):
        """What is written, in order; the name carries the setting, so that two instances never collide."""
        return (
            Column(
                f"acme_all_{self.window}",
                unit="bps",
                warmup=self.window - 1,
                inputs=("mid",),
                formula=f"1e4·(m_t/mean_{self.window}(m) − 1)",
                source="definition",
                family="acme_all",
            ),
        )

    def state(self, instrument):
        """All memory there will ever be: a ring of mids, and how many rows were seen."""
        memory = np.zeros(1, [("seen", "i8"), ("mids", "f8", (self.window,))])
        memory["mids"] = np.nan
        return memory

    def update(self, rows, state, out):
        """Advance over n rows: 1 live, thousands in a build."""
        gap_to_mean(rows, state, out)
