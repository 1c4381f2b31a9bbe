"""Which models predict noise, for plumbing: they are labelled wherever they speak, and never trade real money."""

from __future__ import annotations

import dataclasses
from typing import Any

from btcframe.errors import ModelError

MOCK = "mock: "
"""Stands before the reason of every intent that rests on a mock."""


def is_mock(component: Any) -> bool:
    """Whether a model, or one that it is made of, says of itself ``mock = True``."""
    if getattr(component, "mock", False) is True:
        return True
    if not dataclasses.is_dataclass(component):
        return False
    return any(is_mock(getattr(component, field.name)) for field in dataclasses.fields(component))


def refuse_mock(venue: Any, mock: bool, where: str) -> None:
    """Refuse a mock at a venue of real money: one that says of itself ``real = True``.

    Raises
    ------
    ModelError
    """
    if mock and getattr(venue, "real", False):
        raise ModelError(
            f"{type(venue).__name__} trades real money, and the model predicts noise: it is a mock, made to try the plumbing",
            where=where,
            hint="A mock may predict on paper: venue=sim.",
            next="Train a model, and promote it: btcframe train promote.to=production …",
        )
