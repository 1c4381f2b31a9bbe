"""scikit-learn's gradient boosting, but for what it spends on weighted bins, and for columns that are never there."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor


class Regressor(HistGradientBoostingRegressor):  # type: ignore[misc]
    """Bins of equal numbers of rows, whatever the rows weigh; a column without any value is constant.

    Where the thresholds between 63 bins lie exactly makes no difference that can be measured; finding them by weight
    takes longer than forty trees. The weights count in everything else. Of a column without any value scikit-learn
    cannot make bins at all.
    """

    def _bin_data(self, x: Any, sample_weight: Any, is_training_data: bool) -> Any:
        if is_training_data and (never := np.isnan(x).all(axis=0)).any():
            x = np.where(never, 0.0, x)
        return super()._bin_data(x, None, is_training_data)
