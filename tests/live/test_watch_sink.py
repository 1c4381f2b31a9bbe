"""What the slow lane brings to who watches the model: in order, all of it, and nothing that he raises holds up the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from btcframe.live.pace import Bounds, Pace
from btcframe.live.sinks import WatchSink
from btcframe.live.slow_lane import SlowLane
from btcframe.models.drift import Health, ModelWatch
from btcframe.models.production import Candidate
from btcframe.types import NS, PREDICTION, ROW

HORIZONS = (5 * NS,)


class Model:
    horizons_ns = HORIZONS


MODEL = Candidate(Model(), "models/x")  # type: ignore[arg-type]


class Watch(ModelWatch):
    """Remembers what it was told; breaks when it is to."""

    def __init__(self, label: Any = None) -> None:
        super().__init__(label, NS, ("a",))
        self.told: list[Any] = []

    def promoted(self, profile: Any, horizons_ns: tuple[int, ...]) -> None:
        self.told.append(horizons_ns)
        super().promoted(profile, horizons_ns)

    def scored(self, row: bytes, x: Any, prediction: Any) -> None:
        self.told.append(float(x[0]))
        super().scored(row, x, prediction)


class Label:
    """A label of somebody else's."""

    max_horizon_ns, lookback_ns = 5 * NS, 0

    def label(self, rows: Any) -> Any:
        raise KeyError("oh")


def lane(watch: ModelWatch, told: list[Any]) -> SlowLane:
    sink = WatchSink(watch, lambda kind, **data: told.append((kind, data)))
    return SlowLane([[sink]], Pace(Bounds(1, 1, 1, 4)), 10**6)


def score(slow: SlowLane, n: int) -> None:
    rows, prediction = np.zeros(n, ROW), np.zeros(1, PREDICTION)
    rows["row_ns"] = NS * np.arange(1, n + 1)
    for t in range(n):
        slow.scored(rows[t : t + 1].tobytes(), np.array([float(t)]), prediction)


def test_models_and_rows_come_in_order_and_are_counted_until_they_are_seen() -> None:
    watch = Watch()
    slow = lane(watch, [])
    score(slow, 2)
    slow.model(MODEL)
    score(slow, 3)
    slow.model(None)
    score(slow, 1)
    assert slow.held > 6 * ROW.itemsize
    slow.close()
    assert watch.told == [0.0, 1.0, HORIZONS, 0.0, 1.0, 2.0, (), 0.0]
    assert slow.held == 0 and watch.health == Health()


def test_a_label_that_raises_ends_the_watch_and_nothing_else() -> None:
    watch, told = Watch(Label()), []
    slow = lane(watch, told)
    slow.model(MODEL)
    score(slow, 20)
    slow.close()
    assert told == [("model_unwatched", {"why": "KeyError: 'oh'"})]
    assert watch.health == Health(note="it is not watched: KeyError: 'oh'")
    assert slow.error == "" and slow.held == 0
