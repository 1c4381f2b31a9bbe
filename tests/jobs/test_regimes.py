from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from jobs.small import Said, make_run

from btcframe.errors import ConfigError, DataError, ModelError
from btcframe.jobs import regimes as regimes_job
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.sessions.reporting import said_again

VOLATILITY = {"plugin": "volatility", "window": 60}
HMM = {"plugin": "hmm", "window": 60, "states": 2, "every": 10}
HHT = {"plugin": "hht", "window": 64, "every": 8, "over": 64, "bands": [5, 15], "slow": 15}
MARKET = {"plugin": "synthetic", "duration": "30m", "dwell": "5m"}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def settings(**changes: Any) -> dict[str, Any]:
    return {
        "verb": "regimes", "source": MARKET, "later": 30,
        "regimes": {"hht": HHT, "hmm": HMM, "volatility": VOLATILITY},
    } | changes  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog) -> Run:
    run = make_run(tmp_path_factory.mktemp("regimes"), catalog, **settings())
    compared(run)
    return run


def compared(run: Run) -> dict[str, Any]:
    with run.recorded():
        return regimes_job.main(run)


def found_of(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.dir / "regimes.json").read_text())
    return found


def printed(run: Run) -> str:
    from rich.console import Console

    from btcframe.report.regimes_table import regimes_table

    out = StringIO()
    Console(file=out, width=80).print(regimes_table(found_of(run)))
    return out.getvalue()


