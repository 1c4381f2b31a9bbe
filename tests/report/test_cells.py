"""Estimates of a manifest: as they were, and as they are read."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from btcframe.learning.predictions import plain_found, plain_metrics
from btcframe.report.cells import estimate, found_from, metrics_from, percentage, signed, unsigned
from btcframe.report.metrics import compare, evaluate
from btcframe.types import NS

ROWS = NS * np.arange(400)


@pytest.mark.parametrize("n", [400, 20, 0])
def test_metrics_come_back_as_they_were(n: int) -> None:
    """With and without intervals, and without rows."""
    p, e, y = np.random.default_rng(1).standard_normal((3, n))
    told = plain_metrics(evaluate(p, y, ROWS[:n], NS, seed=1))
    assert plain_metrics(metrics_from(json.loads(json.dumps(told)))) == told
    found = plain_found(compare(p, e, y, ROWS[:n], NS, seed=1))
    assert plain_found(found_from(json.loads(json.dumps(found)))) == found


def test_cells_have_their_interval_below() -> None:
    told = {"value": -0.1234, "low": -0.2, "high": 0.1}

    def text(markup: str) -> list[str]:
        return re.split(r"<[^>]+>", markup)

    assert text(signed(told, 2).text)[:2] == ["\N{MINUS SIGN}0.12", "\N{MINUS SIGN}0.20 to +0.10"]
    assert text(unsigned(told | {"low": None, "high": None}, 1).text) == ["\N{MINUS SIGN}0.1"]
    assert text(percentage(dict.fromkeys(told)).text) == ["none"]
    assert np.isnan(estimate(dict.fromkeys(told))).all()
