from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from regime_study.markets import HORIZONS, made

from btcframe import scratch
from btcframe.regime_study.ahead import log_volatility, realised
from btcframe.types import NS


def test_it_is_the_mean_square_of_the_returns_that_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "PIECE", 64)
    rng = np.random.default_rng(2)
    mid = 30_000 * np.exp(np.cumsum(rng.normal(size=500) * 1e-4))
    mid[[17, 18, 200]] = np.nan
    mid[300:320] = np.nan
    found = realised(made(mid, tmp_path))
    r = 1e4 * np.diff(np.log(mid), prepend=np.nan)
    for h, horizon in enumerate(HORIZONS):
        steps = horizon // NS
        for t in range(500):
            after = r[t + 1 : t + 1 + steps]
            known = after[np.isfinite(after)]
            whole = t + steps < 500 and len(known) >= 0.8 * steps
            expected = (known**2).mean() if whole else np.nan
            np.testing.assert_allclose(found[t, h], expected, rtol=1e-9, atol=1e-9)


def test_a_market_that_stands_still_has_a_logarithm(tmp_path: Path) -> None:
    found = log_volatility(realised(made(np.full(100, 30_000.0), tmp_path)))
    assert found[0, 0] == np.log(0.01)
