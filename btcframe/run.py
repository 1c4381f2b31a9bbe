"""One run: its directory, its manifest, and what a job needs from its surroundings.

The manifest is written when the run starts and again when it ends. Only a manifest whose status is "complete"
speaks for a whole run: an interrupted one can never be taken for it.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from btcframe.api import SessionEvent
from btcframe.atomic import replacing
from btcframe.config import digest, nodes
from btcframe.errors import BtcframeError, ConfigError, DataError, StoreError
from btcframe.pipeline.selection import chosen
from btcframe.plugins import Catalog
from btcframe.provenance import code_of, requirements, versions
from btcframe.settings import check_settings
from btcframe.slots import CHOICES
from btcframe.watch.status import STATUS

MANIFEST = "manifest.json"
_WRITTEN = ("btcframe", "verb", "seed", "config", "machine", "packages", "plugins", "command", "status")
"""What every manifest holds from its start, and readers count on."""
INDIRECT = ("joblib", "llvmlite")
"""Packages that decide what a run does, and that nobody asks for by name."""


class Bar(Protocol):
    """A progress bar."""

    def advance(self, n: float) -> None:
        """n more are done."""


class Console(Protocol):
    """Where a run speaks to a person: the terminal, or nowhere."""

    def say(self, renderable: Any) -> None:
        """Print a line or a rich renderable."""

    def progress(
        self, description: str, total: float | None, unit: str
    ) -> contextlib.AbstractContextManager[Bar]:
        """A bar with rate and ETA; silent when not a terminal."""

    def watch(self) -> contextlib.AbstractContextManager[Show]:
        """A line that says how something without an end stands; asked for again and again, made when it is due."""


Show = Callable[[Callable[[], str]], None]
"""Shows the line that is made, if it is time for another one."""


class Quiet:
    """A console for tests, workers and libraries."""

    def say(self, renderable: Any) -> None:
        """Say nothing."""

    @contextlib.contextmanager
    def progress(self, description: str, total: float | None, unit: str) -> Iterator[Bar]:
        """Show nothing."""
        yield self

    @contextlib.contextmanager
    def watch(self) -> Iterator[Show]:
        """Show nothing."""
        yield lambda make: None

    def advance(self, n: float) -> None:
        """Count nothing."""


@dataclass
class Run:
    """A job's surroundings.

    Parameters
    ----------
    dir : Path          where everything the run makes lies
    config : mapping    resolved config, plain values
    catalog : Catalog
    console : Console
    manifest : dict     see `start`; jobs add their results under "results"
    """

    dir: Path
    config: Mapping[str, Any]
    catalog: Catalog
    console: Console = field(default_factory=Quiet)
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The one seed."""
        return int(self.config["seed"])

    def component(self, slot: str) -> Any:
        """The component chosen for a slot."""
        return self.catalog.build(slot, self.config[slot])

    def components(self, slot: str) -> dict[str, Any]:
        """The components chosen for a slot that takes many, or for `regimes`, by their name in the config."""
        return {
            name: self.catalog.build(CHOICES[slot].name, node, f"{slot}.{name}")
            for name, node in self.config[slot].items()
        }

    def progress(
        self, description: str, total: float | None = None, unit: str = "rows"
    ) -> contextlib.AbstractContextManager[Bar]:
        """A progress bar on the run's console."""
        return self.console.progress(description, total, unit)

    def say(self, renderable: Any) -> None:
        """Print to the run's console."""
        self.console.say(renderable)

    def notify(self, kind: str, **data: Any) -> None:
        """Tell the observers."""
        self.catalog.notify(SessionEvent(kind, time.time_ns(), str(self.dir), data))

    @contextlib.contextmanager
    def recorded(self) -> Iterator[Run]:
        """Write the manifest around the work: running, then complete, failed or interrupted."""
        self.dir.mkdir(parents=True, exist_ok=True)
        if (self.dir / MANIFEST).exists():
            raise ConfigError(
                f"{self.dir} already holds a run",
                where="hydra.run.dir",
                hint="A run never writes over another one.",
                next="Leave hydra.run.dir alone, or name a new directory.",
            )
        self.manifest = describe(self.config, self.catalog)
        self._write("running")
        try:
            self.notify("run_started", verb=self.config["verb"])
            with self._compiling():
                yield self
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self.manifest["error"] = str(error) or type(error).__name__
            with contextlib.suppress(
                OSError, StoreError
            ):  # the disk may be what failed: the error itself matters more
                if not isinstance(error, BtcframeError):
                    (self.dir / "traceback.txt").write_text(traceback.format_exc())
                self._write(status)
            self.notify("run_failed", status=status, error=self.manifest["error"])
            raise
        self._write("complete")
        self.notify("run_finished", results=self.manifest.get("results", {}))

    @contextlib.contextmanager
    def _compiling(self) -> Iterator[None]:
        """Tell what of the work was compiling, in the manifest and, where anything was compiled, to the person."""
        from btcframe.kernels.compile import watched

        with watched() as kernels:
            try:
                yield
            finally:
                self.manifest["kernels"] = {
                    "compiled": kernels.compiled, "seconds": round(kernels.seconds, 3), "loaded": kernels.loaded,
                    "cache": sorted(kernels.folders),
                }  # fmt: skip
        if kernels.compiled:
            first, *others = sorted(kernels.folders)
            places = f"{first} and {len(others)} more" if others else first
            count = f"{kernels.compiled} kernel{'s' if kernels.compiled > 1 else ''}"
            self.say(f"Compiled {count} in {kernels.seconds:.1f} s into {places}")

    def _write(self, status: str) -> None:
        self.manifest["status"] = status
        self.manifest["started" if status == "running" else "finished"] = stamp()
        write_json(self.dir / MANIFEST, self.manifest)


