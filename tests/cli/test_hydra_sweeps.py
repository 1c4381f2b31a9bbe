"""Sweeps that make no sense are refused before anything is written, and those that make it have the jobs they name."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.cli.hydra_app import alone, main
from btcframe.cli.hydra_launchers import Sweeping, quoted
from btcframe.cli.hydra_sweepers import drawn, values
from btcframe.cli.hydra_sweeps import check_many
from btcframe.errors import BtcframeError, ConfigError
from btcframe.plugins import discover
from btcframe.sweeps import ledger as ledgers


def override(text: str):  # type: ignore[no-untyped-def]
    return OverridesParser.create().parse_override(text)


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (
            ["model=", "-m"],
            ["model=: a sweep over nothing (command line, 1st override)", "model=ONE,OTHER -m"],
        ),
        (["-m"], ["a sweep over nothing", "sweep=grid"]),
        (["hydra.sweep.dir=x", "-m"], ["a sweep over nothing"]),
        (["sweep=gird", "-m"], ["Did you mean sweep=grid?"]),
        (["sweep=grid"], ["sweep=grid: it says what a sweep has", "Add -m."]),
        (["engine=rey"], ["Did you mean engine=ray?"]),
        (["engine.jbos=2"], ["Did you mean engine.jobs?"]),
        (["seed=range(0,1000000)", "-m"], ["the sweep would have 1,000,000 jobs", "sweep.most=1000000"]),
        (
            ["seed=1,2,3", "label.horizons=[1s],[2s]", "sweep.most=5", "-m"],
            ["6 jobs", "3 × 2", "sweep.most=6"],
        ),
        (["model.alpha=interval(0,1)", "-m"], ["has no values to go through", "sweep=random"]),
        (["model.alpha=1,x", "-m"], ["model.alpha", "could not be converted to Float", "1st override"]),
        (["model.alpha=1,-1", "-m"], ["model.alpha: -1.0 is not greater than 0"]),
        (["seed=1,2", "hydra.launcher.n_jobs=0", "-m"], ["n_jobs: 0 is not a number of jobs"]),
        (
            ["seed=1,2", "hydra.launcher.backend=loky", "-m"],
            ["hydra.launcher.backend: there is no such setting"],
        ),
        (["seed=1,2", "hydra.sweep.subdir=x", "-m"], ["x cannot be the directory of job 1, and of job 0"]),
        (["seed=1,2", "hydra.sweep.subdir=../x", "-m"], ["../x cannot be the directory of job 0"]),
        (["sweep=random", "hydra.sweeper.draws=0", "-m"], ["draws: 0 is not a number of jobs"]),
        (["seed=1,2", "hydra/launcher=ray", "engine.address=nowhere", "-m"], ["nowhere: it is no address"]),
        (
            ["seed=1,2", "hydra/launcher=ray", "engine.address=127.0.0.1:1", "-m"],
            ["engine.address=127.0.0.1:1: no Ray cluster answers", "ray status"],
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], messages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["btcframe"])
    with pytest.raises(BtcframeError) as error:
        main("train", arguments)
    assert isinstance(error.value, ConfigError)
    for message in messages:
        assert message in str(error.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_many_jobs_are_asked_about() -> None:
    swept = [override("seed=range(0,40)"), override("model.alpha=1,2,3"), override("model=ridge")]
    questions: list[str] = []

    def yes(question: str) -> bool:
        questions.append(question)
        return True

    check_many(swept, 120, yes)
    assert questions == []
    check_many(swept, 119, yes)
    assert questions == ["That are 120 jobs. Do them all?"]
    with pytest.raises(ConfigError, match="120 jobs"):
        check_many(swept, 119, lambda question: False)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**9), low=st.floats(1e-6, 1.0), factor=st.floats(1.01, 1e6))
def test_draws_lie_where_they_should(seed: int, low: float, factor: float) -> None:
    high = low * factor
    rng = random.Random(seed)
    for kind in (f"interval({low},{high})", f"tag(log, interval({low},{high}))"):
        assert low * (1 - 1e-5) <= float(drawn(override(f"x={kind}"), rng)) <= high * (1 + 1e-5)
    assert drawn(override("x=int(interval(1,3))"), rng) in {"1", "2", "3"}
    assert drawn(override("x=a,b"), rng) in {"a", "b"}
    assert drawn(override("x=[1,2]"), rng) == "[1,2]"


def test_a_draw_is_even_in_its_logarithm() -> None:
    rng, swept = random.Random(7), override("x=tag(log, interval(0.01,100))")
    found = [math.log10(float(drawn(swept, rng))) for _ in range(4000)]
    assert abs(sum(found) / len(found)) < 0.1  # the middle of -2 and 2; its standard error is 0.02
    with pytest.raises(ConfigError, match="a logarithm begins above 0"):
        drawn(override("x=tag(log, interval(0,100))"), rng)


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_path_is_one_value(text: str) -> None:
    assert override(f"key={quoted(text)}").value() == text


def test_values_are_written_as_on_a_command_line() -> None:
    assert values(override("x=1,[2,3],'a b'")) == ["1", "[2,3]", "'a b'"]
    assert values(override("x=range(1,4)")) == ["1", "2", "3"]


def test_who_is_refused_a_directory_leaves_it_to_whom_it_belongs(tmp_path: Path) -> None:
    """Before the first job there is nothing there but a lock: it must not go with the second who comes, or a third gets in."""
    first, second, third = (Sweeping(discover(), "train", [], alone) for _ in range(3))
    directory = tmp_path / "sweep"
    with first.held:
        first.claim(directory)
        for other in (second, third):
            with pytest.raises(ConfigError, match="a sweep is at work in"), other.held:
                other.claim(directory)
        assert (directory / ledgers.LOCK).exists()
    assert not directory.exists()  # no job ever began


def test_what_another_one_left_in_the_meantime_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeping, looked = Sweeping(discover(), "train", [], alone), ledgers.check_fresh

    def slow(directory: Path) -> None:
        looked(directory)
        monkeypatch.setattr(ledgers, "check_fresh", looked)
        directory.mkdir()
        (directory / ledgers.LEDGER).write_text("{}")  # the other one's, whose lock is free again

    monkeypatch.setattr(ledgers, "check_fresh", slow)
    with pytest.raises(ConfigError, match="already holds a sweep"), sweeping.held:
        sweeping.claim(tmp_path / "sweep")
    assert (tmp_path / "sweep" / ledgers.LEDGER).read_text() == "{}"
