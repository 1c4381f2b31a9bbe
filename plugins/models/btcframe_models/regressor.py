"""scikit-learn's gradient boosting, but for what it spends on weighted bins."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import HistGradientBoostingRegressor


class Regressor(HistGradientBoostingRegressor):  # type: ignore[misc]
    """Bins of equal numbers of rows, whatever the rows weigh.

    Where the thresholds between 63 bins lie exactly makes no difference that can be measured; finding them by weight
    takes longer than forty trees. The weights count in everything else.
    """

    def _bin_data(self, x: Any, sample_weight: Any, is_training_data: bool) -> Any:
        return super()._bin_data(x, None, is_training_data)