def stamp() -> str:
    """The time of day, UTC, as manifests write it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def new_id(verb: str) -> str:
    """A name for a run that no other run has, on whatever machine: 20261122T163325Z-train-9f86d081884c.

    It sorts by time, tells what it is, and is one word in a shell, a file name and SQL. Of a thousand runs of one verb
    that start in the same second, two have the same 48 random bits once in half a billion times. It is no directory's
    name: that one is the user's to choose, may be moved, and is `0`, `1`, … in a sweep.
    """
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{verb}-{os.urandom(6).hex()}"


def write_json(path: Path, value: Any, what: str = "the manifest") -> None:
    """Write JSON so that the file, `what` in a message, is either the old one or the new one, never half of it."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    with replacing(path, what) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")


def describe(config: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Everything needed to run this again to the same bits, before it ran.

    The store and the runs that are read are not part of `config_hash`: where something lies does not change what it
    is, nor does where it is worked on. Which models were traded, and from which state, a backtest tells by their digests.
    """
    identity = {
        k: v
        for k, v in config.items()
        if k not in ("store", "trained", "session", "warm_start", "beside", "sweep", "engine")
    }
    plugins = {p.distribution: p.version for p in catalog.plugins}
    return {
        "id": new_id(config["verb"]),
        "btcframe": importlib.metadata.version("btcframe"),
        "verb": config["verb"],
        "seed": config["seed"],
        "config": dict(config),
        "config_hash": digest(identity),
        "git": git_state(Path(__file__).parent),
        "python": platform.python_version(),
        "machine": {
            "system": platform.system(),
            "cpu": cpu_class(),
            "cores": os.cpu_count(),
            "libc": " ".join(platform.libc_ver()),  # log and exp come from it
        },
        "packages": versions([*requirements(plugins), *INDIRECT]),
        "plugins": plugins,
        "code": code_of(((slot, node) for slot, _, node in nodes(config)), catalog),
        "command": sys.argv[1:],
    }


def cpu_class() -> str:
    """What decides the bits of compiled code: architecture and the features the compiler uses."""
    import llvmlite.binding

    return f"{platform.machine()} {llvmlite.binding.get_host_cpu_name()}"


def git_state(directory: Path) -> dict[str, Any] | None:
    """Commit and dirtiness of the checkout the code runs from; None where it is not a checkout."""

    def git(*args: str) -> str:
        return subprocess.run(
            ["git", "-C", str(directory), *args], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def load_manifest(directory: Path) -> dict[str, Any]:
    """Manifest of a finished run.

    Raises
    ------
    DataError
        If there is none, it cannot be read, a newer btcframe wrote it, or the run did not finish.
    """
    manifest = manifest_of(directory)
    if manifest["status"] != "complete":
        named = shlex.quote(str(directory))
        raise DataError(
            f"the run in {directory} is not whole: its status is {manifest['status']!r}",
            hint=str(manifest.get("error", "")),
            next=f"Does it run? btcframe session status {named}. If not, go on from it: btcframe trade warm_start={named} …"
            if (directory / STATUS).is_file()
            else f"Run it again: btcframe {shlex.join([manifest['verb'], *manifest['command']])}",
        )
    return manifest


def manifest_of(directory: Path) -> dict[str, Any]:
    """The manifest of a run, whether it finished or not.

    Raises
    ------
    DataError
        If there is none, it cannot be read, or a newer btcframe wrote it.
    """
    try:
        manifest = any_manifest(directory)
    except DataError as error:
        if version := _version_in(directory):
            _check_age(directory, version)
        raise error
    _check_age(directory, str(manifest["btcframe"]))
    return manifest


def _version_in(directory: Path) -> str:
    """The version that stands in a manifest that is not one for us."""
    try:
        told = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(told.get("btcframe", "")) if isinstance(told, dict) else ""


def _check_age(directory: Path, version: str) -> None:
    ours = importlib.metadata.version("btcframe")
    if _parts(version) > _parts(ours):
        raise DataError(
            f"the run in {directory} was made by btcframe {version}, which is newer than this one ({ours})",
            hint="What its manifest means is not known here.",
            next="pip install --upgrade btcframe",
        )


def _parts(version: str) -> tuple[int, ...]:
    """Major and minor version: within a minor one manifests only gain fields."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def any_manifest(directory: Path) -> dict[str, Any]:
    """Manifest of a run, whether it finished or not.

    Raises
    ------
    DataError
        If there is none, or it cannot be read.
    """
    path = directory / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        hint = "Runs stand in runs/ below the directory they were started in."
        raise DataError(f"{directory} is not a run: it has no {MANIFEST}", hint=hint) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("config"), dict):
        raise DataError(f"{path} is not the manifest of a run: it has no config")
    absent = [key for key in _WRITTEN if key not in manifest]
    if absent:
        raise DataError(
            f"the manifest {path} lacks {', '.join(absent)}",
            hint="It is damaged, or another version's.",
        )
    return manifest


def check(config: Mapping[str, Any], catalog: Catalog) -> None:
    """Build every component once and look at every setting, so that a bad config fails before any work."""
    check_settings(config)
    features = {}
    for slot, path, node in nodes(config):
        component = catalog.build(slot, node, path)
        if slot == "features":
            features[path.removeprefix("features.")] = component
    chosen(features, config["select"])
