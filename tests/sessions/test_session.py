"""What a session was worth while that was not known yet is in no figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_trader import INSTRUMENT

from btcframe.report.execution import held
from btcframe.report.findings import of_session
from btcframe.report.trading import summarize
from btcframe.sessions.session import first_worth, since_known
from btcframe.trading.audit import Audit
from btcframe.types import NS


def begun_with_a_position(*worth: float) -> dict[str, Any]:
    """A session that holds 10 lots from its first row on, and begins without a book."""
    audit = Audit()
    for n, equity in enumerate(worth, start=1):
        audit.equity.append(
            (n * NS, equity / 10, 10, 900.0, equity, 0.0, 0.0, 1.0, 0, -1, 0, equity == equity, 0)
        )
    return audit.tables()


def test_it_counts_from_the_first_row_that_is_known() -> None:
    nan = float("nan")
    tables = since_known(begun_with_a_position(nan, nan, 1000.0, 1010.0, 985.0, 990.0))
    assert tables["equity"]["equity"].tolist() == [1000.0, 1010.0, 985.0, 990.0]
    cash = first_worth(tables["equity"]["equity"])
    metrics = summarize(tables, INSTRUMENT, cash)
    assert (metrics.net, metrics.max_drawdown) == (pytest.approx(-10.0), pytest.approx(25.0))
    found = of_session(tables, INSTRUMENT, cash, seed=1)
    assert sum(found.evidence.results) == 0 and np.isfinite(found.evidence.net)
    assert np.isfinite(held(tables["equity"], INSTRUMENT, cash, (NS, 6 * NS)).long)


def test_a_session_that_is_known_from_the_start_or_never_stays_whole() -> None:
    for worth in ((1000.0, 1010.0), (float("nan"), float("nan")), ()):
        tables = begun_with_a_position(*worth)
        assert since_known(tables)["equity"].tobytes() == tables["equity"].tobytes()
