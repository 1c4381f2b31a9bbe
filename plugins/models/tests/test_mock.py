"""Noise: normal, the same for the same row, another for another; and it says what it is."""

from __future__ import annotations

import numpy as np
import pytest

from btcframe.models.mocks import is_mock
from btcframe.testing.models import predict, training_set
from btcframe_models.mock import Mock
from btcframe_models.ridge import Ridge


def test_it_is_normal_noise_without_a_word_about_what_follows() -> None:
    data = training_set(20_000)
    out = predict(Mock(bps=3.0).fit(data), data.x, data.regime)
    mean = out["mean"]
    assert abs(mean.mean()) < 3.0 * 4 / np.sqrt(mean.size) and mean.std() == pytest.approx(3.0, rel=0.02)
    both = np.isfinite(data.y).all(axis=1)
    assert abs(np.corrcoef(mean[both, 0], data.y[both, 0])[0, 1]) < 0.03
    assert abs(np.corrcoef(mean[:, 0], mean[:, 1])[0, 1]) < 0.03
    assert abs(np.corrcoef(mean[1:, 0], mean[:-1, 0])[0, 1]) < 0.03
    inside = (out["low"] < 0) & (out["high"] > 0)
    assert inside.mean() == pytest.approx(0.8, abs=0.02)
    assert (np.sort(mean[:, 0]) == mean[np.argsort(out["p_up"][:, 0]), 0]).all()  # p_up rises with the mean


def test_a_row_decides_its_own_noise() -> None:
    data = training_set(100)
    predictor = Mock().fit(data)
    before = predict(predictor, data.x, data.regime)["mean"]
    turned = predict(predictor, data.x[::-1].copy(), data.regime)["mean"][::-1]
    assert (before == turned).all()
    other = predict(Mock(seed=1).fit(data), data.x, data.regime)["mean"]
    assert (before != other).all() and len(np.unique(before)) == before.size


@pytest.mark.parametrize("settings", [{"bps": 0.0}, {"bps": float("inf")}, {"seed": -1}])
def test_settings_that_make_no_sense(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Mock(**settings)  # type: ignore[arg-type]


def test_it_says_what_it_is() -> None:
    assert is_mock(Mock()) and not is_mock(Ridge())
