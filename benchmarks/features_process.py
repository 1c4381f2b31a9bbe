"""What `benchmarks.features` starts in a process of its own: what is fixed at import, and what happens but once.

`python -m benchmarks.features_process polars ROWS.npy` compares with polars under another POLARS_MAX_THREADS;
`… start ROWS.npy` tells the seconds of the imports and of the first row through all 90 columns.
"""

from __future__ import annotations

import json
import sys
import time

START = time.perf_counter()


def start(path):
    """Seconds until everything is imported, and from there until a pipeline has computed its first rows."""
    import numpy as np

    from btcframe.clocks.time import TimeClock
    from btcframe.pipeline import Pipeline
    from btcframe.testing.markets import INSTRUMENT
    from btcframe_features import btcframe_components
    from btcframe_regimes import Volatility

    rows = np.load(path)
    imported = time.perf_counter()
    features = {name: component() for name, component in btcframe_components()["features"].items()}
    Pipeline(INSTRUMENT, TimeClock("1s"), features, Volatility()).push_rows(rows)
    return imported - START, time.perf_counter() - imported


def polars(path):
    """As `benchmarks.features.against_polars`, as plain numbers."""
    import numpy as np

    from benchmarks.features import against_polars
    from btcframe.sources.synthetic import Synthetic

    instrument = Synthetic(duration="1h").open(seed=0).instrument
    worst, ours, theirs, preparing = against_polars(np.load(path), instrument)
    return worst, ours.times, theirs.times, preparing


if __name__ == "__main__":
    print(json.dumps({"start": start, "polars": polars}[sys.argv[1]](sys.argv[2])))
