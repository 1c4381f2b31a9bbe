"""Parts of some work, and what holds of them wherever they are worked on."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Any

import pytest

from btcframe import scratch
from btcframe.engine import Died, Unsendable, Where, several
from btcframe.errors import DataError


def square(number: int) -> tuple[int, int]:
    logging.getLogger("parts").warning(f"part {number}")
    return number * number, os.getpid()


def wrong(number: int) -> int:
    if number == 2:
        raise DataError("the third is wrong", where="here")
    return number


def dies(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def total(told: dict[str, Any]) -> float:
    return float(scratch.opened(told["x"]).sum())


def check_all(where: Where, caplog: pytest.LogCaptureFixture) -> None:
    """What holds wherever parts are worked on."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        found = list(several(where, square, [(n,) for n in range(5)]))
    assert [value for value, _ in found] == [0, 1, 4, 9, 16]
    assert [record.getMessage() for record in caplog.records] == [f"part {n}" for n in range(5)]
    assert (os.getpid() in {pid for _, pid in found}) == (where == Where())
    with pytest.raises(DataError, match=r"the third is wrong \(here\)"):
        list(several(where, wrong, [(n,) for n in range(4)]))
    assert list(several(where, wrong, [])) == []


def check_wrong(where: Where) -> None:
    """What holds in other processes."""
    with pytest.raises(Died):
        list(several(where, dies, [(0,), (1,)]))
    with pytest.raises(Unsendable):
        list(several(where, wrong, [(threading.Lock(),), (1,)]))
