"""What predictions are worth: against scikit-learn, SciPy and plain loops, and in a market that holds nothing."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from btcframe.report.metrics import Estimate, evaluate
from btcframe.report.scores import Told, scores
from btcframe.report.worth import MOST_DAYS, Worth, round_trip_bps, worth_of
from btcframe.types import DAY, NS, PREDICTION, Floats, Ints, StateArray

H = 5 * NS
NIGHT = 19_700 * DAY - 900 * NS  # a quarter of an hour before midnight


class Sample(NamedTuple):
    """Arguments of `worth_of` for one horizon."""

    predictions: StateArray
    persistence: list[Floats]
    y: Floats
    t_end: Ints
    row_ns: Ints
    age_ns: Ints | None
    regime: Floats
    regimes: tuple[str, ...]


def sample(n: int = 3000, *, seed: int = 0, signal: float = 0.4, step: int = NS) -> Sample:
    """Predictions that know `signal` of the next five rows' return, with probabilities, intervals, holes and ties."""
    rng = np.random.default_rng(seed)
    row_ns = NIGHT + step * np.arange(n)
    y = np.convolve(rng.standard_normal(n + 4), np.ones(5), "valid")
    mean = signal * y + rng.standard_normal(n)
    y[7::50] = 0.0
    y[-5:] = np.nan
    mean[::40] = np.nan
    predictions = np.zeros((n, 1), PREDICTION)
    said = predictions[:, 0]
    said["row_ns"], said["horizon_ns"], said["mean"] = row_ns, H, mean
    said["p_up"] = 1 / (1 + np.exp(-mean))
    said["low"], said["high"] = mean - 1.5, mean + 2.5
    said["p_up"][11::60] = said["low"][12::60] = np.nan
    q = rng.standard_normal(n)
    q[13::70] = np.nan
    regime = np.zeros((n, 2))
    regime[:, 0] = np.where(np.arange(n) // 100 % 3 == 0, 0.8, 0.3)
    regime[:, 1] = 1 - regime[:, 0]
    regime[:20] = np.nan
    return Sample(
        predictions, [q], y[:, None], (row_ns + H)[:, None], row_ns, np.arange(n) % 1000 * step,
        regime, ("calm", "wild"),
    )  # fmt: skip


def worth(given: Sample, **changes: Any) -> Worth:
    settings = {"horizons_ns": [H], "cost_bps": 1.0, "trials": 5, "seed": 3} | changes
    (found,) = worth_of(*given, **settings)
    return found


@pytest.fixture(scope="module")
def given() -> Sample:
    return sample()


@pytest.fixture(scope="module")
def found(given: Sample) -> Worth:
    return worth(given)


def naive(given: Sample, at: np.ndarray, cost: float) -> dict[str, float]:
    """The scores of some rows, by the definitions."""
    metrics = pytest.importorskip("sklearn.metrics")
    stats = pytest.importorskip("scipy.stats")
    said, q, y = given.predictions[:, 0], given.persistence[0], given.y[:, 0]
    at = at & np.isfinite(said["mean"]) & np.isfinite(y)
    p, q, y, said = said["mean"][at], q[at], y[at], said[at]
    both = np.isfinite(q)

    def about_zero(a: Floats, b: Floats) -> float:
        return float(stats.pearsonr(np.concatenate((a, -a)), np.concatenate((b, -b)))[0])

    beyond = np.abs(p) > cost
    net = np.sign(p[beyond]) * y[beyond] - cost
    sure = np.isfinite(said["p_up"]) & (y != 0)
    bounded = np.isfinite(said["low"])
    low, high, of = said["low"][bounded], said["high"][bounded], y[bounded]
    return {
        "ic": about_zero(p, y),
        "rank_ic": float(stats.spearmanr(np.concatenate((p, -p)), np.concatenate((y, -y)))[0]),
        "hit_rate": (np.sign(p) == np.sign(y))[(p != 0) & (y != 0)].mean(),
        "r2": 1 - ((y - p) ** 2).sum() / (y**2).sum(),
        "r2_persistence": 1 - ((y - p)[both] ** 2).sum() / ((y - q)[both] ** 2).sum(),
        "ic_gap": about_zero(p[both], y[both]) - about_zero(q[both], y[both]),
        "log_loss": metrics.log_loss(y[sure] > 0, said["p_up"][sure], labels=[False, True]),
        "beyond": beyond.mean(),
        "paid": (net > 0).mean(),
        "net_bps": net.mean(),
        "inside": ((low <= of) & (of <= high)).mean(),
        "below": (of < low).mean(),
        "above": (of > high).mean(),
    }  # fmt: skip


def check(scores: Any, expected: dict[str, float]) -> None:
    for name, value in expected.items():
        estimate = getattr(scores, name)
        assert estimate.value == pytest.approx(value, rel=1e-9, abs=1e-12), name
        if math.isfinite(estimate.low):
            assert estimate.low <= estimate.value <= estimate.high, name


def test_scores_are_what_libraries_say(given: Sample, found: Worth) -> None:
    check(found.scores, naive(given, np.ones(len(given.row_ns), bool), 1.0))
    for name in ("ic", "r2_persistence", "ic_gap", "log_loss_gain", "paid", "net_bps", "inside"):
        assert math.isfinite(getattr(found.scores, name).low), name


def test_rows_without_a_prediction_are_counted(given: Sample, found: Worth) -> None:
    n = len(given.row_ns)
    mean, y = given.predictions["mean"][:, 0], given.y[:, 0]
    assert (found.rows, found.predicted, found.labelled) == (n, n - n // 40, n - 5)
    assert found.both == np.sum(np.isfinite(mean) & np.isfinite(y)) == found.scores.rows


def test_regimes_have_scores_of_their_own(given: Sample, found: Worth) -> None:
    state = np.where(np.isnan(given.regime[:, 0]), -1, given.regime.argmax(axis=1))
    assert [part.name for part in found.regimes] == ["calm", "wild"]
    for r, part in enumerate(found.regimes):
        check(part.scores, naive(given, state == r, 1.0))


def test_days_end_at_midnight_utc(given: Sample, found: Worth) -> None:
    assert [part.name for part in found.days] == ["2023-12-08", "2023-12-09"]
    midnight = 19_700 * DAY
    for part, of in zip(found.days, (given.row_ns < midnight, given.row_ns >= midnight), strict=True):
        check(part.scores, naive(given, of, 1.0))


def test_many_days_are_put_together() -> None:
    found = worth(sample(800, step=3600 * NS))  # on 35 days
    assert len(found.days) == 18 <= MOST_DAYS
    assert found.days[0].name == "2023-12-08 to 2023-12-09"
    assert found.days[1].name.startswith("2023-12-10")
    assert sum(part.scores.rows for part in found.days) == found.both


def test_what_a_probability_has_to_beat_is_what_was_known(given: Sample, found: Worth) -> None:
    """Row by row: the share of rises among labels that had ended."""
    y, said = given.y[:, 0], given.predictions[:, 0]
    losses = []
    for i, now in enumerate(given.row_ns):
        if y[i] == 0 or np.isnan(y[i]) or np.isnan(said["mean"][i]) or np.isnan(said["p_up"][i]):
            continue
        told = y[given.t_end[:, 0] <= now]
        told = told[np.isfinite(told) & (told != 0)]
        rises = (0.5 + (told > 0).sum()) / (1 + len(told))
        losses.append(-math.log(rises if y[i] > 0 else 1 - rises))
    assert found.scores.log_loss_base.value == pytest.approx(np.mean(losses))
    gain = found.scores.log_loss_base.value - found.scores.log_loss.value
    assert found.scores.log_loss_gain.value == pytest.approx(gain)


def test_reliability_is_how_often_it_rose(given: Sample, found: Worth) -> None:
    p, y = given.predictions["p_up"][:, 0], given.y[:, 0]
    used = np.isfinite(p) & np.isfinite(y) & (y != 0)
    edges = np.quantile(p[np.isfinite(p)], np.arange(1, 10) / 10)
    which = np.digitize(p, edges)
    assert sum(b.rows for b in found.reliability) == used.sum()
    for k, b in enumerate(found.reliability):
        mine = used & (which == k)
        assert (b.rows, b.p, b.rose.value) == pytest.approx(
            (mine.sum(), p[mine].mean(), (y[mine] > 0).mean())
        )
    error = sum(b.rows * abs(b.p - b.rose.value) for b in found.reliability) / used.sum()
    assert found.calibration_error == pytest.approx(error)


def test_persistence_is_judged_on_the_same_terms(given: Sample, found: Worth) -> None:
    assert found.persistence == evaluate(given.persistence[0], given.y[:, 0], given.row_ns, H, seed=3)
    assert found.persistence is not None and found.persistence.rows > 0


def test_decay_with_age() -> None:
    """Predictions that get worse with age are seen to, with intervals, though one age is spread over all folds."""
    given = sample(8000, signal=0.0)
    young = given.age_ns[:, None] < 400 * NS
    given.predictions["mean"] += np.where(young, 0.8, 0.1) * np.nan_to_num(given.y)
    ages = worth(given).ages
    assert sum(a.rows for a in ages) == worth(given).both
    assert [a.since_ns / NS for a in ages] == pytest.approx([0, 200, 400, 600, 800], abs=1)
    assert all(a.since_ns <= a.mean_ns <= a.until_ns for a in ages)
    assert all(a.ic.low <= a.ic.value <= a.ic.high for a in ages)
    assert ages[1].ic.low > ages[2].ic.high
    mine = (given.age_ns >= ages[1].since_ns) & (given.age_ns <= ages[1].until_ns)
    assert ages[1].ic.value == pytest.approx(naive(given, mine, 1.0)["ic"])


def test_intervals_hold_what_the_truth_is() -> None:
    """Of 40 markets without any signal, a 95 % interval excludes what is true in about two, of each estimate."""
    truths = {"ic": 0.0, "rank_ic": 0.0, "hit_rate": 0.5, "ic_gap": 0.0, "net_bps": -1.0}
    missed = dict.fromkeys(truths, 0)
    for seed in range(40):
        given = sample(1500, seed=seed, signal=0.0)
        said, y = given.predictions[:, 0], given.y[:, 0]
        told = Told(H, given.row_ns, said, given.persistence[0], np.full(len(y), 0.5), y)
        found = scores(told, cost_bps=1.0, seed=seed)
        for name, truth in truths.items():
            e = getattr(found, name)
            missed[name] += not e.low <= truth <= e.high
    assert all(n <= 7 for n in missed.values()), missed


def test_nothing_told_is_not_known(given: Sample) -> None:
    said = given.predictions.copy()
    for field in ("p_up", "low", "high"):
        said[field] = np.nan
    found = worth(given._replace(predictions=said, persistence=[], age_ns=None, regime=np.empty((len(said), 0)), regimes=()))  # fmt: skip
    assert found.persistence is None and not (found.ages or found.regimes or found.reliability)
    for name in ("r2_persistence", "ic_gap", "log_loss", "log_loss_base", "inside", "above"):
        assert all(math.isnan(v) for v in getattr(found.scores, name)), name
    assert math.isnan(found.calibration_error)
    assert math.isfinite(found.scores.ic.low)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_next_to_no_rows(n: int) -> None:
    given = sample(100)
    few = Sample(
        given.predictions[:n], [given.persistence[0][:n]], given.y[:n], given.t_end[:n], given.row_ns[:n],
        given.age_ns[:n], given.regime[:n], given.regimes,
    )  # fmt: skip
    found = worth(few)
    assert found.both == max(n - 1, 0)  # the first has no prediction
    assert math.isnan(found.scores.ic.low) and math.isnan(found.sharpe.sharpe)
    json.dumps(found.plain(), allow_nan=False)


def test_no_prediction_at_all(given: Sample) -> None:
    said = given.predictions.copy()
    said["mean"] = np.nan
    found = worth(given._replace(predictions=said))
    assert (found.predicted, found.both, found.scores.rows, found.sharpe.decisions) == (0, 0, 0, 0)
    assert found.scores.ic == found.scores.paid == pytest.approx(Estimate(math.nan), nan_ok=True)
    assert found.turnover.held == 0


def test_few_positions_have_no_interval(given: Sample) -> None:
    """A cost that a dozen predictions exceed: their mean stands without one."""
    mean = given.predictions["mean"][:, 0]
    cost = float(np.sort(np.abs(mean[np.isfinite(mean)]))[-13])
    e = worth(given, cost_bps=cost).scores
    assert math.isfinite(e.paid.value) and math.isnan(e.paid.low) and math.isfinite(e.beyond.low)


def test_plain_values_survive_a_manifest(given: Sample, found: Worth) -> None:
    told = json.loads(json.dumps(found.plain(), allow_nan=False))
    assert told["scores"]["ic"] == found.scores.ic._asdict()
    assert told["regimes"][0]["name"] == "calm"
    assert told["persistence"]["rank_ic"]["value"] == found.persistence.rank_ic.value  # type: ignore[union-attr]
    assert told["sharpe"]["trials"] == 5
    assert worth(given._replace(persistence=[])).plain()["scores"]["ic_gap"]["value"] is None


def test_the_same_twice_and_in_pieces(given: Sample, found: Worth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btcframe.scratch.PIECE", 700)
    assert json.dumps(worth(given).plain()) == json.dumps(found.plain())


def test_bad_arguments_are_refused(given: Sample) -> None:
    with pytest.raises(ValueError, match="cost_bps: nan is not a cost"):
        worth(given, cost_bps=math.nan)
    with pytest.raises(ValueError, match="trials: 0; at least this setting was tried"):
        worth(given, trials=0)


def test_a_round_trip_costs_the_takers_fee_twice() -> None:
    assert round_trip_bps({"plugin": "sim", "taker_fee_bps": 5.5}) == 11.0
    assert round_trip_bps({"plugin": "other"}) == 0.0
