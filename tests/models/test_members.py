"""What models are made of, as their predictors tell it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from models.small_models import Catalog, Sum, artefact

from btcframe.errors import ModelError
from btcframe.models.members import Inside, inside


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


@dataclass(frozen=True)
class Some(Sum):
    """A sum that chose its columns."""

    @property
    def selection(self) -> Any:
        return SimpleNamespace(chosen=("a", "b"), importance={"a": 0.5, "c": 0.1})


class WithSelection(Catalog):
    """Loads what has chosen."""

    def load(self, directory: Path) -> Any:
        found = super().load(directory)
        return Some(*vars(found).values()) if isinstance(found, Sum) else found


def test_members_are_told_fold_by_fold(tmp_path: Path) -> None:
    folds = [artefact(tmp_path / f"fold-{k}", offset=k) for k in (1, 2)]
    told = Inside({"left": [0.5, 0.25], "right": [0.0, 1.0]}, {})
    assert inside(folds, WithMembers()) == [told, told]


def test_chosen_columns_are_told_with_their_importance(tmp_path: Path) -> None:
    folds = [artefact(tmp_path / "fold-1")]
    assert inside(folds, WithSelection()) == [Inside({}, {"a": 0.5, "b": None})]


def test_a_model_with_nothing_to_tell_has_none(tmp_path: Path) -> None:
    assert inside([artefact(tmp_path / "fold-1")], Catalog()) == []
    assert inside([], Catalog()) == []


def test_a_model_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model in .*fold-9"):
        inside([tmp_path / "fold-9"], Catalog())
