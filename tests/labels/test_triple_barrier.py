"""The label triple_barrier against a plain loop, and cases that anyone can check."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.labels.forward_return import Price
from btcframe.labels.triple_barrier import TripleBarrier
from btcframe.types import NS, ROW


def rows_at(times: list[int], mid: list[float]) -> np.ndarray:
    rows = np.zeros(len(times), ROW)
    rows["row_ns"], rows["mid"] = times, mid
    return rows


def volatility(times: list[int], price: list[float], t: int, lookback: int) -> float:
    squares, covered = 0.0, 0
    for s in range(1, t + 1):
        if times[s - 1] >= times[t] - lookback and not math.isnan(r := math.log(price[s] / price[s - 1])):
            squares, covered = squares + r * r, covered + times[s] - times[s - 1]
    return math.sqrt(squares / (covered / 1e9)) if 2 * covered >= lookback else math.nan


def naive(
    rows: np.ndarray, label: TripleBarrier, horizon: int, lookback: int, max_age: int
) -> list[tuple[float, int]]:
    times, price = rows["row_ns"].tolist(), rows["mid"].tolist()
    found = []
    for t, now in enumerate(times):
        end = now + horizon
        width = volatility(times, price, t, lookback) * math.sqrt(horizon / 1e9)
        answer = math.nan, end
        if not math.isnan(width) and not math.isnan(price[t]):
            seen = now
            for s in range(t + 1, len(times)):
                if times[s] > end or math.isnan(price[s]):
                    continue
                if times[s] - seen > max_age:
                    seen = -math.inf
                    break
                seen, r = times[s], math.log(price[s] / price[t])
                answer = 1e4 * r, end
                if (label.up and r >= label.up * width) or (label.down and r <= -label.down * width):
                    answer = 1e4 * r, times[s]
                    break
            else:
                if times[-1] < end or end - seen > max_age:
                    answer = math.nan, end
                elif seen == now:
                    answer = 0.0, end
            if seen == -math.inf:
                answer = math.nan, end
        found.append(answer)
    return found


@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    steps=st.lists(st.integers(NS // 10, 3 * NS), min_size=1, max_size=40), seed=st.integers(0, 99),
    up=st.sampled_from([0.0, 0.4, 1.5]), down=st.sampled_from([0.0, 0.4, 1.5]),
)  # fmt: skip
def test_equals_the_plain_loop(steps: list[int], seed: int, up: float, down: float) -> None:
    rng = np.random.default_rng(seed)
    mid = 100 * np.exp(np.cumsum(0.001 * rng.standard_normal(len(steps))))
    mid[rng.random(len(steps)) < 0.1] = np.nan
    rows = rows_at(np.cumsum(steps).tolist(), mid.tolist())
    label = TripleBarrier(horizons=("8s", "1s"), up=up, down=down, lookback="5s", max_age="4s")
    y, t_end = label.label(rows)
    for h, horizon in enumerate((8 * NS, NS)):
        expected = naive(rows, label, horizon, 5 * NS, 4 * NS)
        np.testing.assert_allclose(y[:, h], [e[0] for e in expected], rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(t_end[:, h], [e[1] for e in expected])


def test_a_known_case() -> None:
    """A price that moved by 1 bp a second, then jumps by 3 up: beyond 1.5 standard deviations over 4 s."""
    steps = [0, 1, -1, 1, -1, 1, 1, 3, -9, 0, 0, 0]
    price = 100 * np.exp(1e-4 * np.cumsum(steps))
    rows = rows_at([NS * (i + 1) for i in range(len(steps))], price.tolist())
    y, t_end = TripleBarrier(horizons=("4s",), lookback="4s").label(rows)
    assert np.isnan(y[:2]).all()  # too little past
    assert y[4, 0] == pytest.approx(5) and t_end[4, 0] == 8 * NS  # 1 + 1 + 3: the upper barrier was at 3
    assert y[7, 0] == pytest.approx(-9) and t_end[7, 0] == 9 * NS  # known, though the rows end before t + 4 s
    assert np.isnan(y[8:, 0]).all()  # nothing was touched, and the rows do not reach t + 4 s


@pytest.mark.parametrize(("scale", "lasts_s"), [(1.0, 1), (2.0, 4)])
def test_barriers_are_as_far_as_the_past_moved(scale: float, lasts_s: int) -> None:
    """3.5 bps are more than 2·√(5/6) of a market that moved by 1 bp a second, and less where it moved by 2."""
    past = [scale * (-1) ** i for i in range(8)]
    price = 100 * np.exp(1e-4 * np.cumsum([0.0, *past, 0.0, 3.5, 0.0, 0.0, 0.0, 0.0]))
    rows = rows_at([NS * (i + 1) for i in range(len(price))], price.tolist())
    y, t_end = TripleBarrier(horizons=("4s",), up=1.0, down=1.0, lookback="6s").label(rows)
    assert y[9, 0] == pytest.approx(3.5)
    assert t_end[9, 0] - rows["row_ns"][9] == lasts_s * NS


def test_names_and_horizons() -> None:
    label = TripleBarrier(horizons=("100ms", "5s"), price=Price.microprice, lookback="30s")
    assert [c.name for c in label.columns()] == ["y_100ms", "y_5s"]
    assert label.horizons_ns == (NS // 10, 5 * NS)
    assert (label.max_horizon_ns, label.lookback_ns) == (5 * NS, 30 * NS)
    assert label.columns()[0].inputs == ("row_ns", "microprice")
    y, t_end = label.label(rows_at([], []))
    assert y.shape == t_end.shape == (0, 2)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"horizons": ()}, "horizons: at least one"),
        ({"horizons": ("60s", "1m")}, "horizons: 1m is given twice"),
        ({"up": -1.0}, "up: -1.0 is not a distance"),
        ({"down": math.nan}, "down: nan is not a distance"),
        ({"up": math.inf}, "up: inf is not a distance"),
        ({"lookback": "soon"}, "lookback: 'soon' is not a duration"),
        ({"max_age": "0s"}, "max_age: '0s' is not a duration"),
    ],
)
def test_bad_settings_are_refused(settings_: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TripleBarrier(**settings_)  # type: ignore[arg-type]
