"""Tab completion from a cache of schemas: no Hydra, no plugin import.

The cache is keyed on what is installed (every plugin distribution's version and the stamps of its files), written
by whichever command discovers plugins next, and never served stale.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from btcframe.plugins import Catalog

BASH = """\
_btcframe() {
  local IFS=$'\\n'
  COMPREPLY=($(btcframe __complete bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=.] ]] && compopt -o nospace
}
complete -o default -F _btcframe btcframe
"""

ZSH = """\
#compdef btcframe
_btcframe() {
  local -a found
  found=("${(@f)$(btcframe __complete zsh "$LBUFFER" 2>/dev/null)}")
  [[ -n "${found[1]}" ]] && compadd -Q -S '' -- "${found[@]}" || _files
}
compdef _btcframe btcframe
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH}


def cache_file() -> Path:
    """Where the schemas of what is installed now are cached."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "btcframe" / f"schemas-{_installed()}.json"


def _installed() -> str:
    """Changes whenever a plugin distribution, or a file of one, changes."""
    state = hashlib.sha256()
    for entry in sorted(importlib.metadata.entry_points(group="btcframe"), key=lambda e: (e.name, e.value)):
        state.update(f"{entry.name}={entry.value} {entry.dist.version if entry.dist else ''}\n".encode())
        spec = importlib.util.find_spec(entry.value.partition(".")[0])
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for file in sorted(Path(folder).rglob("*.py")) + sorted(Path(folder).rglob("*.yaml")):
                stat = file.stat()
                state.update(f"{file} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    return state.hexdigest()[:16]


def remember(catalog: Catalog) -> dict[str, Any]:
    """Write the cache where there is none for what is installed now, and return it."""
    path = cache_file()
    if path.exists():
        return _read(path)
    from btcframe.config import LOOKED_AT, Root, presets
    from btcframe.slots import CHOICES

    known = {
        "slots": {
            key: {
                c.name: {f.name: list(f.choices) for f in c.fields}
                for c in catalog.components[slot.name].values()
            }
            for key, slot in CHOICES.items()
        },
        "root": {
            name: list(getattr(getattr(Root(), name), "__dataclass_fields__", ()))
            for name in Root.__dataclass_fields__
        },
        "looked_at": {noun: list(settings) for noun, settings in LOOKED_AT.items()},
        "experiments": presets(catalog.config_paths),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob("schemas-*.json"):
            old.unlink(missing_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(known))
        temporary.replace(path)
    except OSError:
        return known  # a read-only home makes completion slower, nothing else
    return known


def _read(path: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(path.read_text())
    return known


def schemas() -> dict[str, Any]:
    """The cache; plugins are discovered only where it does not exist yet."""
    path = cache_file()
    if path.exists():
        return _read(path)
    from btcframe.plugins import discover

    return remember(discover())


def complete(shell: str, line: str, verbs: tuple[str, ...], nouns: dict[str, tuple[str, ...]]) -> list[str]:
    """What could stand at the end of the line."""
    try:
        words = shlex.split(line)
    except ValueError:  # an open quote: complete the rest as it stands
        words = line.split()
    current = words.pop() if words and not line.endswith((" ", "\t")) else ""
    words = words[1:]
    if not words:
        return [w for w in (*verbs, *nouns) if w.startswith(current)]
    if len(words) == 1 and any(not word.startswith("-") for word in nouns.get(words[0], ())):
        return [w for w in nouns[words[0]] if w.startswith(current)]
    if words[0] not in (*verbs, *nouns):
        return []
    if words[0] == "session":
        return [found for found in (*_sessions(), "--json") if found.startswith(current)]
    if words[0] == "models":
        return [found for found in (*_models(words[1]), "--json") if found.startswith(current)]
    if words[0] == "runs":
        return [found for found in (*_runs(), "--json") if found.startswith(current)]
    known = schemas()
    if words[:2] == ["plugins", "new"]:
        slots = [slot for slot in known["slots"] if slot != "regimes"]
        return [w for w in (slots if words[-1] == "--slot" else ("--slot", "--dir")) if w.startswith(current)]
    if words[0] in nouns and words[0] not in known["looked_at"]:
        return [w for w in nouns[words[0]] if w.startswith(current)]
    found = sorted({c for c in _overrides(current, words, known) if c.startswith(current)})
    if words[0] in nouns:
        settings = tuple(known["looked_at"][words[0]])
        found = [c for c in found if c.startswith((*settings, "--cfg"))]
        flags = [word for word in nouns[words[0]] if word.startswith("-")] or ["--json"]
        found += [flag for flag in flags if flag.startswith(current)]
    if shell == "bash" and "=" in current:  # bash breaks words at '=': give only what follows it
        return [c[current.rindex("=") + 1 :] for c in found]
    return found


def _sessions() -> list[str]:
    """Directories of sessions, the newest first, as far as their names tell."""
    return sorted((str(path.parent) for path in Path("runs").glob("*/status.json")), reverse=True)


def _runs() -> list[str]:
    """Runs and sweeps below `runs/`, the newest first, as far as their names tell."""
    return sorted(
        {
            str(path.parent)
            for name in ("manifest.json", "sweep.json")
            for path in Path("runs").glob(f"*/{name}")
        },
        reverse=True,
    )


def _models(command: str) -> list[str]:
    """Aliases and models of the registry that stands where one works, and the runs that have models."""
    from btcframe.errors import StoreError
    from btcframe.models.promotions import is_model, read_aliases
    from btcframe.sections import Promote

    registry = Path(Promote().registry)
    try:
        aliases = list(read_aliases(registry))
    except StoreError:
        aliases = []  # the command itself says what is wrong
    models = sorted(place.name for place in registry.glob("*") if is_model(place.name))
    runs = sorted((str(path.parent) for path in Path("runs").glob("*/models")), reverse=True)
    return [] if command == "list" else [*aliases, *models, *runs]


def _overrides(current: str, words: list[str], known: dict[str, Any]) -> list[str]:
    key, equals, value = current.partition("=")
    slots = known["slots"]
    head, dot, field = key.partition(".")
    chosen = {w.partition("=")[0]: w.partition("=")[2] for w in words}
    if equals:
        stem = value.rpartition(",")[0]
        before = f"{key}={stem}," if stem else f"{key}="
        if key == "experiment":
            options = known["experiments"]
        elif key in slots:
            options = list(slots[key])
        elif head in slots:
            options = [c for fields in slots[head].values() for c in fields.get(field, ())]
        else:
            options = []
        return [before + o for o in dict.fromkeys(options)]
    if dot and head in slots:
        components = slots[head]
        names = [n for n in chosen.get(head, "").split(",") if n in components] or list(components)
        return [f"{head}.{f}=" for n in names for f in components[n]]
    if dot and known["root"].get(head):
        return [f"{head}.{f}=" for f in known["root"][head]]
    tops = [f"{name}." if fields else f"{name}=" for name, fields in known["root"].items()]
    return [
        *tops,
        *(f"{slot}=" for slot in slots),
        *(f"{slot}." for slot in slots),
        "experiment=",
        "--cfg",
        "-m",
    ]
