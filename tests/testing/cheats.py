"""Components that break the contract, each in one way, beside honest ones of the same kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

from btcframe.api import Action, Column, Intent, Veto, Wakes
from btcframe.clocks.time import TimeClock
from btcframe.hookspecs import hookimpl
from btcframe.testing import markets
from btcframe.types import NS
from btcframe.venues.sim import Sim

# --------------------------------------------------------------------------------------------------- features

CHANGE = Column("change", "quote", warmup=1, inputs=("mid",), formula="m_t − m_{t−1}", family="cheats")


@dataclass(frozen=True)
class Honest:
    """Change of the mid since the last row, quote."""

    def columns(self):
        return (CHANGE,)

    def state(self, instrument):
        state = np.zeros(1, [("mid", "f8")])
        state["mid"] = np.nan
        return state

    def update(self, rows, state, out):
        mid = np.concatenate([state["mid"], rows["mid"]])
        out[:, 0] = mid[1:] - mid[:-1]
        state["mid"] = mid[-1]


@dataclass(frozen=True)
class LooksAhead(Honest):
    """Change of the mid until the next row."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        out[:-1, 0] = out[1:, 0]


@dataclass(frozen=True)
class BatchMean(Honest):
    """Change of the mid, less its mean over the rows at hand."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        if len(out) > 1:
            out[:, 0] -= np.nanmean(np.append(out[:, 0], 0.0))


REMEMBERED = {"mid": np.nan}


@dataclass(frozen=True)
class GlobalMemory(Honest):
    """Change of the mid; the last one stands in a global."""

    def update(self, rows, state, out):
        if len(rows):
            mid = np.concatenate([[REMEMBERED["mid"]], rows["mid"]])
            out[:, 0] = mid[1:] - mid[:-1]
            REMEMBERED["mid"] = mid[-1]


@dataclass(frozen=True)
class InstanceMemory(Honest):
    """Change of the mid; the last one stands in an attribute, cleared with each new state."""

    def state(self, instrument):
        object.__setattr__(self, "mid", np.nan)
        return super().state(instrument)

    def update(self, rows, state, out):
        if len(rows):
            mid = np.concatenate([[self.mid], rows["mid"]])
            out[:, 0] = mid[1:] - mid[:-1]
            object.__setattr__(self, "mid", mid[-1])


@dataclass(frozen=True)
class ChunkSize(Honest):
    """Change of the mid within the rows at hand."""

    def update(self, rows, state, out):
        out[1:, 0] = rows["mid"][1:] - rows["mid"][:-1]


@dataclass(frozen=True)
class Noisy(Honest):
    """Change of the mid and a little noise."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        out[:, 0] += np.random.standard_normal(len(out)) * 1e-3  # noqa: NPY002


@dataclass(frozen=True)
class ZeroForNaN(Honest):
    """Change of the mid, 0 where there is none."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        out[:] = np.nan_to_num(out)


@dataclass(frozen=True)
class ChangesInput(Honest):
    """Change of the mid, with missing mids filled in the rows."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        rows["mid"] = np.nan_to_num(rows["mid"])


@dataclass(frozen=True)
class FewerColumns(Honest):
    """Declares two columns and writes one."""

    def columns(self):
        return (CHANGE, CHANGE._replace(name="change_of_change", warmup=2))


@dataclass(frozen=True)
class MoreColumns(Honest):
    """Declares one column and writes two."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        out[:, 1] = 1.0


@numba.njit
def beyond(out):
    for t in range(len(out)):
        out[t, 1] = 1.0


@dataclass(frozen=True)
class BeyondTheRow(Honest):
    """Declares one column and writes two, in a kernel that checks no bounds."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        beyond(out)
        super().update(rows, self.state(None), out)


@dataclass(frozen=True)
class OutOfRange(Honest):
    """Declares a change between −1 and 1."""

    def columns(self):
        return (CHANGE._replace(low=-1.0, high=1.0),)


@dataclass(frozen=True)
class NeverForgets(Honest):
    """Sum of all changes, poisoned by the first NaN."""

    def state(self, instrument):
        state = np.zeros(1, [("mid", "f8"), ("sum", "f8")])
        state["mid"] = np.nan
        return state

    def update(self, rows, state, out):
        for t, mid in enumerate(rows["mid"].tolist()):
            if not np.isnan(state["mid"][0]) or state["sum"][0]:
                state["sum"] += mid - state["mid"][0]
                out[t, 0] = state["sum"][0]
            state["mid"] = mid


