"""The markets and the fitted model the benchmarks run on: seeded, or recorded and beside the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.frame import ROOT, skip
from btcframe.api import Source
from btcframe.clocks.time import TimeClock
from btcframe.labels.forward_return import ForwardReturn
from btcframe.learning.building import build_table
from btcframe.learning.folds import Recipe, fit_fold
from btcframe.learning.tables import Layout, TrainingTable
from btcframe.models.artefacts import FittedModel
from btcframe.pipeline import Pipeline
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.random_walk import RandomWalk
from btcframe.split import WalkForward
from btcframe.types import NS, EventArray, Instrument
from btcframe_features import Book, Returns
from btcframe_models import Ridge
from btcframe_regimes import Volatility

SEED = 7
RECORDED = tuple(
    ROOT.parent / "shared/market-data/raw-binance" / name
    for name in ("usdm_btcusdt_20240718.gz", "usdm_btcusdt_20240719.gz")
)


class Market(NamedTuple):
    name: str
    events: EventArray
    instrument: Instrument
    every: str  # length of a row

    def pipeline(self, **settings: Any) -> Pipeline:
        """The thin pipeline: features book and returns, regime volatility."""
        features = {"book": Book(), "returns": Returns()}
        return Pipeline(self.instrument, TimeClock(self.every), features, Volatility(), **settings)


def recorded_paths() -> tuple[str, ...]:
    """Files of the recorded session; empty, saying so, where they are missing."""
    missing = [path for path in RECORDED if not path.exists()]
    if missing:
        skip(f"the recorded session; there is no {Path('..') / missing[0].relative_to(ROOT.parent)}")
        return ()
    return tuple(map(str, RECORDED))


def read(name: str, source: Source, every: str) -> Market:
    feed = source.open(seed=SEED)
    return Market(name, np.concatenate([batch.events for batch in feed]), feed.instrument, every)


def walk(duration: str = "2h") -> Market:
    return read(f"random walk, {duration}", RandomWalk(duration), "1s")


def markets() -> list[Market]:
    """A random walk and, if it is there, the recorded session."""
    paths = recorded_paths()
    return [walk()] + ([read("recorded, 479 s", BinanceRaw(paths), "100ms")] if paths else [])


def fitted(market: Market) -> FittedModel:
    """Ridge on all rows of the market: only its speed matters here."""
    label = ForwardReturn()
    tables: list[Any] = []
    pipeline = market.pipeline()
    layout, *_ = build_table(
        _Once(market), pipeline, label, lambda _, rows: tables.append(rows), 65536, lambda rows: None
    )
    training = _in_memory(layout, tables)
    rows = np.arange(len(training))
    recipe = Recipe(Volatility(), Ridge(), WalkForward(2, NS, 1, True), SEED)
    return fit_fold(training, rows, recipe, index=0).model


class _Once:
    """A market as a feed."""

    def __init__(self, market: Market) -> None:
        from btcframe.api import Batch

        self.instrument, self._batch = market.instrument, Batch(market.events)

    def __iter__(self) -> Any:
        yield self._batch

    def close(self) -> None: ...


def _in_memory(layout: Layout, tables: list[Any]) -> TrainingTable:
    import pyarrow as pa

    whole = pa.concat_tables(tables)

    def columns(names: tuple[str, ...]) -> Any:
        return np.stack([whole[name].to_numpy() for name in names], axis=1)

    single = {name: whole[name].to_numpy() for name in ("row_ns", "quality", "mid")}
    return TrainingTable(
        layout, **single, x=columns(layout.columns), descriptors=columns(layout.regime_columns),
        y=columns(layout.labels), t_end=columns(tuple(f"{name}_t_end" for name in layout.labels)),
    )  # fmt: skip
