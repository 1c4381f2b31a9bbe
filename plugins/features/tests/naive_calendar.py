"""Reference of the calendar: the clock as one reads it."""

from __future__ import annotations

import numpy as np
import pandas as pd


def hour(rows):
    """Angle of the time of day."""
    time = pd.to_datetime(rows["row_ns"], utc=True)
    seconds = 3600 * time.hour + 60 * time.minute + time.second
    fraction = np.asarray(time.microsecond * 1000 + time.nanosecond, np.longdouble) / 10**9
    return 2 * PI * (np.asarray(seconds, np.longdouble) + fraction) / 86_400


def funding(rows, interval_ns):
    """Angle of the time since the last funding."""
    since = rows["row_ns"] - rows["row_ns"] // interval_ns * interval_ns
    return 2 * PI * since.astype(np.longdouble) / interval_ns


PI = np.longdouble("3.14159265358979323846264338327950288")
