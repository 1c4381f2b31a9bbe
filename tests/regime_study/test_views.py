from __future__ import annotations

import numpy as np

from btcframe.regime_study.views import spectrum


def test_a_tone_is_strongest_at_its_period() -> None:
    mid = 30_000 * np.exp(1e-3 * np.sin(2 * np.pi * np.arange(2048) / 40))
    found = spectrum(mid)
    assert found is not None
    db = np.array([[-99 if v is None else v for v in row] for row in found["db"]])
    edges = np.array(found["periods"])
    assert (np.diff(edges) > 0).all() and db.shape == (len(edges) - 1, len(found["columns"]))
    strongest = db[:, 30:-30].argmax(axis=0)
    assert ((edges[strongest] <= 40) & (edges[strongest + 1] >= 40)).mean() > 0.9
    assert db.max() == 0


def test_holes_take_the_price_before_and_leading_ones_are_no_part() -> None:
    rng = np.random.default_rng(1)
    mid = 30_000 * np.exp(np.cumsum(rng.normal(size=600) * 1e-4))
    mid[:50] = np.nan
    mid[300:310] = np.nan
    carried = mid[50:].copy()
    carried[250:260] = carried[249]
    holed, whole = spectrum(mid), spectrum(carried)
    assert holed is not None and whole is not None
    assert holed["db"] == whole["db"]
    assert holed["columns"] == [50 + c for c in whole["columns"]]


def test_no_spectrum_of_too_little_or_of_a_price_that_stands_still() -> None:
    assert spectrum(np.full(500, np.nan)) is None
    assert spectrum(np.arange(1.0, 64.0)) is None
    assert spectrum(np.full(500, 3.0)) is None
