"""No password in a config: refused before Hydra copies overrides and files into the run directory, or shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from btcframe.errors import ConfigError

_SECRET = re.compile(r"://[^/\s@]*:[^/\s@]*@|\bpassword['\"]?\s*[=:]|[^\s=:/@]+:[^\s@/]*@", re.IGNORECASE)
"""A password in a URL or in a connection string, as far as one can be told."""

_HINT = (
    "A password is no setting: set host, port, database and user apart, and leave the password to "
    "PGPASSWORD, ~/.pgpass, or what your object store reads from the environment."
)


def check_override(text: str, where: str) -> None:
    """Refuse a password among the settings of a store. Raises ConfigError, which does not repeat it."""
    key, equals, value = text.partition("=")
    if equals and key.lstrip("+").startswith("store") and _SECRET.search(value):
        raise ConfigError(f"{key}: there is a password in it", where=where, hint=_HINT)


def check_files(folder: Path, experiments: Iterable[str]) -> None:
    """Refuse a password in the files that a run may take from a user's own directory.

    Parameters
    ----------
    folder : Path           what --config-dir names
    experiments : iterable of str    the files below `experiment` that are asked for; those below `store` are all read

    Raises
    ------
    ConfigError
        It names file and line, and does not repeat what is in it. A file that cannot be read is Hydra's to refuse.
    """
    named = (folder / "experiment" / f"{name}.yaml" for name in experiments)
    for path in (*named, *sorted(folder.glob("store/*.yaml"))):
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for n, line in enumerate(lines, start=1):
            if not line.lstrip().startswith("#") and _SECRET.search(line):
                raise ConfigError(
                    "there is a password in a config file", where=f"{path}, line {n}", hint=_HINT
                )
