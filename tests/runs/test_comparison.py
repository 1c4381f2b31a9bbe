"""Runs side by side: returns, markets, trials, the front and the verdict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small_runs import CONFIG, MINUTE_NS, START_NS, changed, manifest, sweep, traded

from btcframe.errors import DataError
from btcframe.plugins import Catalog, discover
from btcframe.report.words import NARROW
from btcframe.runs import ranking
from btcframe.runs.comparison import compare
from btcframe.runs.find import runs_in
from btcframe.runs.luck import sharpe_ratios
from btcframe.runs.verdict import EDGE, NOTHING, WINNER, judged, likely
from btcframe.stores.records import TABLES


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def noise(seed: int, n: int = 8, periods: int = 120) -> Any:
    return 1e-4 * np.random.default_rng(seed).standard_normal((periods, n))


def test_the_ranking_is_that_of_the_ratios_and_measures_are_shares_of_the_cash(
    tmp_path: Path, catalog: Catalog
) -> None:
    returns = noise(1)
    (found,), left = compare(runs_in(sweep(tmp_path / "s", returns)), catalog)
    assert not left and found.by == "net" and found.settings == ("model.alpha",)
    assert (found.periods, found.period_ns) == (120, MINUTE_NS)
    order = np.argsort(-sharpe_ratios(returns))
    assert [row.settings["model.alpha"] for row in found.rows] == order.tolist()
    assert [row.ratio for row in found.rows] == pytest.approx(sharpe_ratios(returns)[order], rel=1e-6)
    best = returns[:, order[0]]
    curve = np.concatenate(([0.0], np.cumsum(best)))
    assert found.rows[0].curve == pytest.approx(curve, abs=1e-12)
    assert found.rows[0].measures["return"] == pytest.approx(best.sum())
    assert found.rows[0].measures["drawdown"] == pytest.approx(
        max(max(curve[: k + 1]) - curve[k] for k in range(121))
    )
    assert found.median == 4


def test_on_noise_it_says_nothing_and_a_planted_winner_is_found(tmp_path: Path, catalog: Catalog) -> None:
    for seed in range(4):
        (found,), _ = compare(runs_in(sweep(tmp_path / f"n{seed}", noise(seed))), catalog)
        verdict = judged(found)
        assert verdict.answer == NOTHING
        assert any("within noise of the median" in warning for warning in verdict.warnings)
        assert any("no better than the median on the other" in warning for warning in verdict.warnings)
    returns = noise(9)
    returns[:, 5] += 1e-4
    (found,), _ = compare(runs_in(sweep(tmp_path / "w", returns)), catalog)
    assert judged(found) == (
        WINNER,
        f"The best, w/5, is above what the best of 8 configurations reaches by luck with more than 99.9{NARROW}% "
        "probability, and ahead of the median run by more than chance among 8 gives.",
        (),
    )
    assert found.overfitting is not None and found.overfitting.probability < 0.01


def test_what_is_good_and_alike_is_an_edge_and_no_winner(tmp_path: Path, catalog: Catalog) -> None:
    rng = np.random.default_rng(1)
    returns = 1e-4 * (0.8 + rng.standard_normal((120, 1)) + 0.1 * rng.standard_normal((120, 8)))
    (found,), _ = compare(runs_in(sweep(tmp_path / "s", returns)), catalog)
    verdict = judged(found)
    assert verdict.answer == EDGE and verdict.sentence.endswith(
        "that it is better than the others cannot be said."
    )
    assert any("within noise of the median" in warning for warning in verdict.warnings)


def test_not_trading_beats_losing_and_is_nothing(tmp_path: Path, catalog: Catalog) -> None:
    returns = noise(2, 3) - 2e-4
    returns[:, 1] = 0
    (found,), _ = compare(runs_in(sweep(tmp_path / "s", returns)), catalog)
    assert judged(found)[:2] == (
        NOTHING, "The best is s/1, which earned nothing and lost nothing; none of the others earned anything.",
    )  # fmt: skip
    losing = noise(2, 3) - 2e-4
    (found,), _ = compare(runs_in(sweep(tmp_path / "l", losing)), catalog)
    assert judged(found).sentence.startswith("Even the best of 3 configurations, l/")


def test_too_few_periods_say_so(tmp_path: Path, catalog: Catalog) -> None:
    (found,), _ = compare(runs_in(sweep(tmp_path / "s", noise(1, 3, 20))), catalog)
    verdict = judged(found)
    assert verdict.answer == NOTHING
    assert verdict.sentence.startswith(
        "Nothing can be told from luck: 20 minutes are 20 periods of 60 seconds, and the best run, s/"
    )
    assert verdict.warnings == (
        "Whether the best is ahead of the median run cannot be told: too little moved.",
        "The probability of backtest overfitting cannot be told: 20 periods, and 24 are needed.",
    )
    (found,), _ = compare(runs_in(sweep(tmp_path / "one", noise(1, 1))), catalog)
    assert judged(found).warnings == ("One run is no ranking.",)
    (found,), _ = compare(runs_in(sweep(tmp_path / "same", np.tile(noise(1, 1), 2))), catalog)
    assert "all runs did the same" in judged(found).warnings[1]


def test_each_market_has_a_ranking_of_its_own(tmp_path: Path, catalog: Catalog) -> None:
    sweep(tmp_path / "seven", noise(1, 3))
    sweep(tmp_path / "eight", noise(2, 2), seed=8)
    sweep(tmp_path / "longer", noise(3, 1), source__duration="2h")
    found, left = compare(runs_in(tmp_path), catalog)
    assert [len(one.rows) for one in found] == [3, 2, 1] and not left
    data = {"build": {"id": "b", "symbol": "BTC/USDT:USDT", "rows": 1, "data": "f00"}}
    for k, seed in enumerate((7, 8)):  # data of an exchange are the same whatever the seed
        run = traded(tmp_path / "data" / str(k), noise(k, 1)[:, 0], changed(CONFIG, seed=seed))
        told = json.loads((run / "manifest.json").read_text())
        (run / "manifest.json").write_text(json.dumps(told | {"results": told["results"] | data}))
    assert len(compare(runs_in(tmp_path / "data"), catalog).markets) == 1


def test_runs_that_cannot_be_compared_are_named_and_left_out(tmp_path: Path, catalog: Catalog) -> None:
    place = sweep(tmp_path / "s", noise(1, 3))
    manifest(place / "3", CONFIG, status="failed", error="the disk is full\nmore")
    manifest(place / "4", CONFIG, results={"train": {}})
    (place / "5" / ".hydra").mkdir(parents=True)
    damaged = traded(place / "6", noise(2, 1)[:, 0])
    np.save(damaged / "tables" / "fills.npy", np.zeros(3))
    traded(place / "7", noise(2, 1)[:, 0], since_ns=START_NS + 100 * MINUTE_NS)
    manifest(place / "8", CONFIG, btcframe="99.0")
    found, left = compare(runs_in(place), catalog)
    assert len(found) == 1 and len(found[0].rows) == 3
    assert {one.run.directory.name: one.why for one in left} == {
        "3": "its status is 'failed': the disk is full",
        "4": "nothing was traded: it is a run",
        "5": "it left no manifest.json: the job ended before its run began",
        "6": "the tables of the session are not those that the run left: fills differ",
        "7": "it was judged on 17 % of the others' time",
        "8": f"the run in {place / '8'} was made by btcframe 99.0, which is newer than this one (0.1.0)",
    }
    for one in left:
        assert str(one.run.directory) in "\n".join(ranking.left_out(left)).replace("\n  ", " ")
    shutil.rmtree(place)
    with pytest.raises(DataError, match="no run can be compared"):
        compare(runs_in(manifest(tmp_path / "x", CONFIG, status="running")), catalog)
    with pytest.raises(DataError, match="there is no run to compare"):
        compare([], catalog)
    for k in range(7):
        manifest(tmp_path / "many" / str(k), CONFIG, status="running")
    with pytest.raises(DataError) as caught:
        compare(runs_in(tmp_path / "many"), catalog)
    assert caught.value.hint.splitlines()[4:] == [
        f"{tmp_path}/many/4: its status is 'running'",
        "and 2 more runs",
    ]


def test_runs_that_overlap_are_compared_on_what_they_share(tmp_path: Path, catalog: Catalog) -> None:
    returns = noise(1, 3)
    for k in range(2):
        traded(tmp_path / "s" / str(k), returns[:, k])
    traded(tmp_path / "s" / "2", returns[20:, 2], since_ns=START_NS + 20 * MINUTE_NS)
    (found,), left = compare(runs_in(tmp_path / "s"), catalog)
    assert not left and found.periods == 100
    told = {row.run.directory.name: row.measures["return"] for row in found.rows}
    assert told == {str(k): pytest.approx(returns[20:, k].sum()) for k in range(3)}


def test_trials_are_those_here_and_those_that_the_store_knows_of(tmp_path: Path, catalog: Catalog) -> None:
    place = sweep(tmp_path / "s", noise(1, 3))
    traded(
        place / "3", noise(2, 1)[:, 0], changed(CONFIG, model__alpha=0.0)
    )  # the first again: no further trial
    store = catalog.build("store", {"plugin": "delta", "path": str(place / "lake")})

    def tell(name: str, **changes: Any) -> None:
        config = changed(CONFIG, **{k: v for k, v in changes.items() if k != "verb"})
        row = {
            "n": 0,
            "symbol": "BTC/USDT:USDT",
            "verb": changes.get("verb", "run"),
            "status": "complete",
            "started_ns": 1,
            "manifest": json.dumps({"config": config}),
        }
        _, *schema = TABLES["runs"]
        store.record(name, "runs", pa.Table.from_pylist([row], schema=pa.schema(schema)))

    tell("here", model__alpha=1.0)
    tell("elsewhere", model__alpha=9.0)
    tell("other-threshold", model__alpha=9.0, policy__threshold_bps=3.0)
    tell("training", model__alpha=10.0, verb="train")  # nothing was earned in it
    (found,), _ = compare(runs_in(place), catalog)
    assert found.trials[:2] == (3, 5) and found.luck.trials == 5


def test_a_store_that_does_not_answer_is_told(tmp_path: Path, catalog: Catalog) -> None:
    place = sweep(tmp_path / "s", noise(1, 3))
    (place / "lake").write_text("no directory")
    (found,), _ = compare(runs_in(place), catalog)
    assert found.trials.unknown and found.trials.known == 3
    assert judged(found).warnings[-1].startswith("How much was tried is not known, at least this much: ")


def test_runs_of_different_code_are_told(tmp_path: Path, catalog: Catalog) -> None:
    place = sweep(tmp_path / "s", noise(1, 2))
    traded(place / "2", noise(2, 1)[:, 0], code={"btcframe": "00" * 32})
    (found,), _ = compare(runs_in(place), catalog)
    assert judged(found).warnings[-1] == (
        "The runs were not made by the same code: btcframe. A difference may be the code's."
    )


def test_the_front_holds_what_nothing_beats(tmp_path: Path, catalog: Catalog) -> None:
    rises = np.full(60, 1e-4)
    steps = np.where(np.arange(60) % 2, 3e-4, -1e-4)
    runs = {
        "0": (rises, 2.4),
        "1": (rises * 0.5, 2.4),
        "2": (rises * 0.5, 1.2),
        "3": (steps, 4.8),
        "4": (steps, 9.6),
    }
    for name, (returns, turnover) in runs.items():
        traded(tmp_path / "s" / name, returns, changed(CONFIG, model__alpha=float(name)), turnover=turnover)
    (found,), _ = compare(runs_in(tmp_path / "s"), catalog)
    told = {row.run.directory.name: row.measures for row in found.rows}
    assert {name: row["turnover"] for name, row in told.items()} == {
        name: pytest.approx(t) for name, (_, t) in runs.items()
    }
    # 0 earns most with neither loss; 2 half of it, for half the turnover
    assert {row.run.directory.name for row in found.rows if row.front} == {"0", "2"}


def test_probabilities_are_never_certain() -> None:
    assert [likely(p) for p in (1.0, 0.9995, 0.5, 0.0001)] == [
        f"more than 99.9{NARROW}%", f"more than 99.9{NARROW}%", f"50.0{NARROW}%", f"less than 0.1{NARROW}%",
    ]  # fmt: skip


def test_json_is_plain_and_whole(tmp_path: Path, catalog: Catalog) -> None:
    returns = noise(1, 4)
    returns[:, 2] = 1e-4  # a ratio without spread is infinite
    told = json.loads(
        json.dumps(ranking.plain(compare(runs_in(sweep(tmp_path / "s", returns)), catalog)), allow_nan=False)
    )
    (market,) = told["markets"]
    assert market["verdict"]["answer"] == NOTHING and market["trials"] == {
        "compared": 4,
        "known": 4,
        "unknown": "",
    }
    assert market["deflated_sharpe"]["deflated"] is None and market["runs"][0]["sharpe"] is None
    assert market["overfitting"]["splits"] == 12_870 and market["runs"][1]["settings"] in [
        {"model.alpha": float(k)} for k in (0, 1, 3)
    ]
    assert told["left_out"] == []
