"""A source that gives rows goes the way of all rows: build, features, regime, training; what needs a book refuses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from jobs.small import make_run

from btcframe.api import Feed
from btcframe.clocks.time import TimeClock
from btcframe.errors import ConfigError
from btcframe.jobs import backtest, build, facts, train
from btcframe.learning.tables import read_training
from btcframe.pipeline import Pipeline
from btcframe.pipeline.row_sources import check_clock, has_book, needs_book
from btcframe.plugins import Catalog, discover
from btcframe.sources.klines import Klines
from btcframe.sources.random_walk import RandomWalk
from btcframe.types import ROW, RowArray

BARS, FIRST_GAP, GAP, QUIET = 2000, 700, 30, slice(900, 905)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random walk in minutes: half an hour is missing, and for five minutes nobody trades."""
    rng = np.random.default_rng(4)
    close = np.round(30_000 * np.exp(np.cumsum(rng.normal(0, 4e-4, BARS))), 2)
    volume = np.round(rng.lognormal(2, 1, BARS), 5)
    close[QUIET], volume[QUIET] = close[QUIET.start - 1], 0.0
    lines = ["open_time,open,high,low,close,volume,quote_volume,trades,taker_buy_base,taker_buy_quote"]
    for i in range(BARS):
        before = close[max(i - 1, 0)]
        high, low = max(before, close[i]) + 1, min(before, close[i]) - 1
        if volume[i] == 0:
            high = low = close[i]
        if not FIRST_GAP <= i < FIRST_GAP + GAP:
            v, share = volume[i], rng.uniform()
            money = v * close[i]
            lines.append(
                f"{1_700_000_040 + 60 * i},{before},{high},{low},{close[i]},{v},{money},{int(v * 9)},{v * share},{money * share}"
            )
    file = tmp_path_factory.mktemp("bars") / "BTCUSDT-1m.csv"
    file.write_text("\n".join(lines))
    return str(file)


def of_bars(path: str, **other: Any) -> dict[str, Any]:
    return {
        "source": {"plugin": "klines", "paths": [path]},
        "clock": {"plugin": "time", "every": "1m"},
        "label": {"plugin": "forward_return", "horizons": ["5m", "15m"]},
        "validation": {"folds": 3, "embargo": "15m", "min_train": 200, "expanding": True},
        "features": {"returns": {"plugin": "returns"}, "trades": {"plugin": "trades"}},
    } | other


def computed(
    path: str, catalog: Catalog, batch: int, capacity: int = 65_536
) -> tuple[Pipeline, RowArray, Any]:
    """All features over all bars: the pipeline, the rows, and (x, descriptors)."""
    feed: Feed = Klines((path,), batch=batch).open(seed=0)
    features = {name: catalog.build("features", {"plugin": name}) for name in catalog.components["features"]}
    regime = catalog.build("regime", {"plugin": "volatility", "window": 60})
    pipeline = Pipeline(feed.instrument, TimeClock("1m"), features, regime, capacity=capacity)
    rows, x, descriptors = [], [], []
    for b in feed:
        at = 0
        while at < len(b.rows):
            at = pipeline.push_rows(b.rows, at)
            rows.append(pipeline.rows.copy())
            x.append(pipeline.x.copy())
            descriptors.append(pipeline.descriptors.copy())
    return pipeline, np.concatenate(rows), (np.concatenate(x), np.concatenate(descriptors))


# ------------------------------------------------------------------------------------------------------ features


