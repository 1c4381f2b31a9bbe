"""Whatever belongs to the whole process is seen when it changes, put back, and called by its name."""

from __future__ import annotations

import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.np.ufunc import parallel

from btcframe.testing import ContractError
from btcframe.testing.surroundings import WATCHED, kept, undisturbed

CHANGES = {
    "the generator of random": lambda: random.random(),
    "the generator of np.random": lambda: np.random.random(),  # noqa: NPY002
    "os.environ": lambda: os.environ.update(BTCFRAME_TEST_OF_SURROUNDINGS="1"),
    "warnings.filters": lambda: warnings.simplefilter("ignore"),
    "np.seterr": lambda: np.seterr(invalid="raise"),
    "np.set_printoptions": lambda: np.set_printoptions(precision=3),
    "numba's threads": lambda: numba.set_num_threads(1),
    "the working directory": lambda: os.chdir("/"),
    "sys.path": lambda: sys.path.append("elsewhere"),
    "the root logger": lambda: logging.root.setLevel(logging.DEBUG),
    "signal handlers": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "the locale": lambda: locale.setlocale(
        locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C"
    ),
    "the decimal context": lambda: setattr(decimal.getcontext(), "prec", 5),
    "garbage collection": lambda: gc.set_threshold(123),
    "the recursion limit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 7),
}


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba's threads without numba's threads: starting them would stay with this process."""
    at = [4]
    monkeypatch.setattr(parallel, "_is_initialized", True)
    monkeypatch.setattr(numba, "get_num_threads", lambda: at[0])
    monkeypatch.setattr(numba, "set_num_threads", lambda n: at.__setitem__(0, n))


def test_everything_watched_is_tried() -> None:
    assert set(CHANGES) == set(WATCHED)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", WATCHED)
def test_a_change_is_seen_named_and_put_back(name: str) -> None:
    before = {thing: watched.read() for thing, watched in WATCHED.items()}
    with kept() as changed:
        CHANGES[name]()
    assert set(changed) == {name}
    with pytest.raises(ContractError) as error:
        undisturbed("Careless", CHANGES[name])
    assert f"Careless changes {name}, which belongs to the whole process" in str(error.value)
    assert f"Cure: {WATCHED[name].cure}" in str(error.value)
    assert {thing: watched.read() for thing, watched in WATCHED.items()} == before


def test_what_only_a_first_import_changes_is_not_held_against_it() -> None:
    imported = []

    def work() -> None:
        if not imported:
            os.environ["BTCFRAME_TEST_OF_SURROUNDINGS"] = "1"
            imported.append(True)

    undisturbed("Honest", work)
    assert "BTCFRAME_TEST_OF_SURROUNDINGS" not in os.environ


def test_what_is_put_back_by_itself_is_no_change(tmp_path: Path) -> None:
    def work() -> None:
        with np.errstate(all="raise"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.random.default_rng(0).random()

    undisturbed("Honest", work)


def test_it_is_put_back_when_the_work_raises() -> None:
    with pytest.raises(ZeroDivisionError), kept():
        np.seterr(invalid="raise")
        raise ZeroDivisionError
    assert np.geterr()["invalid"] == "warn"


def test_short_changes_are_shown_and_variables_named() -> None:
    limit = sys.getrecursionlimit()
    with pytest.raises(ContractError, match=f": {limit} became {limit + 9}"):
        undisturbed("Deep", lambda: sys.setrecursionlimit(limit + 9))
    with pytest.raises(ContractError, match=": OMP_NUM_THREADS_OF_A_TEST\n"):
        undisturbed("Greedy", lambda: os.environ.update(OMP_NUM_THREADS_OF_A_TEST="1"))
