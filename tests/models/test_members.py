"""The weights of a model's members, as its predictor tells them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.small_models import Catalog, Sum, artefact

from btcframe.errors import ModelError
from btcframe.models.members import weights_of


@dataclass(frozen=True)
class Two(Sum):
    """A sum with members."""

    @property
    def weights(self) -> dict[str, np.ndarray]:
        return {"left": np.array([0.5, 0.25]), "right": np.array([0.0, 1.0])}


class WithMembers(Catalog):
    """Loads what has them."""

    def load(self, directory: Path) -> Any:
        found = super().load(directory)
        return Two(*vars(found).values()) if isinstance(found, Sum) else found


def test_members_are_told_fold_by_fold(tmp_path: Path) -> None:
    folds = [artefact(tmp_path / f"fold-{k}", offset=k) for k in (1, 2)]
    told = {"left": [0.5, 0.25], "right": [0.0, 1.0]}
    assert weights_of(folds, WithMembers()) == [told, told]


def test_a_model_without_members_has_none(tmp_path: Path) -> None:
    assert weights_of([artefact(tmp_path / "fold-1")], Catalog()) == []
    assert weights_of([], Catalog()) == []


def test_a_model_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model in .*fold-9"):
        weights_of([tmp_path / "fold-9"], Catalog())
