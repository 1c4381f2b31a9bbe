"""Claim: the defaults of the regime `hht` are those at which it flickers least for what it then still knows.

For each setting: how often the label changes, how long a regime lasts, and how many labels are revised once 256 more
rows are known (`hindsight`). Labelers are fitted on the first two thirds of the rows, all figures are of the last third.
Beside it, how far each descriptor of the defaults is the same when the same bar is seen 256 bars later.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from benchmarks.frame import ROOT, skip, table
from benchmarks.inputs import SEED
from btcframe.clocks.time import TimeClock
from btcframe.pipeline import Pipeline
from btcframe.sources.synthetic import Synthetic
from btcframe.testing.markets import INSTRUMENT
from btcframe.types import ROW
from btcframe_regimes import Hht, Hmm, Volatility

KLINES = ROOT.parent / "shared/market-data/klines/binance_spot_BTCUSDT_1m_2022-07_2024-06.parquet"
LATER = 256
CHUNK = 512

DEFAULT = Hht()
SETTINGS = (
    Volatility(), Hmm(), replace(Hmm(), every=1), DEFAULT,
    *(replace(DEFAULT, lag=n) for n in (0, 16, 64)),
    *(replace(DEFAULT, dwell=n) for n in (0, 300)),
    *(replace(DEFAULT, hysteresis=h) for h in (0.0, 0.2)),
    *(replace(DEFAULT, slow=n) for n in (60, 240)),
    *(replace(DEFAULT, over=n) for n in (240, 960)),
    *(replace(DEFAULT, window=n) for n in (384, 1024)),
    *(replace(DEFAULT, every=n) for n in (4, 32)),
    replace(DEFAULT, stop="pyemd"), replace(DEFAULT, edge="ar"),
)  # fmt: skip


def synthetic_mids():
    """The default market, one row a second."""
    feed = Synthetic().open(seed=SEED)
    pipeline = Pipeline(feed.instrument, TimeClock("1s"), {}, Volatility())
    mids = []
    for batch in feed:
        at = 0
        while at < len(batch.events):
            taken, _ = pipeline.push(batch.events, at)
            at += taken
            mids.append(pipeline.rows["mid"].copy())
    feed.close()
    return np.concatenate(mids)


def kline_mids():
    """Closes of two years of minutes."""
    import pyarrow.parquet as pq

    return pq.read_table(KLINES, columns=["close"])["close"].to_numpy().astype(float)


@cache
def described(market, recipe):
    """Descriptors of all rows; kept, for settings of the labeler change nothing of them."""
    mid = market()
    rows, state = np.zeros(len(mid), ROW), recipe.state(INSTRUMENT)
    rows["mid"] = mid
    out = np.full((len(rows), len(recipe.columns())), np.nan)
    for at in range(0, len(rows), CHUNK):
        recipe.update(rows[at : at + CHUNK], state, out[at : at + CHUNK])
    return out


def descriptors(market, regime):
    if isinstance(regime, Hht):
        return described(market, replace(regime, dwell=0, hysteresis=0.0))
    return described(market, regime)


def labels(market, regime):
    """Of the last third; -1 where unknown."""
    x = descriptors(market, regime)
    train = 2 * len(x) // 3
    labeler = regime.fit(x[:train], seed=SEED)
    out = np.full((len(x) - train, len(labeler.labels)), np.nan)
    labeler.update(x[train:], labeler.state(), out)
    return np.where(np.isnan(out[:, 0]), -1, out.argmax(axis=1))


def figures(market, regime):
    told = labels(market, regime)
    known = told[told >= 0]
    changes = int((np.diff(known) != 0).sum())
    later = regime.hindsight(LATER)
    if later is None:
        revised = "never"
    else:
        then, now = told[:-LATER], labels(market, later)[LATER:]
        both = (then >= 0) & (now >= 0)
        revised = f"{(then != now)[both].mean():.1%}"
    return f"{1000 * changes / len(known):.2f}", f"{len(known) / (changes + 1):.0f}", revised


def name_of(regime):
    plain = next(one for one in (Volatility(), Hmm(), DEFAULT) if type(one) is type(regime))
    changed = [f"{k}={v}" for k, v in vars(regime).items() if k in vars(plain) and v != vars(plain)[k]]
    return " ".join([type(regime).__name__.lower(), *changed])


def same_later(market, lag):
    """Correlation of each descriptor with itself about the same bar, read LATER bars afterwards."""
    regime = replace(DEFAULT, lag=lag)
    then, now = descriptors(market, regime)[:-LATER], descriptors(market, regime.hindsight(LATER))[LATER:]
    both = np.isfinite(then).all(axis=1) & np.isfinite(now).all(axis=1)
    return [float(np.corrcoef(a, b)[0, 1]) for a, b in zip(then[both].T, now[both].T, strict=True)]


def main() -> None:
    markets = {"synthetic, 54 h of seconds": cache(synthetic_mids)}
    if KLINES.exists():
        markets["recorded, 2 years of minutes"] = cache(kline_mids)
    else:
        skip(f"two years of minutes; there is no {KLINES.name}")
    for name, market in markets.items():
        rows = [(name_of(regime), *figures(market, regime)) for regime in SETTINGS]
        table(
            name,
            "regime",
            "changes per 1,000 rows",
            "mean dwell, rows",
            f"revised {LATER} rows later",
            rows=rows,
        )
        lags = (0, 4, 16, 64)
        found = [same_later(market, lag) for lag in lags]
        names = [column.name.removeprefix("regime_hht_") for column in DEFAULT.columns()]
        rows = [(n, *(f"{c[j]:+.2f}" for c in found)) for j, n in enumerate(names)]
        table(
            f"{name}: correlation with the same bar {LATER} bars later",
            "column",
            *(f"lag {n}" for n in lags),
            rows=rows,
        )
        described.cache_clear()
