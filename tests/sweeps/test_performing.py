"""Every step of every job is written down, whatever stops the others."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from btcframe.errors import ConfigError, StoreError, SweepError
from btcframe.sweeps import ledger as ledgers
from btcframe.sweeps.ledger import Job, Ledger, read_ledger
from btcframe.sweeps.performing import Outcome, objective, perform
from btcframe.sweeps.told import check_whole, table, whereabouts
from btcframe.sweeps.workers import Ended, Task


def here(tasks: Iterable[Task], begun: Callable[[int], None]) -> Generator[Ended]:
    """One after the other, in this process; a call that gives None has died."""
    for task in tasks:
        begun(task.number)
        value = task.call()
        yield Ended(task.number, value, "" if value else "its process was ended by SIGKILL", 1.25, 8_000_000)


def outcome(results: dict[int, Outcome | BaseException | None], job: Job) -> Outcome | None:
    found = results[job.number]
    if isinstance(found, BaseException):
        raise found
    return found


def sweep(directory: Path, jobs: int) -> Ledger:
    directory.mkdir(exist_ok=True)
    made = Ledger(directory, "train", ("-m",), str(directory), {}, "2026")
    made.add(Job(n, (f"seed={n}", "model=zero"), str(n)) for n in range(jobs))
    return made


def do(made: Ledger, results: dict[int, Outcome | BaseException | None], path: str = "") -> None:
    perform(made, made.jobs.copy(), here, lambda job: partial(outcome, results, job), path)


FINE = Outcome("", 0)


def test_each_job_has_its_end(tmp_path: Path) -> None:
    made = sweep(tmp_path, 3)
    do(made, {0: FINE, 1: Outcome("no such thing\nDid you mean another?", 4), 2: None})
    jobs = read_ledger(tmp_path).jobs
    assert [job.state for job in jobs] == ["complete", "failed", "died"]
    assert [job.exit_code for job in jobs] == [0, 4, 1]
    assert (jobs[0].seconds, jobs[0].memory) == (1.25, 8_000_000)
    with pytest.raises(SweepError) as error:
        check_whole(made)
    assert error.value.exit_code == 11
    said = str(error.value)
    assert "2 of 3 jobs are not complete" in said
    assert f"#1: no such thing (see {tmp_path.name}/1)" in said
    assert "#2: its process was ended by SIGKILL" in said
    assert "btcframe runs resume" in said


def test_the_table_says_what_varies(tmp_path: Path) -> None:
    made = sweep(tmp_path, 2)
    do(made, {0: FINE, 1: None})
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(made))
    said = console.export_text()
    assert "2 jobs: 1 complete, 1 died" in said
    assert "seed=1" in said
    assert "model=zero" not in said
    assert "8 MB" in said


def test_what_to_type_next_once_there_is_something_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = sweep(tmp_path / "the sweep", 2)
    do(made, {0: FINE, 1: None})
    assert whereabouts(made) == "In the sweep"  # one run is no ranking
    do(made, {0: FINE, 1: FINE})
    assert whereabouts(made).splitlines()[1] == (
        "What the best of it is worth: btcframe runs compare 'the sweep'"
    )


def test_what_is_made_again_is_kept_beside(tmp_path: Path) -> None:
    made = sweep(tmp_path, 1)
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "traceback.txt").write_text("the first time")
    do(made, {0: FINE})
    assert (tmp_path / "0.failed-1" / "traceback.txt").read_text() == "the first time"


def test_an_interrupt_is_written_down(tmp_path: Path) -> None:
    made = sweep(tmp_path, 3)
    with pytest.raises(KeyboardInterrupt):
        do(made, {0: FINE, 1: KeyboardInterrupt(), 2: FINE})
    assert [job.state for job in read_ledger(tmp_path).jobs] == ["complete", "interrupted", "waiting"]


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = sweep(tmp_path, 3)
    written, write = [], ledgers.write_json

    def full(path: Path, value: object, what: str) -> None:
        written.append(path)
        if len(written) > 3:
            raise StoreError(f"{what} cannot be written: No space left on device")
        write(path, value, what)

    monkeypatch.setattr(ledgers, "write_json", full)
    with pytest.raises(StoreError, match="the sweep's ledger cannot be written: No space left"):
        do(made, {0: FINE, 1: FINE, 2: FINE})
    monkeypatch.undo()
    assert [job.state for job in read_ledger(tmp_path).jobs] == ["complete", "running", "waiting"]


def test_how_far_it_is_counts_what_is_done_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = sweep(tmp_path, 3)
    with caplog.at_level(logging.INFO):
        do(made, {0: FINE, 1: None, 2: None})
        perform(made, made.jobs[1:], here, lambda job: partial(outcome, {1: FINE, 2: FINE}, job), "")
    told = [r.getMessage() for r in caplog.records if " after " in r.getMessage()]
    assert [said[said.index("(") + 1] for said in told] == ["1", "2", "3", "2", "3"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    told = {
        "results": {"train": {"metrics": [{"ic": {"value": 0.25}}, {"ic": {"value": None}}], "scheme": "x"}}
    }
    (tmp_path / "manifest.json").write_text(json.dumps(told))
    return tmp_path


def test_an_objective_is_a_number_of_the_manifest(place: Path) -> None:
    assert objective(place, "results.train.metrics.0.ic.value") == 0.25
    assert objective(place, "results.train.metrics.1.ic.value") is None
    assert objective(place, "") is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("results.trian.metrics", "the run has no results.trian.\nDid you mean results.train?"),
        ("results.train.metrics.7.ic", "the run has no results.train.metrics.7"),
        ("results.train.metrics.0.ic", "it is no number.\nValid: results.train.metrics.0.ic.value"),
        ("results.train.scheme", "it is no number"),
    ],
)
def test_a_path_to_nothing_names_the_nearest(place: Path, path: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        objective(place, path)
    assert message.replace(".\n", "\n") in str(error.value)
