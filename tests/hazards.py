"""Models that harm the process they are fitted in; other processes can import them."""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btcframe.api import TrainingSet
from btcframe_models.ridge import Ridge


@dataclass(frozen=True)
class Dies:
    """Is killed in the fold that has at least so many training rows, as by a system that is out of memory."""

    rows: int

    def fit(self, data: TrainingSet) -> Any:
        if len(data.x) >= self.rows:
            os.kill(os.getpid(), signal.SIGKILL)
        return Ridge().fit(data)

    def load(self, directory: Path) -> Any:
        return Ridge().load(directory)


@dataclass(frozen=True)
class Interrupts:
    """Says which process it is in, interrupts the one that started that, and does not end by itself."""

    place: str

    def fit(self, data: TrainingSet) -> Any:
        Path(self.place, str(os.getpid())).touch()
        os.kill(os.getppid(), signal.SIGINT)
        while True:
            signal.pause()

    def load(self, directory: Path) -> Any:
        raise AssertionError


@dataclass(frozen=True)
class Speaks:
    """Logs how many rows it was given."""

    def fit(self, data: TrainingSet) -> Any:
        logging.getLogger("hazards").warning("fitted on %d rows", len(data.x))
        return Ridge().fit(data)

    def load(self, directory: Path) -> Any:
        return Ridge().load(directory)


@dataclass(frozen=True)
class Unpicklable:
    """Cannot be handed to another process."""

    def fit(self, data: TrainingSet) -> Any:
        raise AssertionError

    def load(self, directory: Path) -> Any:
        raise AssertionError

    def __reduce__(self) -> Any:
        raise TypeError("it holds a socket")
