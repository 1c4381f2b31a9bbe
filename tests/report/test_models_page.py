"""The report's parts on models: what is said and drawn of worth, of members, and of trainings that lack them."""

from __future__ import annotations

import copy
import dataclasses
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from btcframe.models.members import Inside
from btcframe.plugins import Catalog
from btcframe.report import sections_models
from btcframe.report.elements import join
from btcframe.report.findings import Findings
from btcframe.report.plots import resolved
from btcframe.report.run_page import run_page
from btcframe.report.words import share
from btcframe.run import load_manifest
from btcframe.sessions.reporting import gather

from .test_run_page import LIGHT, rows_of, specs


@pytest.fixture(scope="module")
def found(finished: Path, catalog: Catalog) -> Findings:
    """A finished run, as if it had lasted several days its model members, and a baseline."""
    given = gather(finished, load_manifest(finished), catalog)
    assert given.training is not None
    worth = copy.deepcopy(given.training["worth"])
    for told, metrics in zip(worth, given.training["metrics"], strict=True):
        told["persistence"] = metrics
        (day,) = told["days"]
        told["days"] = [day | {"name": f"2024-01-{k:02}"} for k in range(1, 21)]
        told["sharpe"]["trials"] = 12
    weights = [{"ridge": [0.5, 0.7], "<b>trees": [0.4, 0.0]}, {"ridge": [0.6, 0.7], "<b>trees": [0.3, 0.1]}]
    chosen = [{"spread": 0.5, "mid": None}, {"mid": None, "depth": 0.002}]
    members = [Inside(*both) for both in zip(weights, chosen, strict=True)]
    return dataclasses.replace(given, training=dict(given.training) | {"worth": worth}, members=members)


def markup(found: Findings) -> str:
    return join(*(section.body for section in sections_models.sections(found))).text


def text(found: Findings) -> str:
    body = re.sub(r"<(script|style).*?</\1>", "", markup(found), flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def test_everything_is_told(found: Findings) -> None:
    said = text(found)
    for words in (
        "evidence that it predicts the direction", "The oracle's IC is", "12 configurations were tried on this market that this store knows of.", "to promotion",
        "the whole 95 % interval of its IC", "A model is promoted that", "IC above persistence's", "R² against persistence",
        "turned over per hour", "Sharpe ratio of one", "above that with", "By regime, in numbers", "By day, in numbers",
        "By age, in numbers", "of the share of rises", "Outcomes within the model's own interval", "weights were learned",
    ):  # fmt: skip
        assert words in said, words


def test_every_figure_is_drawn_and_one_that_plotly_knows(found: Findings) -> None:
    go = pytest.importorskip("plotly.graph_objects")
    drawn = specs(markup(found))
    assert list(drawn) == [
        "ic-by-regime",
        "ic-by-day",
        "ic-by-age",
        "calibration",
        "weights-5s",
        "weights-15s",
    ]
    for spec in drawn.values():
        go.Figure(resolved(spec, LIGHT))
    ridge, trees = drawn["weights-15s"]["data"]
    assert (ridge["y"], trees["y"], trees["name"]) == ([0.7, 0.7], [0.0, 0.1], "&lt;b&gt;trees")
    days = drawn["ic-by-day"]["layout"]["xaxis"]["ticktext"]
    assert days[0] == "2024-01-01" and 4 <= len(days) <= 8


def test_the_figures_say_what_the_manifest_says(found: Findings) -> None:
    assert found.training is not None
    drawn = specs(markup(found))
    for k, told in enumerate(found.training["worth"]):
        ic = [part["scores"]["ic"]["value"] for part in told["regimes"]]
        assert drawn["ic-by-regime"]["data"][k]["y"] == pytest.approx(ic)
        ages = [aged["ic"]["value"] for aged in told["ages"]]
        assert drawn["ic-by-age"]["data"][k]["y"] == pytest.approx(ages)
        rose = [b["rose"]["value"] for b in told["reliability"]]
        assert drawn["calibration"]["data"][k + 1]["y"] == pytest.approx(rose)


def test_chosen_columns_are_told_the_most_often_chosen_first(found: Findings) -> None:
    rows = [row for row in rows_of(run_page(found), "members") if row[1].endswith(" of 2")]
    assert rows == [
        ["mid", "2 of 2", "none"],
        ["spread", "1 of 2", share(0.5)],
        ["depth", "1 of 2", share(0.002)],
    ]
    only = dataclasses.replace(found, members=[m._replace(weights={}) for m in found.members])
    assert "weights were learned" not in text(only) and "3 columns chosen" in text(only)


def test_persistence_and_zero_stand_beside_the_model(found: Findings) -> None:
    rows = [row[0] for row in rows_of(run_page(found), "predictions")]
    assert rows[:6] == ["horizon", "5s", "5s, persistence", "15s", "15s, persistence", "any, zero"]


def test_what_looks_like_a_leak_is_said_first(found: Findings) -> None:
    assert found.training is not None
    assert "leak" not in text(found)
    told = [{"kind": "implausible", "words": "5s: an IC of <1> is none."}]
    said = text(dataclasses.replace(found, training={**found.training, "suspicions": told}))
    assert said.strip().startswith("Looks like a leak. 5s: an IC of <1> is none.")


def test_one_day_is_said(found: Findings) -> None:
    assert found.training is not None
    worth = [told | {"days": told["days"][:1], "ages": []} for told in found.training["worth"]]
    said = text(dataclasses.replace(found, training={**found.training, "worth": worth}, members=()))
    assert "All of it lies on one day, 2024-01-01 UTC." in said
    assert "How old the models were at each row was not told." in said
    assert "weights were learned" not in said


def test_a_model_without_probabilities_and_baseline(found: Findings) -> None:
    assert found.training is not None
    none = {"value": None, "low": None, "high": None}
    worth: list[Any] = copy.deepcopy(found.training["worth"])
    for told in worth:
        told["reliability"], told["persistence"] = [], None
        told["scores"] |= dict.fromkeys(("inside", "below", "above", "r2_persistence", "ic_gap"), none)
    given = dataclasses.replace(found, training={**found.training, "worth": worth})
    assert "The model gives no probabilities and no intervals." in text(given)
    assert "IC above persistence's" not in text(given)
    assert not [row for row in rows_of(run_page(given), "predictions") if "persistence" in row[0]]


def test_trainings_of_older_versions_say_so(found: Findings) -> None:
    assert found.training is not None
    old = {name: told for name, told in found.training.items() if name not in ("worth", "baselines")}
    given = dataclasses.replace(found, training=old)
    assert "An older version trained this, which did not measure it." in text(given)
    assert "any, zero" in run_page(given)
    assert sections_models.sections(dataclasses.replace(found, training=None)) == []