@dataclass(frozen=True)
class Infinite(Honest):
    """Divides by the volume traded."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        with np.errstate(divide="ignore", invalid="ignore"):
            out[:, 0] = np.abs(out[:, 0] + 1.0) / rows["buy_volume"]


@dataclass(frozen=True)
class LateWarmUp(Honest):
    """Says it is warm after 3 rows."""

    def columns(self):
        return (CHANGE._replace(warmup=3),)


@dataclass(frozen=True)
class NeverWarm(Honest):
    """Says it is warm at once."""

    def columns(self):
        return (CHANGE._replace(warmup=0),)


KEPT = []


@dataclass(frozen=True)
class Grows(Honest):
    """Keeps every row."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        KEPT.append(rows.copy())


@dataclass(frozen=True)
class PlainState(Honest):
    """Memory in a plain array."""

    def state(self, instrument):
        return np.full(3, np.nan)

    def update(self, rows, state, out):
        mid = np.concatenate([state[:1], rows["mid"]])
        out[:, 0] = mid[1:] - mid[:-1]
        state[0] = mid[-1]


@dataclass(frozen=True)
class Undocumented(Honest):
    """Says nothing of its field."""

    window: int = 3


@dataclass(frozen=True)
class Unstable(Honest):
    """Is another one after reading its own config.

    Parameters
    ----------
    window : int      grows by one each time
    """

    window: int = 3

    def __post_init__(self):
        object.__setattr__(self, "window", self.window + 1)


# ---------------------------------------------------------------------------------------------------- regimes


@dataclass(frozen=True)
class HonestLabeler:
    """Up or down against a fitted level."""

    level: float
    labels = ("down", "up")

    def state(self):
        return np.zeros(1, [("none", "u1")])

    def update(self, descriptors, state, out):
        up = np.where(np.isnan(descriptors[:, 0]), np.nan, descriptors[:, 0] > self.level)
        out[:, 0], out[:, 1] = 1 - up, up

    def save(self, directory):
        (directory / "level.json").write_text(json.dumps(self.level))


@dataclass(frozen=True)
class HonestRegime(Honest):
    """Up or down against the median change of the training rows."""

    def columns(self):
        return (CHANGE._replace(name="regime_change"),)

    def fit(self, descriptors, *, seed):
        return HonestLabeler(float(np.nanmedian(descriptors)))

    def load(self, directory):
        return HonestLabeler(json.loads((Path(directory) / "level.json").read_text()))


@dataclass(frozen=True)
class PeekingRegime(HonestRegime):
    """Fitted on all rows it ever saw."""

    def update(self, rows, state, out):
        super().update(rows, state, out)
        object.__setattr__(self, "seen", out.copy())

    def fit(self, descriptors, *, seed):
        return HonestLabeler(float(np.nanmax(getattr(self, "seen", descriptors)) / 2))


@dataclass(frozen=True)
class BatchLabeler(HonestLabeler):
    """How far up against the mean of the rows at hand."""

    def update(self, descriptors, state, out):
        mean = np.nanmean(descriptors) if np.isfinite(descriptors).any() else 0.0
        up = 0.5 + np.arctan(descriptors[:, 0] - mean) / np.pi
        out[:, 0], out[:, 1] = 1 - up, up


@dataclass(frozen=True)
class BatchRegime(HonestRegime):
    """Its labeler looks at the whole batch."""

    def fit(self, descriptors, *, seed):
        return BatchLabeler(0.0)

    def load(self, directory):
        return BatchLabeler(0.0)


@dataclass(frozen=True)
class ForgetfulRegime(HonestRegime):
    """Saves its level with two digits."""

    def load(self, directory):
        return HonestLabeler(super().load(directory).level + 1.0)


# ----------------------------------------------------------------------------------------------------- labels


@dataclass(frozen=True)
class HonestLabel:
    """Change of the mid until the last row within 5 s."""

    beyond = 0  # rows further than it says
    horizons_ns = (5 * NS,)
    max_horizon_ns = 5 * NS
    lookback_ns = 0

    def columns(self):
        return (Column("y_5s", "quote", formula="m_{t+5s} − m_t"),)

    def label(self, rows):
        end = rows["row_ns"] + 5 * NS
        last = np.searchsorted(rows["row_ns"], end, side="right") - 1 + self.beyond
        known = (end <= rows["row_ns"].max(initial=0)) & (last < len(rows))
        y = np.where(known, rows["mid"][np.minimum(last, len(rows) - 1)] - rows["mid"], np.nan)
        return y[:, None], end[:, None]


@dataclass(frozen=True)
class PastEnd(HonestLabel):
    """Reads the row after its end."""

    beyond = 1


@dataclass(frozen=True)
class CountsRows(HonestLabel):
    """Takes five rows for five seconds: where rows are missing, it reads later ones."""

    def label(self, rows):
        y, end = super().label(rows)
        y[:] = np.nan
        y[:-5, 0] = rows["mid"][5:] - rows["mid"][:-5]
        return y, end


