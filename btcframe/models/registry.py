"""Where models are kept beyond the run that trained them, and which of them is in use.

A registry is a directory, and there may be none yet::

    0123456789ab/artefact/    the artefact, as the run left it; named by the first digits of its digest
    0123456789ab/run.json     what the run told of itself and of what its models are worth
    aliases.json              which model each alias points to: {"production": "0123456789ab"}
    promotions.jsonl          every promotion and every refusal, the oldest first

Whatever appears here appears whole or not at all. Who writes holds a lock; who reads needs none.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from btcframe.atomic import replacing, unwritable
from btcframe.errors import ModelError, StoreError, nearest
from btcframe.models.artefacts import MANIFEST, flush, read_manifest, verified
from btcframe.models.promotions import (
    ALIASES,
    DIGITS,
    HISTORY,
    LEAST,
    PRODUCTION,
    Promoted,
    check_alias,
    is_model,
    now,
    read_aliases,
    read_history,
    unreadable,
)

__all__ = ["ALIASES", "HISTORY", "PRODUCTION", "Entry", "Promoted", "Registry", "check_alias"]

ARTEFACT = "artefact"
RUN = "run.json"


@dataclass(frozen=True)
class Entry:
    """A model of the registry.

    Parameters
    ----------
    model : str           the digits that name it
    artefact : Path       its directory
    manifest : mapping    of the artefact; empty where it is damaged
    run : mapping         what the run told; empty where it is damaged, or not in the registry
    damage : str          what is wrong with it, "" for nothing
    """

    model: str
    artefact: Path
    manifest: Mapping[str, Any]
    run: Mapping[str, Any]
    damage: str = ""


@dataclass(frozen=True)
class Registry:
    """The models in a directory.

    Parameters
    ----------
    path : Path    it is made by the first model
    """

    path: Path

    def add(self, artefact: Path, run: Mapping[str, Any]) -> str:
        """Copy an artefact into the registry, and return the digits that name it; one that is there stays.

        Parameters
        ----------
        artefact : Path
        run : mapping     plain values: what its run told, for `run.json`

        Raises
        ------
        ModelError
            If the artefact, or the copy that is there already, is damaged.
        StoreError
            If it cannot be written; nothing is left behind then.
        """
        model: str = verified(artefact)["digest"][:DIGITS]
        place = self.path / model
        with self._locked():
            if place.exists():
                verified(place / ARTEFACT)
                _read_run(place / RUN)
                return model
            temporary = self.path / f".{model}.{os.getpid()}.tmp"
            try:
                shutil.copytree(artefact, temporary / ARTEFACT)
                sealed = {"run": dict(run), "checksum": _checksum(run)}
                (temporary / RUN).write_text(json.dumps(sealed, indent=1) + "\n", encoding="utf-8")
                verified(temporary / ARTEFACT)
                flush(temporary)
                temporary.rename(place)
            except shutil.Error as error:  # one for all files that could not be copied
                _, _, why = error.args[0][0]
                raise _unwritable("the model", place, OSError(why)) from error
            except OSError as error:
                raise _unwritable("the model", place, error) from error
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return model

    def find(self, name: str) -> Path:
        """The directory of an artefact by an alias, the first digits of its digest, or a path.

        Raises
        ------
        ModelError
            If there is none of this name, or several; it names the nearest.
        StoreError
            If the registry cannot be read.
        """
        return self.entry(name).artefact

    def entry(self, name: str) -> Entry:
        """The model of a name as `find` takes it.

        Raises
        ------
        ModelError, StoreError
            As `find`; and if the model is damaged.
        """
        aliases = self.aliases()
        if name in aliases:
            if not (self.path / aliases[name]).is_dir():
                raise ModelError(
                    f"{name} points to {aliases[name]}, which is not among the models",
                    where=str(self.path),
                    next=f"Bring its directory back, or promote another: btcframe models promote NAME --as {name}",
                )
            return self._whole(aliases[name])
        models = self._names()
        if re.fullmatch(f"[0-9a-f]{{{LEAST},64}}", name):
            found = [model for model in models if model.startswith(name[:DIGITS])]
            if len(found) > 1:
                raise ModelError(
                    f"{name} begins several models: {', '.join(found)}", hint="Give more of its digits."
                )
            if found:
                return self._whole(found[0])
        if (artefact := _artefact(Path(name))) is not None:
            manifest = read_manifest(artefact)
            return Entry(manifest["digest"][:DIGITS], artefact, manifest, {})
        raise self._unknown(name, [*aliases, *models])

    def models(self) -> list[Entry]:
        """All models, the one that was trained last first; those that are damaged, too, with what is wrong."""
        entries = []
        for model in self._names():
            try:
                entries.append(self._whole(model))
            except ModelError as error:
                entries.append(Entry(model, self.path / model / ARTEFACT, {}, {}, error.what))
        return sorted(entries, key=lambda entry: str(entry.run.get("started", "")), reverse=True)

    def aliases(self) -> dict[str, str]:
        """Which model each alias points to.

        Raises
        ------
        StoreError
            If they cannot be read.
        """
        return read_aliases(self.path)

    def alias(self, name: str) -> str | None:
        """The model that an alias points to; None where there is no such alias."""
        return self.aliases().get(name)

    def previous(self, name: str) -> str | None:
        """The model that an alias pointed to before; None where there was none."""
        to = self.alias(name)
        for promoted in reversed(self.history()):
            moved = promoted.alias == name and promoted.model == to and not promoted.refused
            if moved and promoted.before not in ("", to):
                return promoted.before
        return None

    def history(self) -> list[Promoted]:
        """All promotions and refusals, the oldest first.

        Raises
        ------
        StoreError
            If they cannot be read.
        """
        return read_history(self.path)

    def point(self, alias: str, model: str, *, by: str, forced: bool = False, reason: str = "") -> Promoted:
        """Let an alias point to a model of the registry.

        It is written to the history before the alias moves, so that a crash between the two loses nothing: what the
        alias points to is what `aliases.json` says.

        Parameters
        ----------
        alias : str
        model : str      the digits that `add` gave
        by : str         who asks for it
        forced : bool    the gate would have refused it
        reason : str     why it is forced

        Raises
        ------
        ConfigError
            If this is no name for an alias.
        ModelError
            If the model is not there or damaged.
        StoreError
            If it cannot be written: the alias points to what it pointed to.
        """
        check_alias(alias)
        with self._locked():
            models = self._names()
            if model not in models:
                raise self._unknown(model, models)
            verified(self.path / model / ARTEFACT)
            aliases = self.aliases()
            promoted = Promoted(now(), alias, model, aliases.get(alias, ""), by, False, forced, reason)
            self._append(promoted)
            self._write(ALIASES, json.dumps(aliases | {alias: model}, indent=1, sort_keys=True) + "\n")
        return promoted

    def refuse(self, alias: str, model: str, *, by: str, reason: str) -> Promoted:
        """Write down that a model was not promoted; arguments and errors as those of `point`."""
        check_alias(alias)
        with self._locked():
            promoted = Promoted(now(), alias, model, self.alias(alias) or "", by, True, False, reason)
            self._append(promoted)
        return promoted

    @contextlib.contextmanager
    def training(self, alias: str) -> Iterator[None]:
        """Hold the right to train for an alias: one training at a time on this machine, whoever starts it.

        Raises
        ------
        StoreError
            If another one does.
        """
        check_alias(alias)
        with self._lock_file(f".{alias}.training") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(
                    f"another training for {alias} has not ended",
                    where=str(self.path),
                    hint="One at a time: two would promote by turns.",
                    next="Wait for it, or train for another alias: promote.to=NAME",
                ) from None
            yield

    def _names(self) -> list[str]:
        try:
            return sorted(place.name for place in self.path.iterdir() if is_model(place.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unreadable(self.path, error.strerror or str(error)) from error

    def _whole(self, model: str) -> Entry:
        artefact = self.path / model / ARTEFACT
        manifest = read_manifest(artefact)
        if not manifest["digest"].startswith(model):
            raise ModelError(
                f"the model is damaged: it lies under the name {model} and is {manifest['digest'][:DIGITS]}",
                where=str(artefact),
                next="Name its directory by its digest.",
            )
        return Entry(model, artefact, manifest, _read_run(self.path / model / RUN))

    def _unknown(self, name: str, known: list[str]) -> ModelError:
        close = nearest(name, known)
        return ModelError(
            f"there is no model {name!r}",
            where=f"registry {self.path}" if known else f"registry {self.path}, which holds none",
            hint=f"Did you mean {close}?"
            if close
            else "A name is an alias, the first digits of a model, or a path.",
            next="What there is: btcframe models list"
            if known
            else "Put one there: btcframe train promote.to=production, or btcframe models promote RUN",
        )

    def _append(self, promoted: Promoted) -> None:
        """Write the history anew with a line more: it is short, and half a line cannot be left behind so."""
        lines = [*self.history(), promoted]
        self._write(HISTORY, "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines))

    def _write(self, name: str, text: str) -> None:
        path = self.path / name
        try:
            with replacing(path, f"the registry's {name}") as temporary:
                temporary.write_text(text, encoding="utf-8")
        except StoreError as error:
            raise StoreError(error.what, where=error.where, next=_ROOM) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the right to write; what a process left half written when it was killed is cleared away."""
        with self._lock_file(".lock") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                for left in self.path.glob(".*.tmp"):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            except OSError as error:
                raise _unwritable("the registry", self.path, error) from error
            yield

    @contextlib.contextmanager
    def _lock_file(self, name: str) -> Iterator[Any]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / name).open("ab")
        except OSError as error:
            raise _unwritable("the registry", self.path, error) from error
        with file:  # closing it lets go of the lock
            yield file


_ROOM = "Free some space or choose another place: promote.registry=…, --registry …"


def _artefact(path: Path) -> Path | None:
    """The artefact at a path, or in a model's directory of a registry."""
    return next((p for p in (path, path / ARTEFACT) if (p / MANIFEST).is_file()), None)


def _read_run(path: Path) -> dict[str, Any]:
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
        run: dict[str, Any] = sealed["run"]
        why = "" if sealed["checksum"] == _checksum(run) else "does not match its checksum"
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"cannot be read: {error!r}"
    if why:
        raise ModelError(
            f"the model is damaged: {RUN} {why}",
            where=str(path),
            next="Remove its directory and promote it again: btcframe models promote RUN",
        )
    return run


def _checksum(run: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def _unwritable(what: str, path: Path, error: OSError) -> StoreError:
    told = unwritable(what, path, error)
    return StoreError(told.what, where=told.where, next=_ROOM)
