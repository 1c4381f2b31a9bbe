"""On a Ray cluster of this machine: the same parts, the same bits, and jobs that die alone."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import archive_days
import numpy as np
import pytest
from parts_of_work import check_all, check_wrong

from btcframe.engine import Where
from btcframe.engine.ray_cluster import connected
from btcframe.learning.folds import fit_fold, predict_rows
from btcframe.learning.parted import workers_for
from btcframe.learning.side_by_side import train_folds
from btcframe.sweeps.cluster import on_cluster
from btcframe.sweeps.workers import Task
from btcframe_models import Ensemble, Persistence

from .test_partitions import SECOND, parted, whole
from .test_side_by_side import NODES, same, work
from .test_training import table

RAY = Where("ray", jobs=2)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One for all of them: it takes seconds to start."""
    pytest.importorskip("ray", reason="the extra btcframe[ray] is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "PYTHONPATH", str(Path(__file__).parents[1])
        )  # where its processes find what they are to do
        with connected("", 2):
            yield


def speaks(code: int) -> int:
    os.write(1, b"on the cluster\n")
    if code < 0:
        os.kill(os.getpid(), -code)
    return code


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_cluster_does_what_this_machine_does(
    cluster: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_all(RAY, caplog)
    check_wrong(RAY)
    one = dataclasses.replace(
        work(table(800), baseline=Persistence()), artefacts=tmp_path / "one", manifest=NODES
    )
    two = dataclasses.replace(one, artefacts=tmp_path / "two")
    expected = list(train_folds(one, where=Where(), directory=tmp_path))
    same(list(train_folds(two, where=RAY, directory=tmp_path)), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    for path in (tmp_path / "one").rglob("*.*"):
        assert (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes() == path.read_bytes()

    t = dataclasses.replace(table(800), directory=tmp_path)
    model, rows = Ensemble(members=("ridge",)), np.arange(700)  # its parts, of a fit that is one alone
    recipe = work(t, model).recipe
    with workers_for(model, RAY) as there:
        fitted = [fit_fold(t, rows, recipe, index=0, workers=who) for who in (None, there)]
    said = [predict_rows(each, t, rows).predictions.tobytes() for each in fitted]
    assert there and said[0] == said[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]

    days, run = tmp_path / "days", tmp_path / "run"
    days.mkdir()
    run.mkdir()
    market, again = archive_days.archive(days), list[str]()
    closed = parted(market, SECOND, run, RAY, again)
    assert closed.tobytes() == whole(market, SECOND).tobytes() and not again

    calls = [functools.partial(speaks, code) for code in (0, -signal.SIGKILL, 2)]
    tasks = [Task(n, call, tmp_path / str(n) / "output.txt") for n, call in enumerate(calls)]
    begun: list[int] = []
    ended = {e.number: e for e in on_cluster(tasks, begun.append, jobs=2, address="")}
    assert begun == [0, 1, 2]
    assert [ended[n].value for n in range(3)] == [0, None, 2]
    assert "on the cluster ended without a word" in ended[1].died
    assert (tmp_path / "2" / "output.txt").read_text() == "on the cluster\n"