@dataclass(frozen=True)
class NextRow(HonestLabel):
    """Takes the price of the first row at or after the end: the next one where rows are missing."""

    def label(self, rows):
        y, end = super().label(rows)
        at = np.searchsorted(rows["row_ns"], end[:, 0])
        there = at < len(rows)
        y[there, 0] = np.log(rows["mid"][at[there]] / rows["mid"][there])
        return y, end


@dataclass(frozen=True)
class TooFar(HonestLabel):
    """Says 5 s and ends after 9."""

    def label(self, rows):
        y, end = super().label(rows)
        return y, end + 4 * NS


@dataclass(frozen=True)
class LongMemory(HonestLabel):
    """Scales by the first mid there is."""

    def label(self, rows):
        y, end = super().label(rows)
        return y / (rows["mid"][0] if len(rows) else 1.0), end


# ----------------------------------------------------------------------------------------------------- models


@dataclass(frozen=True)
class HonestPredictor:
    """A weight per column and horizon."""

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]
    weights: np.ndarray

    def predict(self, x, regime, out):
        if x.shape[1] != len(self.columns):
            raise ValueError(f"{x.shape[1]} columns")
        for t in range(len(x)):
            for h in range(len(self.horizons_ns)):
                out["mean"][t, h] = sum((x[t] * self.weights[h]).tolist())
        for name in ("p_up", "low", "high"):
            out[name] = np.nan

    def save(self, directory):
        what = {"columns": self.columns, "horizons": self.horizons_ns, "weights": self.weights.tolist()}
        (directory / "model.json").write_text(json.dumps(what))


@dataclass(frozen=True)
class HonestModel:
    """Mean of y times the sign of x."""

    predictor = HonestPredictor

    def weights(self, data):
        z, y = np.nan_to_num(np.sign(data.x)), np.nan_to_num(data.y)
        return y.T @ z / max(len(z), 1)

    def fit(self, data):
        return self.predictor(data.columns, data.horizons_ns, self.weights(data))

    def load(self, directory):
        what = json.loads((Path(directory) / "model.json").read_text())
        return self.predictor(tuple(what["columns"]), tuple(what["horizons"]), np.array(what["weights"]))


@dataclass(frozen=True)
class UnseededModel(HonestModel):
    """Starts from random weights."""

    def weights(self, data):
        return super().weights(data) + np.random.random() * 1e-9  # noqa: NPY002


class BatchPredictor(HonestPredictor):
    """Subtracts the mean of what it predicts."""

    def predict(self, x, regime, out):
        super().predict(x, regime, out)
        out["mean"] -= np.nanmean(np.nan_to_num(out["mean"]))


@dataclass(frozen=True)
class BatchModel(HonestModel):
    """Centres its predictions on the batch."""

    predictor = BatchPredictor


@dataclass(frozen=True)
class ForgetfulModel(HonestModel):
    """Saves its weights with five digits."""

    def load(self, directory):
        whole = super().load(directory)
        return self.predictor(whole.columns, whole.horizons_ns, whole.weights.round(5))


@dataclass(frozen=True)
class SortingModel(HonestModel):
    """Sorts the columns it was fitted on."""

    def fit(self, data):
        return self.predictor(tuple(sorted(data.columns)), data.horizons_ns, self.weights(data))


@dataclass(frozen=True)
class MutatingModel(HonestModel):
    """Fills missing values in the training set."""

    def weights(self, data):
        data.x[np.isnan(data.x)] = 0.0
        return super().weights(data)


# ---------------------------------------------------------------------------------------- policies, risk, others


@dataclass(frozen=True)
class HonestPolicy:
    """Buys one lot on a positive prediction."""

    wakes = Wakes()

    def decide(self, market, position) -> Sequence[Intent]:
        if market.usable and market.prediction["mean"][0] > 1.0 and not position.working:
            return (Intent(Action.SUBMIT, 1, 1, int(market.ask_ticks[0])),)
        return ()


@dataclass(frozen=True)
class MutatingPolicy(HonestPolicy):
    """Clears the features it has read."""

    def decide(self, market, position):
        market.x[:] = 0.0
        return super().decide(market, position)


CALLS = []


@dataclass(frozen=True)
class CountingPolicy(HonestPolicy):
    """Trades every second time it is asked."""

    def decide(self, market, position):
        CALLS.append(1)
        return super().decide(market, position) if len(CALLS) % 2 else ()


@dataclass(frozen=True)
class NothingToSend(HonestPolicy):
    """Asks for no lots."""

    def decide(self, market, position):
        return [i._replace(lots=0) for i in super().decide(market, position)]


