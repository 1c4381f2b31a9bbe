"""hftbacktest in an environment of its own: it allows no NumPy as new as ours.

`python tests/judge/environment.py` makes the environment, and says where it is. What is pinned stands in
requirements/judge.txt.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "judge.txt"
PLACE = Path(sys.prefix) / "judge"
"""Inside the checkout's own environment, so that `make clean` takes it away."""


class MissingError(Exception):
    """hftbacktest cannot be had here."""


def interpreter(place: Path = PLACE) -> Path:
    """Its Python; the environment is made where it is not there, or of other pins.

    Raises
    ------
    MissingError
        If it cannot be installed: no registry, or no wheel for this machine.
    """
    with place.with_suffix(".lock").open("w") as lock:  # the tests' workers ask at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        python, stamp, pins = place / "bin" / "python", place / "pins.txt", REQUIREMENTS.read_text()
        if not stamp.exists() or stamp.read_text() != pins:
            _install(place, python)
            stamp.write_text(pins)
        return python


def _install(place: Path, python: Path) -> None:
    venv.create(place, clear=True)
    options = "--quiet --no-deps --only-binary :all: --require-hashes --retries 1"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", *options.split()]
    done = subprocess.run([*install, "-r", str(REQUIREMENTS)], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise MissingError(f"hftbacktest cannot be installed: {reason}")


class Request(NamedTuple):
    """How hftbacktest is to match.

    Parameters
    ----------
    tick, lot : float             as its data have prices and sizes
    entry_ns, response_ns : int   from the trader to the venue, and back
    queue : str                   one of its methods: risk_adverse_queue_model, power_prob_queue_model3 …
    arguments : tuple of float    of that method
    """

    tick: float
    lot: float
    entry_ns: int
    response_ns: int
    queue: str
    arguments: tuple[float, ...] = ()


class Answer(NamedTuple):
    """What it made of the orders: its fills (peer.FILL, empty when it was not to look), and the seconds it took."""

    fills: npt.NDArray[np.void]
    seconds: float


class Judge:
    """hftbacktest at work in its process."""

    def __init__(self, talk: tuple[IO[str], IO[str]], folder: Path) -> None:
        self._lines, self._told = talk
        self._folder = folder
        self._markets = 0

    def put(self, data: npt.NDArray[np.void], commands: npt.NDArray[np.void]) -> Path:
        """Put down a market and a script; returns what `ask` takes."""
        self._markets += 1
        folder = self._folder / str(self._markets)
        folder.mkdir()
        np.save(folder / "data.npy", data)
        np.save(folder / "commands.npy", commands)
        return folder

    def ask(self, folder: Path, request: Request, *, watch: bool = True) -> Answer:
        """Let it trade; without `watch` it is not looked at on the way, and only the time counts.

        Raises
        ------
        RuntimeError
            If it fails, with the number of its error.
        """
        settings: Mapping[str, Any] = request._asdict() | {"watch": watch}
        (folder / "request.json").write_text(json.dumps(settings))
        self._lines.write(f"{folder}\n")
        self._lines.flush()
        line = self._told.readline()
        if not line:
            raise RuntimeError("hftbacktest ended; its last words stand above")
        told = json.loads(line)
        if told["error"]:
            raise RuntimeError(f"hftbacktest fails with error {told['error']}")
        return Answer(np.load(folder / "fills.npy"), told["seconds"])


@contextlib.contextmanager
def judge(python: Path) -> Iterator[Judge]:
    """A process of hftbacktest: compiled once, asked as often as one likes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, Path(__file__).with_name("peer.py")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                yield Judge((process.stdin, process.stdout), Path(folder))
            finally:
                process.stdin.close()
                process.wait()


if __name__ == "__main__":
    print(interpreter())
