"""What figures draw, where a finished run would not show a mistake."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btcframe.plugins import Catalog
from btcframe.report import figures_models, figures_trading
from btcframe.report.findings import Findings
from btcframe.report.metrics import Estimate
from btcframe.report.plots import marked
from btcframe.run import load_manifest
from btcframe.sessions.reporting import gather
from btcframe.trading.audit import EQUITY
from btcframe.types import NS

from .test_run_page import unpacked


@pytest.fixture(scope="module")
def found(finished: Path, catalog: Catalog) -> Findings:
    return gather(finished, load_manifest(finished), catalog)


def test_the_equity_curve_of_a_long_session_keeps_its_extremes(found: Findings) -> None:
    assert found.session is not None
    equity = np.zeros(50_000, EQUITY)
    equity["row_ns"] = NS * np.arange(len(equity))
    equity["equity"] = found.session.cash - 5.0  # below the cash from the first row on
    equity["equity"][12_345] += 100.0
    equity["equity"][23_456] -= 300.0
    session = dataclasses.replace(found.session, tables={**found.session.tables, "equity": equity})
    result, fall, *_ = figures_trading.money(found, session).data
    assert len(unpacked(result["y"])) < 10_000
    assert (unpacked(result["y"]).min(), unpacked(result["y"]).max()) == (-305, 95)
    assert unpacked(fall["y"])[0] == -5
    assert unpacked(fall["y"]).min() == -400


def test_buys_and_sells_are_marked_as_what_they_are(found: Findings) -> None:
    assert found.session is not None
    fills = found.session.tables["fills"]
    for trace in figures_trading._marks(found.session, fills):
        side = {"buy": 1, "sell": -1}[trace["name"]]
        np.testing.assert_allclose(unpacked(trace["y"]), fills["ticks"][fills["side"] == side] * 0.1)


def test_a_regime_with_a_name_of_markup_stays_text(found: Findings) -> None:
    assert found.session is not None and found.price is not None
    execution = found.session.execution
    names = tuple(f"<b>{name}</b>" for name in execution.regimes)
    named = dataclasses.replace(found.session, execution=dataclasses.replace(execution, regimes=names))
    data: list[dict[str, Any]] = figures_trading.price(found, named, found.price).data
    assert any("&lt;b&gt;" in trace.get("name", "") for trace in data)
    assert not any("<b>" in trace.get("name", "") + trace.get("hovertemplate", "") for trace in data)


def test_error_bars_reach_to_the_bounds() -> None:
    bars = marked(np.array([1.0]), np.array([-2.0]), np.array([1.5]))
    assert (bars["array"], bars["arrayminus"]) == ([0.5], [3.0])


def test_a_horizon_without_bins_keeps_the_others_colours(found: Findings) -> None:
    assert found.training is not None
    bins = [{"rows": 5, "p": p, "rose": Estimate(rose)._asdict()} for p, rose in ((0.4, 0.3), (0.6, 0.7))]
    first, second = found.training["worth"]
    figure = figures_models.calibration([first | {"reliability": []}, second | {"reliability": bins}])
    truth, points = figure.data
    assert truth["x"] == truth["y"] == [0.4, 0.6]
    assert points["y"] == [0.3, 0.7] and points["marker"]["color"] == figures_models.SERIES[1]
