"""Saving that fails or is killed at any call: an artefact is whole, or it is not there."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from models.small_models import Catalog, artefact

from btcframe.errors import BtcframeError, StoreError
from btcframe.models.artefacts import load_model
from btcframe.models.registry import Promoted, Registry

CALLS = ("open", "close", "fsync", "mkdir", "rename", "replace", "write")
"""Of the module os: pathlib and shutil come down to them."""


class Counted:
    """Counts calls of os, and does something at the n-th of them instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, instead: Callable[[], None]) -> None:
        self.seen = 0
        self._at, self._instead = at, instead
        for name in CALLS:
            monkeypatch.setattr(os, name, self._counting(getattr(os, name)))
        monkeypatch.setattr(Path, "write_text", self._counting(Path.write_text))
        monkeypatch.setattr(Path, "open", self._counting(Path.open))

    def _counting(self, call: Any) -> Any:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.seen += 1
            if self.seen == self._at:
                self._instead()
            return call(*arguments, **named)

        return counted


def full() -> None:
    raise OSError(28, "No space left on device")


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def calls_of(work: Callable[[], object]) -> int:
    """How many calls some work makes."""
    with pytest.MonkeyPatch.context() as patch:
        counted = Counted(patch, 0, full)
        work()
    return counted.seen


def in_a_process(work: Callable[[], object], at: int) -> None:
    """Do some work in a process that is killed at its n-th call."""
    if (child := os.fork()) == 0:
        with pytest.MonkeyPatch.context() as patch:
            Counted(patch, at, killed)
            work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def whole_or_nothing(directory: Path) -> bool:
    """Whether there is an artefact; one that is there loads."""
    if directory.exists():
        load_model(directory, Catalog())
    return directory.exists()


def test_every_call_fails_in_turn_while_a_model_is_saved(tmp_path: Path) -> None:
    calls = calls_of(lambda: artefact(tmp_path / "whole"))
    assert calls > 10
    for at in range(1, calls + 1):
        target = tmp_path / f"at-{at}" / "fold-0"
        with pytest.MonkeyPatch.context() as patch:
            Counted(patch, at, full)
            with pytest.raises(StoreError, match=r"the model cannot be written: No space left on device"):
                artefact(target)
        assert not target.exists()
        assert not target.parent.exists() or list(target.parent.iterdir()) == []


def test_a_process_killed_at_any_call_leaves_no_half_saved_model(tmp_path: Path) -> None:
    calls = calls_of(lambda: artefact(tmp_path / "whole"))
    for at in range(1, calls + 1):
        target = tmp_path / f"at-{at}" / "fold-0"
        in_a_process(lambda target=target: artefact(target), at)  # type: ignore[misc]
        if not whole_or_nothing(target):
            artefact(target)  # and nothing that was left is in the way of another attempt
            assert whole_or_nothing(target)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry whose production points to its only model."""
    registry = Registry(tmp_path / "models")
    registry.point("production", registry.add(artefact(tmp_path / "old"), {"id": "r1"}), by="r1")
    return registry


def promoted_of(registry: Registry, new: Path) -> Promoted:
    """What a promotion does."""
    return registry.point("production", registry.add(new, {"id": "r2"}), by="r2")


def check(registry: Registry, old: str) -> bool:
    """Whether the alias has moved; whatever was promoted is there, loads, and is in the history."""
    now = registry.alias("production")
    assert now is not None
    assert [entry.damage for entry in registry.models()] == [""] * len(registry.models())
    for entry in registry.models():
        load_model(entry.artefact, Catalog())
    history = registry.history()
    assert history[0].model == old and now in {promoted.model for promoted in history}
    return now != old


def promotions(registry: Registry, tmp_path: Path) -> Iterator[tuple[int, Registry, Path]]:
    """A registry of its own for each call that a promotion makes, and the model that it promotes."""
    new = artefact(tmp_path / "new", offset=0.7)
    spare = Registry(tmp_path / "spare")
    shutil.copytree(registry.path, spare.path)
    for at in range(1, calls_of(lambda: promoted_of(spare, new)) + 1):
        place = Registry(tmp_path / f"at-{at}")
        shutil.copytree(registry.path, place.path)
        yield at, place, new


def test_every_call_of_a_promotion_fails_in_turn_and_nothing_is_lost(
    registry: Registry, tmp_path: Path
) -> None:
    old = registry.alias("production")
    assert old is not None
    failures = 0
    for at, place, new in promotions(registry, tmp_path):
        with pytest.MonkeyPatch.context() as patch:
            Counted(patch, at, full)
            try:
                promoted_of(place, new)
                failed = False  # a directory that is there already need not be made
            except BtcframeError as error:
                assert "No space left on device" in error.what
                failed = True
        failures += failed
        assert check(place, old) != failed
        assert not [path for path in place.path.iterdir() if path.name.endswith(".tmp")]
        assert promoted_of(place, new).model == place.alias("production") != old
    assert failures > 40


def test_a_promotion_killed_at_any_call_loses_nothing(registry: Registry, tmp_path: Path) -> None:
    old = registry.alias("production")
    assert old is not None
    moved = []
    for at, place, new in promotions(registry, tmp_path):
        in_a_process(lambda place=place, new=new: promoted_of(place, new), at)  # type: ignore[misc]
        moved.append(check(place, old))
        assert promoted_of(place, new).model == place.alias("production") != old
        assert place.previous("production") == old
        assert not [path for path in place.path.iterdir() if path.name.endswith(".tmp")]
    assert not moved[0]
