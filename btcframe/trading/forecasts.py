"""The prediction on every closed row, by the model whose turn it is."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from btcframe.models.artefacts import FittedModel, Scorer
from btcframe.types import PREDICTION, Floats, Ints, StateArray


class Promotion(NamedTuple):
    """A model takes over at the first row with `row_ns` or later."""

    row_ns: int
    model: FittedModel | None  # None: from here on there is no prediction
    name: str = ""  # where its artefact lies, for the session log
    fitted_ns: int = 0  # end of the data it was fitted on, 0 where that is not known
    why: str = ""  # why it takes over in the middle of a session; "" where a schedule says so

    @property
    def mock(self) -> bool:
        """Whether the model predicts noise."""
        return self.model is not None and self.model.mock

    @property
    def number(self) -> int:
        """PREDICTION.model from here on."""
        return -1 if self.model is None else self.model.index

    def record(self, row_ns: int, now_ns: int) -> tuple[Any, ...]:
        """PROMOTION, its fields in order."""
        digest, build = ("", "") if self.model is None else (self.model.digest, self.model.build)
        return row_ns, now_ns, self.number, 0, digest.encode(), build.encode(), self.name.encode()[-256:]

    def told(self, row_ns: int) -> dict[str, Any]:
        """What the log and the observers are told of it: PROMOTE's data, but for `fitted_ns`."""
        told: dict[str, Any] = {"row_ns": row_ns, "index": self.number, "model": self.name}
        if self.why:
            told["why"] = self.why
        return told | ({"mock": True} if self.mock else {})


class Forecasts:
    """A schedule of models, and what the present one says of the last row.

    Parameters
    ----------
    columns, regime_columns : tuple of str    what the pipeline makes
    schedule : iterable of Promotion          by time
    horizons_ns : tuple of int                of the predictions before the first promotion

    Attributes
    ----------
    prediction : PREDICTION[h]    on the last row; NaN means where there is no model
    regime : float64[r]           its regime probabilities
    regimes : tuple of str        their names
    model : int                   PREDICTION.model, −1 without
    fitted_ns : int               Promotion.fitted_ns of the model
    """

    def __init__(
        self,
        columns: tuple[str, ...],
        regime_columns: tuple[str, ...],
        schedule: Iterable[Promotion],
        horizons_ns: tuple[int, ...],
    ) -> None:
        self._columns, self._regime_columns = columns, regime_columns
        self._schedule = sorted(schedule, key=lambda p: p.row_ns)
        self._horizons_ns = horizons_ns
        self._take_over(None)
        self.fitted_ns = 0
        self.prediction: StateArray = np.frombuffer(self._blank, PREDICTION)
        self.regime: Floats = self._no_regime[0]

    def promote(self, promotion: Promotion) -> None:
        """Let a model take over, after those whose turn it is at the same row."""
        insort(self._schedule, promotion, key=lambda p: p.row_ns)

    def due(self, row_ns: int) -> Promotion | None:
        """Let the model take over whose turn it is at this row, and tell which; None where that stays.

        Raises
        ------
        ModelError
            If it was fitted on other columns than the pipeline makes.
        """
        due = None
        while self._schedule and self._schedule[0].row_ns <= row_ns:
            due = self._schedule.pop(0)
        if due is not None:
            if due.model is not None:
                due.model.check_columns(self._columns, self._regime_columns)
            self._take_over(due.model)
            self.fitted_ns = due.fitted_ns
        return due

    def _take_over(self, model: FittedModel | None) -> None:
        self._scorer: Scorer | None = None
        self.model = -1
        self.regimes: tuple[str, ...] = ()
        if model is not None:
            self._scorer, self.model, self.regimes = model.scorer(), model.index, model.regimes
            self._horizons_ns = model.horizons_ns
        self._no_regime = np.full((1, len(self.regimes)), np.nan)
        self._blank = _blank(self._horizons_ns, self.model)

    def update(self, x: Floats, descriptors: Floats, row_ns: Ints) -> bool:
        """Predict on one row, x float64[1, k], descriptors float64[1, d], row_ns int64[1].

        Returns whether there is a model. What a model or a labeler raises goes through, and leaves no prediction.
        """
        prediction, regime = np.frombuffer(bytearray(self._blank), PREDICTION), self._no_regime.copy()
        self.prediction, self.regime = prediction, regime[0]
        if self._scorer is None:
            prediction["row_ns"] = row_ns
            return False
        try:
            self._scorer.update(x, descriptors, row_ns, regime, prediction[None])
        except BaseException:  # what it had written until then means nothing
            self.prediction, self.regime = np.frombuffer(self._blank, PREDICTION), self._no_regime[0]
            raise
        for told in (prediction, self.regime):
            told.setflags(write=False)  # who decides and who checks it see the same
        return True


def _blank(horizons_ns: tuple[int, ...], model: int) -> bytes:
    """PREDICTION[h] that predicts nothing, as bytes."""
    blank = np.zeros(len(horizons_ns), PREDICTION)
    blank["horizon_ns"] = horizons_ns
    blank["model"] = model
    for name in ("mean", "p_up", "low", "high"):
        blank[name] = np.nan
    return blank.tobytes()