def test_it_leaves_numbers_and_a_page(finished: Run) -> None:
    found = found_of(finished)
    assert [m["name"] for m in found["methods"]] == ["hht", "hmm", "volatility"]
    assert len(found["pairs"]) == 3
    assert found["first"] == "hht" and list(found["added"]) == ["hmm", "volatility"]
    page = (finished.dir / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    results = json.loads((finished.dir / "manifest.json").read_text())["results"]["regimes"]
    assert results["verdict"] == found["verdict"]
    assert set(results["explained"]) == {"hht", "hmm", "volatility"}
    assert results["page"] == "report.html"


def test_the_numbers_add_up(finished: Run) -> None:
    found = found_of(finished)
    for method in found["methods"]:
        rows = sum(r["rows"] for r in method["regimes"])
        assert rows + method["unknown"] == found["test_rows"]
        assert sum(r["visits"] for r in method["regimes"]) == method["visits"]
        assert sum(map(sum, method["transitions"])) == method["visits"] - 1
        assert sum(r["share"] for r in method["regimes"]) == pytest.approx(1)
        for h, judged in enumerate(found["judged_rows"]):
            assert sum(r["followed"][h]["rows"] for r in method["regimes"]) == judged
    never, now_and_then = found["methods"][2]["revised"], found["methods"][0]["revised"]
    assert never["why"] == "never, by definition" and never["value"] is None
    assert now_and_then["why"] == "" and 0 < now_and_then["value"] < 1


def test_an_answer_that_comes_too_late_for_its_fold(tmp_path: Path, catalog: Catalog) -> None:
    run = make_run(tmp_path, catalog, **settings(later=600, regimes={"hmm": HMM}))
    revised = compared(run)["methods"][0]["revised"]
    assert revised["why"] == "no row is asked for again within its fold" and revised["value"] is None


def test_a_market_of_two_volatilities_is_told_by_its_volatility(finished: Run) -> None:
    volatility = found_of(finished)["methods"][2]
    assert volatility["explained"]["value"] > 0
    assert volatility["truth"]["rand"] > 0.1


def test_the_page_is_made_again_to_the_byte(finished: Run, catalog: Catalog) -> None:
    page = finished.dir / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert said_again(finished.dir, catalog).startswith("Report: ")
    assert page.read_bytes() == before


def test_numbers_that_are_gone_or_anothers(finished: Run, catalog: Catalog, tmp_path: Path) -> None:
    path = finished.dir / "regimes.json"
    kept = path.read_text()
    try:
        path.write_text(kept.replace('"version": 1', '"version": 99', 1))
        with pytest.raises(DataError, match="is of version 99, not 1"):
            said_again(finished.dir, catalog)
        path.write_text(kept[:100])
        with pytest.raises(DataError, match="cannot be read: JSONDecodeError"):
            said_again(finished.dir, catalog)
        path.unlink()
        with pytest.raises(DataError, match=r"regimes\.json cannot be read: FileNotFoundError"):
            said_again(finished.dir, catalog)
    finally:
        path.write_text(kept)


def test_the_same_run_gives_the_same_numbers_in_any_number_of_threads(
    finished: Run, tmp_path: Path, catalog: Catalog
) -> None:
    run = make_run(tmp_path, catalog, **settings(build={"batch": 500, "rows": False, "threads": 3}))
    compared(run)
    assert found_of(run) == found_of(finished)


def test_the_terminal_shows_a_line_per_regime(finished: Run) -> None:
    text = printed(finished)
    for name in ("trend_up", "trend_down", "range", "turbulent", "normal", "high", "never, by definition"):
        assert name in text
    assert "…" not in re.sub(r"\S…\S", "", text)  # nothing is cut off
    assert text.count("\n") <= 45


def test_two_of_one_kind_and_one_alone(tmp_path: Path, catalog: Catalog) -> None:
    two = {"fast": VOLATILITY, "slow": VOLATILITY | {"window": 300}}
    run = make_run(tmp_path, catalog, "two", **settings(regimes=two))
    found = compared(run)
    assert [m["plugin"] for m in found["methods"]] == ["volatility", "volatility"]
    alone = make_run(tmp_path, catalog, "alone", **settings(regimes={"fast": VOLATILITY}))
    found = compared(alone)
    assert found["verdict"]["answer"] == "fast is alone: there is nothing to compare it with"
    assert (
        "One method alone" not in (alone.dir / "report.html").read_text()
    )  # the market's true state is there
    printed(alone)


def test_a_method_that_cannot_be_fitted_is_named(tmp_path: Path, catalog: Catalog) -> None:
    long = VOLATILITY | {"window": 700}
    run = make_run(tmp_path, catalog, **settings(regimes={"volatility": VOLATILITY, "long": long}))
    found = compared(run)
    assert list(found["left_out"]) == ["long"]
    assert "0 of " in found["left_out"]["long"]
    assert found["verdict"]["sentences"][0].startswith("long is left out: regime volatility: 0 of ")
    assert "long is left out" in (run.dir / "report.html").read_text()
    none = make_run(tmp_path, catalog, "none", **settings(regimes={"long": long}))
    with pytest.raises(ModelError, match=r"training rows have a volatility, 20 are needed \(fold 0, "):
        regimes_job.main(none)


def test_a_price_that_stands_still(tmp_path: Path, catalog: Catalog) -> None:
    source = {"plugin": "klines", "paths": [str(_still(tmp_path))]}
    run = make_run(
        tmp_path, catalog,
        **settings(source=source, clock={"plugin": "time", "every": "1m"}, label={"plugin": "forward_return", "horizons": ["5m"]}),
    )  # fmt: skip
    found = compared(run)
    assert "hmm" in found["left_out"] and "stands still" in found["left_out"]["hmm"]
    volatility = found["methods"][-1]
    assert volatility["explained"]["value"] is None
    assert [r["share"] for r in volatility["regimes"]] == [1.0, 0.0, 0.0]
    assert "Forward volatility never changes" in found["verdict"]["answer"]
    assert (run.dir / "report.html").stat().st_size > 0
    printed(run)


def _still(folder: Path) -> Path:
    path = folder / "BTCUSDT-1m-2024-01.csv"
    start = 1_704_067_200_000
    rows = (
        f"{start + 60_000 * k},5,5,5,5,1,{start + 60_000 * k + 59_999},5,1,0.5,2.5,0" for k in range(2000)
    )
    path.write_text("\n".join(rows) + "\n")
    return path


def test_bars_need_their_own_clock(tmp_path: Path, catalog: Catalog) -> None:
    source = {"plugin": "klines", "paths": [str(_still(tmp_path))]}
    run = make_run(tmp_path, catalog, **settings(source=source))
    with pytest.raises(ConfigError, match=r"the source's rows last 1m, and the clock's 1s"):
        regimes_job.main(run)


def test_no_regime(tmp_path: Path, catalog: Catalog) -> None:
    run = make_run(tmp_path, catalog, **settings(regimes={}))
    with pytest.raises(ConfigError, match="there is no regime to judge"):
        regimes_job.main(run)
    assert isinstance(run.console, Said) and not run.console.lines


def test_they_walk_forward(tmp_path: Path, catalog: Catalog) -> None:
    validation = {"scheme": "combinatorial", "embargo": "10s"}
    run = make_run(tmp_path, catalog, **settings(validation=validation))
    with pytest.raises(ConfigError, match="regimes are compared walking forward"):
        regimes_job.main(run)


@pytest.mark.shared
def test_a_day_with_an_outage(tmp_path: Path, catalog: Catalog) -> None:
    path = Path(__file__).parents[3] / "shared/market-data/klines/BTCUSDT-1m-2023-03-24.csv.gz"
    if not path.exists():
        pytest.skip(f"no recorded market data: {path}")
    run = make_run(
        tmp_path, catalog,
        **settings(
            source={"plugin": "klines", "paths": [str(path)]}, clock={"plugin": "time", "every": "1m"},
            label={"plugin": "forward_return", "horizons": ["5m", "15m"]}, regimes={"hmm": HMM, "volatility": VOLATILITY},
        ),
    )  # fmt: skip
    found = compared(run)
    volatility = found["methods"][1]
    assert volatility["unknown"] >= 80  # the minutes that are missing, and those whose return they take
    assert found["test_rows"] == 1440 - found["rows"] // 4
    assert found["judged_rows"][1] < found["test_rows"] - 80
