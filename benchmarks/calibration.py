"""Claim: measured as they are, the synthetic market falls where the recorded Binance sessions do.

Short markets of the length of a session, seeds 1 to `MARKETS`, none chosen, against the three sessions, by the facts of
`btcframe facts`: a session is met where it lies between the 5 % and the 95 % of the markets. What takes days to show
(level of volatility, its memory, the day) is held against two years of one-minute bars instead. The last column says
which setting of the source a fact has set.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from benchmarks.frame import ROOT, skip, table
from benchmarks.inputs import Market
from btcframe.clocks.time import TimeClock
from btcframe.facts.measure import SECTIONS, measure
from btcframe.pipeline import Pipeline
from btcframe.report.facts_table import number
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.synthetic import Synthetic
from btcframe.types import NS, Floats
from btcframe_regimes import Volatility

DATA = ROOT.parent / "shared/market-data"
SESSIONS = {
    "USD-M 2024": ("usdm_btcusdt_20240718.gz", "usdm_btcusdt_20240719.gz"),
    "USD-M 2023": ("usdm_btcusdt_20230404.dat.gz", "usdm_btcusdt_20230405.dat.gz"),
    "spot 2024": ("spot_btcusdt_20240808.gz", "spot_btcusdt_20240809.gz"),
}
BARS = "klines/binance_spot_BTCUSDT_1m_2022-07_2024-06.parquet"
MARKETS = 40
SHORT = Synthetic(duration="9m", season=0.0)  # it begins at midnight, where the day's cycle is low
SPAN = 3_249
"""Minutes of the default market: the bars are cut into as many."""

SET_BY = {
    "messages": "rate",
    "orders": "rate",
    "fano_1s": "excitation",
    "fano_10s": "excitation",
    "order_acf_1": "relaxation",
    "wait_cv": "relaxation",
    "spread_one": "wide",
    "best_size": "best_size",
    "best_share": "deep_size",
    "reach_bps": "gap",
    "jump_bps": "jump",
    "still": "volatility / jump",
    "moves": "volatility / jump",
    "imbalance_corr_1s": "lean",
    "imbalance_corr_5s": "signal_lean",
    "order_p50": "trade_size",
    "prints_per_order": "fragments",
    "latency_high": "jitter",
}


def facts_of(source: BinanceRaw | Synthetic, seed: int) -> dict[str, float]:
    feed, clock = source.open(seed=seed), TimeClock("100ms")
    pipeline = Pipeline(feed.instrument, clock, {}, Volatility())
    values = measure(feed, pipeline, clock.period_ns, lambda rows: None).values
    return {key: found.value for key, found in values.items()}


def main() -> None:
    folder = DATA / "raw-binance"
    if folder.is_dir():
        sessions(folder)
    else:
        skip("the recorded sessions; there is no ../shared/market-data")
    if (DATA / BARS).exists():
        bars(DATA / BARS)
    else:
        skip(f"the one-minute bars; there is no ../shared/market-data/{BARS}")


def sessions(folder: Path) -> None:
    """Every fact of the sessions and of the short markets."""
    real = [facts_of(BinanceRaw(tuple(str(folder / n) for n in names)), 0) for names in SESSIONS.values()]
    made = [facts_of(SHORT, seed) for seed in range(1, MARKETS + 1)]
    rows, met, asked = [], 0, 0
    for fact in (fact for section in SECTIONS for fact in section.facts):
        theirs = np.array([r[fact.key] for r in real])
        ours = np.array([m[fact.key] for m in made])
        ours = ours[np.isfinite(ours)]
        if not np.isfinite(theirs).any() or len(ours) < MARKETS // 2:
            continue  # too short to be known
        low, middle, high = np.quantile(ours, (0.05, 0.5, 0.95))
        known = theirs[np.isfinite(theirs)]
        inside = int(((known >= low) & (known <= high)).sum())
        met, asked = met + inside, asked + len(known)
        unit = "" if fact.unit == "1" else f", {fact.unit}"
        rows.append(
            (
                f"{fact.title}{unit}",
                *map(number, theirs.tolist()),
                _spread(low, middle, high),
                _side(known, float(low), float(high)),
                SET_BY.get(fact.key, ""),
            )
        )
    table(
        f"Recorded sessions and {MARKETS} synthetic markets of {SHORT.duration}",
        "fact", *SESSIONS, "synthetic (5 … 95 %)", "it is", "set by",
        rows=rows,
        note=f"{met} of {asked} figures of the sessions lie between the 5 % and the 95 % of the markets.",
    )  # fmt: skip


def _spread(low: float, middle: float, high: float) -> str:
    return f"{number(float(middle))} ({number(float(low))} … {number(float(high))})"


def _side(known: Floats, low: float, high: float) -> str:
    """Whether all sessions are on one side of the markets; nothing where they are not."""
    return "lower" if high < known.min() else "higher" if low > known.max() else ""


def bars(path: Path) -> None:
    """What takes days: two years of one-minute closes, in spans of the default market, against that market."""
    import pyarrow.parquet as pq

    columns = pq.read_table(path, columns=["open_time_ms", "close"])
    minute = columns["open_time_ms"].to_numpy() // 60_000
    whole = np.flatnonzero(np.diff(minute) == 1)
    returns = np.diff(np.log(columns["close"].to_numpy()))[whole] * 1e4
    hours = minute[1:][whole] // 60 % 24
    spans = [
        describe(returns[at : at + SPAN], hours[at : at + SPAN]) for at in range(0, len(returns) - SPAN, SPAN)
    ]
    made = [describe(*closes(seed)) for seed in range(1, 6)]
    rows = []
    for key, setting in LONG.items():
        theirs = np.quantile([s[key] for s in spans], (0.05, 0.5, 0.95))
        ours = [m[key] for m in made]
        rows.append((key, _spread(*theirs), _spread(min(ours), np.median(ours), max(ours)), setting))
    table(
        f"One-minute bars, {len(spans)} spans of {SPAN / 60:.0f} h, and 5 default markets",
        "fact", "bars (5 … 95 %)", "synthetic (least … most)", "set by",
        rows=rows,
    )  # fmt: skip


LONG = {
    "return sd over a minute, bps": "volatility, alpha",
    "kurtosis of a minute": "",
    "|return| of a minute, autocorrelation 1 min": "",
    "|return| of a minute, autocorrelation 10 min": "",
    "log volatility of 15 min, sd": "regimes",
    "log volatility of 15 min, autocorrelation 15 min": "dwell",
    "log volatility of 15 min, autocorrelation 1 h": "dwell",
    "log volatility of 15 min, autocorrelation 4 h": "dwell",
    "daily cycle of |return|, amplitude": "season",
}


def describe(returns: Floats, hours: Floats) -> dict[str, float]:
    """The facts of `LONG`, in its order, of one-minute returns in bps."""
    size = np.abs(returns)
    quarter = np.sqrt((returns[: len(returns) // 15 * 15].reshape(-1, 15) ** 2).mean(axis=1))
    log = np.log(np.maximum(quarter, 1e-3))
    by_hour = np.array([size[hours == h].mean() for h in range(24)]) / size.mean()
    cycle = 2 * abs((by_hour * np.exp(2j * math.pi * np.arange(24) / 24)).mean())
    values = (
        returns.std(),
        (returns**4).mean() / (returns**2).mean() ** 2,
        *(_rho(size, k) for k in (1, 10)),
        log.std(),
        *(_rho(log, k) for k in (1, 4, 16)),
        cycle,
    )
    return dict(zip(LONG, map(float, values), strict=True))


def _rho(x: Floats, lag: int) -> float:
    x = x - x.mean()
    return float((x[lag:] * x[:-lag]).mean() / x.var())


def closes(seed: int) -> tuple[Floats, Floats]:
    """One-minute returns of a default market, bps, and their hours."""
    source = Synthetic()
    feed = source.open(seed=seed)
    pipeline = Market("", np.empty(0), feed.instrument, "1m").pipeline()
    mids, stamps = [], []
    for batch in feed:
        at = 0
        while at < len(batch.events):
            at, _ = pipeline.push(batch.events, at)
            mids.append(pipeline.rows["mid"].copy())
            stamps.append(pipeline.rows["row_ns"].copy())
    ns = np.concatenate(stamps)
    return np.diff(np.log(np.concatenate(mids))) * 1e4, ns[1:] // (3600 * NS) % 24
