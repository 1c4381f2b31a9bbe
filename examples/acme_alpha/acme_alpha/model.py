"""The model: each horizon's return is a slope times one column."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from btcframe.errors import ModelError, did_you_mean


@dataclass(frozen=True)
class Line:
    """The fitted thing: what `fit` returns and `load` restores."""

    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]
    column: int
    slopes: tuple[float, ...]

    def predict(self, x, regime, out):
        """One multiplication per row and horizon; NaN in, NaN out."""
        out["mean"] = x[:, [self.column]] * np.array(self.slopes)
        for field in ("p_up", "low", "high"):
            out[field] = np.nan

    def save(self, directory):
        """JSON keeps float64 exactly."""
        (Path(directory) / "line.json").write_text(json.dumps(asdict(self)))


@dataclass(frozen=True)
class OneColumn:
    """Least squares through the origin on one feature column.

    slope_h = Σ w x y_h / Σ w x², over the training rows where both are known.

    Parameters
    ----------
    column : str    which column of X; the first where empty
    """

    column: str = ""

    def fit(self, data):
        """Fit each horizon."""
        name = self.column or data.columns[0]
        if name not in data.columns:
            raise ModelError(f"one_column.column: there is no {name}", hint=did_you_mean(name, data.columns))
        i = data.columns.index(name)
        slopes = []
        for y in data.y.T:
            known = np.isfinite(data.x[:, i]) & np.isfinite(y)
            x, w = data.x[known, i], data.weight[known]
            if not (w * x * x).sum() > 0:
                raise ModelError(f"one_column: {name} is empty or zero in the training window")
            slopes.append(float((w * x * y[known]).sum() / (w * x * x).sum()))
        return Line(data.columns, data.horizons_ns, i, tuple(slopes))

    def load(self, directory):
        """What `Line.save` wrote."""
        saved = json.loads((Path(directory) / "line.json").read_text())
        return Line(**{k: tuple(v) if isinstance(v, list) else v for k, v in saved.items()})
