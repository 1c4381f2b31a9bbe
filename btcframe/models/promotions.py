"""Two files of a registry: which model each alias points to, and how it came to that. Read here, written there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from btcframe.errors import ConfigError, StoreError

PRODUCTION = "production"
"""The alias of the model that sessions trade on."""

ALIASES = "aliases.json"
HISTORY = "promotions.jsonl"

DIGITS = 12
"""Digits of a digest that name a model."""

LEAST = 4
"""Digits of it that a person must give."""


@dataclass(frozen=True)
class Promoted:
    """An alias that was moved, or was to be.

    Parameters
    ----------
    at : str          when, UTC
    alias : str
    model : str       the digits that name it
    before : str      what the alias pointed to; "" where it did not exist
    by : str          who asked for it: a run's id, or a user
    refused : bool    the gate did not let it through: the alias stayed where it was
    forced : bool     it would have been refused
    reason : str      of the refusal, or of the force
    """

    at: str
    alias: str
    model: str
    before: str
    by: str
    refused: bool
    forced: bool
    reason: str


def check_alias(name: str) -> None:
    """Refuse what cannot be told from a model's digits or a path.

    Raises
    ------
    ConfigError
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or re.fullmatch(f"[0-9a-f]{{{LEAST},}}", name):
        raise ConfigError(
            f"{name!r} is no name for an alias",
            hint="It is of small letters, digits, _ and -, begins with a letter, and is no hexadecimal number.",
            next=f"The one that sessions trade on: {PRODUCTION}",
        )


def is_model(name: object) -> bool:
    """Whether these are the digits of a model."""
    return isinstance(name, str) and re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", name) is not None


def read_aliases(registry: Path) -> dict[str, str]:
    """Which model each alias points to.

    Raises
    ------
    StoreError
        If they cannot be read.
    """
    path = registry / ALIASES
    try:
        aliases = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(aliases, dict) or not all(is_model(model) for model in aliases.values()):
        raise _damaged(path, "it does not give a model to each alias")
    return aliases


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(
        f"the registry's {ALIASES} is damaged: {why}",
        where=str(path),
        hint=f"The last lines of {HISTORY} beside it say what each alias pointed to.",
        next="Move it away and promote again: btcframe models promote MODEL --as ALIAS",
    )


def read_history(registry: Path) -> list[Promoted]:
    """All promotions and refusals, the oldest first.

    Raises
    ------
    StoreError
        If they cannot be read.
    """
    path = registry / HISTORY
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise unreadable(path, str(error)) from error
    promoted = []
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, 1):
        try:
            promoted.append(Promoted(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise unreadable(path, f"line {number} is damaged: {error}") from error
    return promoted


def unreadable(path: Path, why: str) -> StoreError:
    """The error for a part of a registry that cannot be read."""
    return StoreError(
        f"the registry cannot be read: {why}",
        where=str(path),
        hint="What is in use is not touched: sessions go on with the models that they have.",
        next="Put the file right, or take another registry: promote.registry=…, --registry …",
    )


def now() -> str:
    """The time of day, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
