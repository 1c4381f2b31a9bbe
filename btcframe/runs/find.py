"""Which runs there are: found by their manifests, whatever state they are in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from btcframe.errors import BtcframeError, ConfigError, DataError, did_you_mean
from btcframe.run import MANIFEST, manifest_of
from btcframe.sweeps.ledger import LEDGER, is_aside, read_ledger, settled

RUNS = Path("runs")
"""Where runs lie unless they were put elsewhere."""

DEEP = 4
"""Directories below each other in which runs are looked for."""


@dataclass(frozen=True)
class Found:
    """A run as it was found.

    Parameters
    ----------
    directory : Path
    manifest : mapping    empty where it cannot be read
    trouble : str         why it cannot be read, "" where it can
    state : str           what its sweep says of it where it left no manifest
    """

    directory: Path
    manifest: Mapping[str, Any] = field(default_factory=dict)
    trouble: str = ""
    state: str = "unreadable"

    @property
    def status(self) -> str:
        """The manifest's, or that there is none."""
        return str(self.manifest.get("status", self.state))

    @property
    def name(self) -> str:
        """What it is called: its directory, a member of a sweep with that of its sweep."""
        path = self.directory.resolve()
        return f"{path.parent.name}/{path.name}" if path.name.isdecimal() else path.name


def runs_in(place: Path) -> list[Found]:
    """The runs in a directory: itself, the jobs of a sweep, or all that lie below; jobs by their number.

    A job of a sweep that left no manifest is found, too. What failed and was run again since is not.

    Raises
    ------
    DataError
        If the directory does not exist.
    """
    if not place.is_dir():
        raise DataError(
            f"{place}: there is no such directory",
            hint="A run's or a sweep's directory is wanted, or one in which they lie.",
            next="Which there are: btcframe runs list",
        )
    return list(_below(place, DEEP))


def _below(place: Path, deep: int) -> Iterator[Found]:
    if (place / MANIFEST).exists():
        yield opened(place)
    elif (place / LEDGER).exists():
        yield from _of_sweep(place)
    elif place.name.isdecimal() and (place / ".hydra").is_dir():
        yield Found(place, {}, f"it left no {MANIFEST}: the job ended before its run began")
    elif deep:
        folders = (path for path in place.iterdir() if path.is_dir() and path.name[0] != ".")
        for folder in sorted(folders, key=_in_order):
            if not is_aside(folder):
                yield from _below(folder, deep - 1)


def _of_sweep(place: Path) -> Iterator[Found]:
    """The jobs of a sweep, those that left no manifest with what its ledger says of them."""
    try:
        ledger = settled(read_ledger(place))
    except DataError as error:
        yield Found(place, {}, error.what)
        return
    for job in ledger.jobs:
        directory = ledger.place(job)
        if (directory / MANIFEST).exists():
            yield opened(directory)
        else:
            why = f"{': ' + job.error.splitlines()[0] if job.error else ''}"
            yield Found(
                directory,
                {},
                f"it left no {MANIFEST}; its sweep has it as {job.state}{why}",
                job.state,
            )


def _in_order(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdecimal() else (-1, path.name)


def opened(directory: Path) -> Found:
    """A run, readable or not."""
    try:
        return Found(directory, manifest_of(directory))
    except BtcframeError as error:
        return Found(directory, {}, error.what)


def run_named(word: str) -> Path:
    """The directory of a run by its path, or by the beginning of its directory's name or id below `runs/`.

    Raises
    ------
    ConfigError
        If several runs begin like that.
    DataError
        If none does.
    """
    path = Path(word)
    if (path / MANIFEST).exists():
        return path
    there = runs_in(RUNS) if RUNS.is_dir() else []
    close = [
        run for run in there if run.name.startswith(word) or str(run.manifest.get("id", "")).startswith(word)
    ]
    if len(close) == 1:
        return close[0].directory
    if close:
        listed = ", ".join(str(run.directory) for run in close[:5])
        raise ConfigError(
            f"{len(close)} runs begin with {word!r}",
            hint=f"{listed}{', …' if len(close) > 5 else ''}.",
            next="Name one by its directory.",
        )
    if path.is_dir() and runs_in(path):
        raise DataError(
            f"{word} is not one run: it holds {len(runs_in(path))}",
            hint="Name one of them.",
            next=f"All of them: btcframe runs list {shlex.quote(word)}",
        )
    raise DataError(
        f"{word}: there is no such run",
        hint=did_you_mean(word, [str(run.directory) for run in there][-20:]),
        next="Which there are: btcframe runs list",
    )
