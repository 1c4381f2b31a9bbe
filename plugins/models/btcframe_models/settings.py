"""What the settings of a model may be."""

from __future__ import annotations


def check_whole(model: object, **limits: tuple[int, int | None]) -> None:
    """Raise ValueError where a setting, a whole number, is below its least or above its greatest (None: there is none)."""
    for name, (low, high) in limits.items():
        value = getattr(model, name)
        if value < low or (high is not None and value > high):
            limit = f"lies between {low} and {high:,}" if high is not None else f"is at least {low}"
            raise ValueError(f"{name}: {value:,} is out of range: it {limit}")


def check_between(model: object, **limits: tuple[float, float]) -> None:
    """Raise ValueError where a setting is not between its bounds; these are allowed."""
    for name, (low, high) in limits.items():
        if not low <= (value := getattr(model, name)) <= high:
            raise ValueError(f"{name}: {value} is not between {low:g} and {high:g}")


def check_leaves(learning_rate: float, l2: float, coverage: float) -> None:
    """Raise ValueError unless a boosted tree's leaves can be valued, and an interval covered, by these."""
    if not 0 < learning_rate <= 1:
        raise ValueError(f"learning_rate: {learning_rate} is not above 0, up to 1")
    if not 0 <= l2 < float("inf"):
        raise ValueError(f"l2: {l2} is not 0 or greater")
    if not 0 < coverage < 1:
        raise ValueError(f"coverage: {coverage} is not between 0 and 1")
