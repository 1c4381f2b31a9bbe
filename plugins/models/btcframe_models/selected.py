"""A model on some of the columns, chosen inside the training window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from btcframe.api import Model, TrainingSet
from btcframe_models.ridge import Ridge
from btcframe_models.settings import check_between, check_whole

if TYPE_CHECKING:
    from btcframe_models.selection import SelectedPredictor

WAYS = ("clusters", "importance")


@dataclass(frozen=True)
class Selected:
    """Another model, fitted on the columns that are worth it.

    Columns that never vary are left out first. Then, as `by` says:

    - clusters: columns that say the same are put together, so that every two in a cluster have a rank correlation of at
      least `alike`, up to the sign (complete linkage). One stands for all: that which is most like the others.
    - importance: the model is fitted on what is left, before each part of the training window that the
      validation sets aside inside it, and predicts up to `rows` rows of that part, then again with one column after the
      other shuffled. By how much the squared error grows, as a share of the label's mean square, is what the column
      is worth: a mean over parts and horizons. The `keep` most worth it are kept.

    All of it sees the training window only, so it is done anew in each fold. The predictor takes all columns and
    looks at the chosen ones: a missing value elsewhere is none. `predictor.selection` says what was chosen and what each
    column was worth. Importance costs one more fit for each inside part (three).

    Parameters
    ----------
    inner : Model or None    what is fitted on them; ridge without
    by : tuple of str        of clusters, importance
    alike : float            rank correlation from which two columns say the same, above 0, up to 1
    keep : int               columns kept by importance, at most
    rows : int               of each part that are predicted, evenly spaced; at least 100

    References
    ----------
    Breiman, Random forests, Machine Learning 45, 2001 (importance by permutation).
    """

    inner: Model | None = None
    by: tuple[str, ...] = WAYS
    alike: float = 0.9
    keep: int = 40
    rows: int = 4000

    def __post_init__(self) -> None:
        for way in self.by:
            if way not in WAYS:
                raise ValueError(f"by: there is no {way!r}: choose of {', '.join(WAYS)}")
        if not self.by:
            raise ValueError(f"by: at least one is needed, of {', '.join(WAYS)}")
        check_between(self, alike=(0, 1))
        check_whole(self, keep=(1, None), rows=(100, None))

    def fit(self, data: TrainingSet) -> SelectedPredictor:
        """Choose the columns, and fit the model on them.

        Raises
        ------
        ModelError
            If no column varies, the window cannot be split or is too short to learn from before a part of it, or the
            model cannot be fitted.
        """
        from btcframe_models.selection import fit_selected

        return fit_selected(
            self._model(), data, alike=self.alike if "clusters" in self.by else None,
            keep=self.keep if "importance" in self.by else None, rows=self.rows,
        )  # fmt: skip

    def load(self, directory: Path) -> SelectedPredictor:
        """Read what `SelectedPredictor.save` wrote."""
        from btcframe_models.selection import load_selected

        return load_selected(directory, self._model())

    def _model(self) -> Model:
        return self.inner or Ridge()