def test_rows_in_any_pieces_give_the_same_bits(path: str, catalog: Catalog) -> None:
    _, whole_rows, whole = computed(path, catalog, BARS)
    for batch, capacity in ((7, 65_536), (333, 10), (BARS, 1)):
        _, rows, parts = computed(path, catalog, batch, capacity)
        assert rows.tobytes() == whole_rows.tobytes()
        for one, other in zip(parts, whole, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_a_bar_tells_is_known_and_the_rest_is_not(path: str, catalog: Catalog) -> None:
    pipeline, rows, (x, descriptors) = computed(path, catalog, 100)
    assert not np.isinf(x).any()
    unknown = set(ROW.names or ()) - {n for n in ROW.names or () if not np.isnan(rows[n]).all()}
    for j, column in enumerate(pipeline.columns):
        known = not np.isnan(x[:, j]).all()
        if column.family != "urgency":  # made of several, some of which a bar tells
            assert known == (not unknown.intersection(column.inputs)), column
    families = {c.family for j, c in enumerate(pipeline.columns) if not np.isnan(x[:, j]).all()}
    assert {"returns", "volatility", "moments", "calendar", "trades"} <= families
    after = x[
        1500:, [j for j, c in enumerate(pipeline.columns) if c.name in ("rv_60", "vpin_50", "amihud_60")]
    ]
    assert after.shape[1] >= 2 and not np.isnan(after).any()
    assert not np.isnan(descriptors[1500:]).any()


def test_returns_are_those_of_the_closes(path: str, catalog: Catalog) -> None:
    pipeline, rows, (x, _) = computed(path, catalog, 100)
    one = [c.name for c in pipeline.columns].index("log_return_1")
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(x[1:, one], np.diff(np.log(rows["mid"])), rtol=0, atol=1e-12)
    lost = np.flatnonzero(np.isnan(x[1:, one])) + 1
    assert lost.tolist() == list(range(FIRST_GAP, FIRST_GAP + GAP + 1))


def test_quality_of_bars(path: str, catalog: Catalog) -> None:
    _, rows, _ = computed(path, catalog, 100)
    expected = np.ones(len(rows))
    expected[FIRST_GAP : FIRST_GAP + GAP] = 0
    expected[QUIET] = 0.5
    np.testing.assert_array_equal(rows["quality"], expected)


# ---------------------------------------------------------------------------------------------------------- jobs


def test_a_build_and_a_training(path: str, catalog: Catalog, tmp_path: Path) -> None:
    run = make_run(tmp_path, catalog, **of_bars(path))
    result = train.main(run)
    made = build.build(run)
    assert made.reused and made.rows == BARS
    assert (made.summary.unusable, made.summary.flags) == (
        GAP, {"GAP": GAP, "NO_EVENTS": GAP + 5, "BAR": BARS - GAP}
    )  # fmt: skip
    table = read_training(run.component("store"), made.id, made.layout, made.rows)
    rows = np.concatenate([b.rows for b in Klines((path,)).open(seed=0)])
    np.testing.assert_array_equal(table.mid, rows["mid"])
    np.testing.assert_array_equal(table.row_ns, rows["row_ns"])
    ahead = np.append(np.log(rows["mid"][5:] / rows["mid"][:-5]) * 1e4, [np.nan] * 5)
    np.testing.assert_allclose(table.y[:, 0], ahead, rtol=0, atol=1e-9)
    assert len(result.folds) == 3 and len(result.metrics) == 2


def test_the_checkup_says_that_bars_have_no_book(path: str, catalog: Catalog, tmp_path: Path) -> None:
    features = {name: {"plugin": name} for name in ("book", "returns")}
    run = make_run(tmp_path, catalog, **of_bars(path, features=features))
    build.build(run)
    text = "\n".join(run.console.lines)  # type: ignore[attr-defined]
    assert "no row in which every feature is known" in text
    assert "known in 0 % of the rows: spread_bps" in text
    assert "bars have no book, and of the flow only what was traded (BAR)" in text


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (backtest, "source klines gives rows without a book, and trading needs one"),
        (facts, "its stylised facts need one"),
    ],
)
def test_what_needs_a_book_refuses_bars_before_any_work(
    job: Any, message: str, path: str, catalog: Catalog, tmp_path: Path
) -> None:
    run = make_run(tmp_path, catalog, **of_bars(path) | {"beside": []})
    with pytest.raises(ConfigError, match=message) as caught:
        job.main(run)
    assert "built, trained on, and judged by regime" in str(caught.value)
    assert not (tmp_path / "lake").exists() and not list(run.dir.iterdir())


def test_another_clock_is_refused_with_the_right_setting(path: str, catalog: Catalog, tmp_path: Path) -> None:
    run = make_run(tmp_path, catalog, **of_bars(path, clock={"plugin": "time", "every": "5m"}))
    with pytest.raises(ConfigError) as caught:
        build.main(run)
    assert str(caught.value) == (
        "the source's rows last 1m, and the clock's 5m (clock).\n"
        "Rows that are closed already are taken as they are: clock.every=1m."
    )


def test_a_source_with_a_book_passes() -> None:
    source = RandomWalk()
    assert has_book(source)
    needs_book(source, "random_walk", "trading needs one")
    check_clock(source, TimeClock("5m"))


def test_the_preset_from_the_command_line(path: str, btcframe: Callable[..., CompletedProcess[str]]) -> None:
    done = btcframe(
        "train", "experiment=klines", f"source.paths=[{path}]", "label.horizons=[5m]", "validation.folds=2"
    )
    assert done.returncode == 0, done.stderr
    assert "2,000 rows of BTC/USDT, 35 features" in done.stdout
    assert "btcframe backtest" not in done.stdout
