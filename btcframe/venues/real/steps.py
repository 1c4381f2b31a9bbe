"""Where a drill may kill a session: named steps of an order's life, and nothing else.

``BTCFRAME_KILL_AT=submit.journaled:2`` kills the process, without any farewell, when it comes to that step for the
second time. It is read when a venue is connected to; without it, every step is a call of an empty function.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from btcframe.errors import ConfigError, did_you_mean

VARIABLE = "BTCFRAME_KILL_AT"
STEPS = (
    *(f"{action}.{when}" for action in ("submit", "amend", "cancel") for when in ("asked", "journaled", "replied")),
    "execution.heard",
    "execution.journaled",
    "order.heard",
)  # fmt: skip
"""asked: before the journal has it; journaled: before it is sent; replied: before the journal has the answer."""

Step = Callable[[str], None]


def step_of_environment() -> Step:
    """What is called at each step.

    Raises
    ------
    ConfigError
        If the variable names no step.
    """
    wanted, _, times = os.environ.get(VARIABLE, "").partition(":")
    if not wanted:
        return _go_on
    if wanted not in STEPS or not (times or "1").isdecimal():
        raise ConfigError(f"{VARIABLE}: there is no step {wanted!r}", hint=did_you_mean(wanted, STEPS))
    left = int(times or 1)

    def step(name: str) -> None:
        nonlocal left
        left -= name == wanted
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def _go_on(_: str) -> None:
    pass
