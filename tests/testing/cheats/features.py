"""Features that break the contract, each in one way, beside an honest one."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from btcframe.api import Column

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
