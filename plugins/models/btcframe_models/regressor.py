"""scikit-learn's gradient boosting with bins that are made beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper

from btcframe.types import Floats


def bins_of(x: Floats, most: int, seed: int) -> Any:
    """Bins of equal numbers of rows, whatever the rows weigh; a column without any value is constant.

    Where the thresholds between 63 bins lie exactly makes no difference that can be measured, and finding them takes
    as long as forty trees, by weight much longer: so all horizons share them. Of a column without any value
    scikit-learn cannot make bins at all.
    """
    never = np.isnan(x).all(axis=0)
    # one more bin, for what is missing
    mapper = _BinMapper(n_bins=most + 1, random_state=seed, n_threads=1)
    return mapper.fit(np.where(never, 0.0, x) if never.any() else x)


class Regressor(HistGradientBoostingRegressor):  # type: ignore[misc]
    """scikit-learn's, on bins that were made beforehand: `bins`.

    Making them, scikit-learn sets the process's filters for warnings, which several threads may not do at a time.
    """

    bins: Any = None

    def _bin_data(self, x: Any, sample_weight: Any, is_training_data: bool) -> Any:
        self._bin_mapper = self.bins
        binned = self.bins.transform(x)
        return binned if is_training_data else np.ascontiguousarray(binned)