@dataclass(frozen=True)
class BlindPolicy(HonestPolicy):
    """Buys whatever is known."""

    def decide(self, market, position):
        return (Intent(Action.SUBMIT, 1, 1),)


@dataclass(frozen=True)
class HonestRisk:
    """At most ten lots in an opening order."""

    def check(self, intent, account, market):
        reducing = intent.reduce_only or intent.side * account.position.lots < 0
        if intent.action == Action.CANCEL or reducing or intent.lots <= 10:
            return intent
        return Veto("ten_lots")


@dataclass(frozen=True)
class DoublingRisk(HonestRisk):
    """Doubles small orders."""

    def check(self, intent, account, market):
        answer = super().check(intent, account, market)
        return answer._replace(lots=2 * intent.lots) if isinstance(answer, Intent) and intent.lots else answer


@dataclass(frozen=True)
class LockingRisk(HonestRisk):
    """Vetoes everything."""

    def check(self, intent, account, market):
        return Veto("no")


@dataclass(frozen=True)
class HonestSource:
    """A plain market."""

    instrument = markets.INSTRUMENT

    def open(self, *, seed):
        return Feed(markets.events(2000, seed))

    def fingerprint(self):
        return ""


class Feed:
    instrument = markets.INSTRUMENT

    def __init__(self, events):
        self.events = events

    def __iter__(self):
        from btcframe.api import Batch

        yield Batch(self.events[:700])
        yield Batch(self.events[700:])

    def close(self):
        pass


@dataclass(frozen=True)
class UnseededSource(HonestSource):
    """Another market each time."""

    def open(self, *, seed):
        return Feed(markets.events(2000, np.random.default_rng().integers(1 << 30)))


@dataclass(frozen=True)
class BackwardsSource(HonestSource):
    """Its clock goes back."""

    def open(self, *, seed):
        events = markets.events(2000, seed)
        events["local_ts"][1000:] -= NS
        return Feed(events)


@dataclass(frozen=True)
class EarlyClock(TimeClock):
    """Closes a row before anything told it to.

    Parameters
    ----------
    every : str   length of a row
    """

    def cuts(self, events, start, state, out):
        found, seen = super().cuts(events, start, state, out)
        out["row_ns"][:found] += self.period_ns
        return found, seen


class GenerousGateway:
    """Says it holds more than was filled."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def reconcile(self):
        position = self.inner.reconcile()
        return position._replace(lots=position.lots + 1)


@dataclass(frozen=True)
class GenerousVenue(Sim):
    """Adds a lot to every position.

    Parameters
    ----------
    maker_fee_bps, taker_fee_bps : float    fees
    latency, report_latency : str           durations
    """

    def open(self, instrument, *, seed):
        return GenerousGateway(super().open(instrument, seed=seed))


@hookimpl
def btcframe_components():
    return {
        "features": {
            "honest": Honest, "looks_ahead": LooksAhead, "batch_mean": BatchMean, "global_memory": GlobalMemory,
            "instance_memory": InstanceMemory, "chunk_size": ChunkSize, "noisy": Noisy, "zero_for_nan": ZeroForNaN,
            "changes_input": ChangesInput, "fewer_columns": FewerColumns, "more_columns": MoreColumns,
            "beyond_the_row": BeyondTheRow, "out_of_range": OutOfRange, "never_forgets": NeverForgets,
            "infinite": Infinite, "late_warm_up": LateWarmUp, "never_warm": NeverWarm, "grows": Grows,
            "plain_state": PlainState, "undocumented": Undocumented, "unstable": Unstable,
        },
        "regime": {
            "honest_regime": HonestRegime, "peeking": PeekingRegime, "batch_regime": BatchRegime,
            "forgetful_regime": ForgetfulRegime,
        },
        "label": {"honest_label": HonestLabel, "past_end": PastEnd, "counts_rows": CountsRows, "next_row": NextRow, "too_far": TooFar, "long_memory": LongMemory},
        "model": {
            "honest_model": HonestModel, "unseeded": UnseededModel, "batch_model": BatchModel,
            "forgetful_model": ForgetfulModel, "sorting": SortingModel, "mutating_model": MutatingModel,
        },
        "policy": {
            "honest_policy": HonestPolicy, "mutating": MutatingPolicy, "counting": CountingPolicy,
            "nothing": NothingToSend, "blind": BlindPolicy,
        },
        "risk": {"honest_risk": HonestRisk, "doubling": DoublingRisk, "locking": LockingRisk},
        "source": {"honest_source": HonestSource, "unseeded_source": UnseededSource, "backwards": BackwardsSource},
        "clock": {"early": EarlyClock},
        "venue": {"generous": GenerousVenue},
    }  # fmt: skip
