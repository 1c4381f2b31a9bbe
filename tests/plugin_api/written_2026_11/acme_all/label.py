"""The label: what the mid returns over a horizon."""

from dataclasses import dataclass

import numpy as np
from btcframe.api import Column
from btcframe.types import NS, duration_ns


@dataclass(frozen=True)
class AcmeAll:
    """Return of the mid over a horizon, 1e4·(m(t + h)/m(t) − 1), m(t + h) that of the last row known then.

    Looks ahead by the horizon and no further.

    Parameters
    ----------
    horizon : str    a duration, e.g. 10s
    """

    horizon: str = "10s"

    def __post_init__(self):
        """Refuse what has no meaning, before any work; the message begins with the field."""
        try:
            duration_ns(self.horizon)
        except ValueError as error:
            raise ValueError(f"horizon: {error}") from None

    @property
    def horizons_ns(self):
        """One horizon."""
        return (duration_ns(self.horizon),)

    @property
    def max_horizon_ns(self):
        """How far it looks ahead: splits purge by it."""
        return duration_ns(self.horizon)

    @property
    def lookback_ns(self):
        """Nothing of the past is needed."""
        return 0

    def columns(self):
        """One per horizon."""
        name = f"y_acme_all_{self.horizon}"
        formula = f"1e4·(m(t + {self.max_horizon_ns / NS:g} s)/m(t) − 1)"
        return (Column(name, unit="bps", inputs=("mid",), formula=formula),)

    def label(self, rows):
        """ROW[n] in, y float64[n, 1] and t_end int64[n, 1] out."""
        row_ns, mid = rows["row_ns"], rows["mid"]
        t_end = row_ns + self.max_horizon_ns
        last = np.searchsorted(row_ns, t_end, side="right") - 1  # by time, never by counting rows
        known = t_end <= (row_ns[-1] if len(rows) else 0)
        y = np.where(known, 1e4 * (mid[last] / mid - 1), np.nan)
        return y[:, None], t_end[:, None]
