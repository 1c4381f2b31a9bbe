"""Parts come in their order with what they logged, wherever they were worked on; what goes wrong is told as it is here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parts_of_work import check_all, check_wrong, total

from btcframe import scratch, settings
from btcframe.engine import Where, handed, several
from btcframe.errors import ConfigError

HERE, TWO = Where(), Where(jobs=2)


def test_here_and_in_processes(caplog: pytest.LogCaptureFixture) -> None:
    check_all(HERE, caplog)
    check_all(TWO, caplog)


def test_what_goes_wrong_in_a_process() -> None:
    check_wrong(TWO)


@pytest.mark.parametrize("kind", ["local", "ray"])
def test_arrays_are_told_by_their_place(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "LARGE", 1)
    array = scratch.zeros((1000, 3), np.float64, tmp_path)
    array[:] = np.random.default_rng(7).normal(size=array.shape)
    with handed(Where(kind, jobs=2), {"x": array, "none": np.empty(0)}, tmp_path) as told:
        assert isinstance(told["x"], scratch.Shared)
        assert np.array_equal(scratch.opened(told["x"]), array)
        assert len(scratch.opened(told["none"])) == 0
        assert len(list(tmp_path.iterdir())) == (kind == "ray")
        assert list(several(TWO, total, [(told,)] * 2)) == [array.sum()] * 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "rey"}, "engine.kind: 'rey' is neither local nor ray.\nDid you mean engine=ray?"),
        ({"address": "h:1"}, "a local engine has no address.\nOn the cluster: engine=ray engine.address=h:1"),
        ({"jobs": 0}, "engine.jobs: 0 is not a number of parts: it starts at 1"),
    ],
)
def test_settings_that_make_no_sense(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings.engine({"engine": given})
    assert message.replace(".\n", "\n") in str(error.value).replace(".\n", "\n")


def test_settings() -> None:
    assert settings.engine({}) == HERE
    assert settings.engine({"engine": {"jobs": 3}}) == Where(jobs=3)
    assert settings.engine({"engine": {"jobs": 3}}, 2) == TWO
    cores = len(os.sched_getaffinity(0))
    assert settings.engine({"engine": {"kind": "ray", "address": "h:1", "jobs": None}}) == Where(
        "ray", "h:1", cores
    )
