"""What a sweep's ledger says, also after a kill, of a damaged file, and of another version's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btcframe.errors import BtcframeError, ConfigError, DataError
from btcframe.sweeps import ledger as ledgers
from btcframe.sweeps.ledger import COMPLETE, DIED, FAILED, RUNNING, STATES, WAITING, Job, Ledger

MANIFEST = {
    "btcframe": "0", "verb": "build", "seed": 1, "config": {}, "machine": {}, "packages": {}, "plugins": {}, "command": [],
}  # fmt: skip


def ledger(directory: Path, *states: str) -> Ledger:
    made = Ledger(directory, "build", ("seed=1,2", "-m"), str(directory), {"btcframe": "a"}, "2026")
    made.add(Job(n, (f"seed={n}",), str(n), "d", state) for n, state in enumerate(states))
    return made


def run(place: Path, status: str) -> None:
    place.mkdir()
    (place / "manifest.json").write_text(json.dumps(MANIFEST | {"status": status}))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = ledger(tmp_path, WAITING, WAITING)
    made.put(replace(made.jobs[1], state=FAILED, error="no", exit_code=4, seconds=1.5, memory=7, value=0.5))
    assert ledgers.read_ledger(tmp_path) == made


@given(state=st.sampled_from(STATES), status=st.sampled_from(["complete", "failed", "running", ""]))
def test_a_run_speaks_for_itself(tmp_path_factory: pytest.TempPathFactory, state: str, status: str) -> None:
    """Complete is what its own manifest calls so; what was at work when all was killed has died; the rest stands."""
    at = tmp_path_factory.mktemp("sweep")
    made = ledger(at, state)
    if status:
        run(at / "0", status)
    found = ledgers.settled(made).jobs[0].state
    if status == "complete":
        assert found == COMPLETE
    elif state in (RUNNING, COMPLETE):
        assert found == DIED
    else:
        assert found == state


def test_a_failed_run_is_kept_beside(tmp_path: Path) -> None:
    assert ledgers.set_aside(tmp_path / "3") is None
    for n in (1, 2):
        (tmp_path / "3").mkdir()
        (tmp_path / "3" / "traceback.txt").write_text(str(n))
        kept = ledgers.set_aside(tmp_path / "3")
        assert kept == tmp_path / f"3.failed-{n}"
        assert (kept / "traceback.txt").read_text() == str(n)
        assert ledgers.is_aside(kept)
    assert not ledgers.is_aside(tmp_path / "3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nothing there", "is not a sweep: it has no sweep.json"),
        ("{", "cannot be read"),
        ("[]", "is damaged"),
        ({"format": 2}, "was written by a newer btcframe: its format is 2, this one reads 1"),
        ({"jobs": [{"number": 0}]}, "is damaged"),
        ({"verb": None, "jobs": None}, "is damaged"),
    ],
)
def test_a_ledger_that_cannot_be_read_says_so(
    tmp_path: Path, change: str | dict[str, Any], message: str
) -> None:
    if change != "nothing there":
        ledger(tmp_path, WAITING)
        told = json.loads((tmp_path / "sweep.json").read_text())
        (tmp_path / "sweep.json").write_text(change if isinstance(change, str) else json.dumps(told | change))
    with pytest.raises(DataError, match=message):
        ledgers.read_ledger(tmp_path)


def test_jobs_in_no_known_state_are_damage(tmp_path: Path) -> None:
    ledger(tmp_path, "asleep")
    with pytest.raises(DataError, match="in no known state"):
        ledgers.read_ledger(tmp_path)


def test_one_sweep_a_directory(tmp_path: Path) -> None:
    with ledgers.claimed(tmp_path / "sweep"), pytest.raises(ConfigError, match="a sweep is at work in"), \
            ledgers.claimed(tmp_path / "sweep"):  # fmt: skip
        pass
    with ledgers.claimed(tmp_path / "sweep"):
        pass  # it was let go of


def test_a_sweep_goes_into_a_directory_of_its_own(tmp_path: Path) -> None:
    ledgers.check_fresh(tmp_path)
    run(tmp_path / "0", "complete")
    with pytest.raises(ConfigError, match="already holds a run"):
        ledgers.check_fresh(tmp_path / "0")
    ledger(tmp_path, COMPLETE)
    with pytest.raises(ConfigError, match=r"already holds a sweep .*\n.*\n.*btcframe runs resume"):
        ledgers.check_fresh(tmp_path)


def same(made: Ledger, asked: list[Job], now: dict[str, str], force: bool = False) -> str:
    try:
        ledgers.check_same_code(made, now)
        ledgers.check_same_jobs(made.jobs, asked, made.directory, force=force)
    except BtcframeError as error:
        return str(error)
    return ""


def test_what_is_not_the_same_any_more_is_not_mixed(tmp_path: Path) -> None:
    made = ledger(tmp_path, COMPLETE, FAILED)
    code = dict(made.code)
    assert same(made, made.jobs, code) == ""
    assert "the code is not what the sweep was begun with: btcframe, more" in same(
        made, made.jobs, {"btcframe": "b", "more": "c"}
    )
    other = [made.jobs[0], replace(made.jobs[1], config="e")]
    assert "the settings of job 1 are not what they were" in same(made, other, code)
    assert same(made, other, code, force=True) == ""
    strange = [made.jobs[0], replace(made.jobs[1], overrides=("seed=7",))]
    assert "job 1 was seed=1, and would now be seed=7" in same(made, strange, code, force=True)
