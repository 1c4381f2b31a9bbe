"""Where the journals and locks of accounts lie: with the user, whatever directory a session is started in."""

from __future__ import annotations

import os
from pathlib import Path

from btcframe.errors import ConfigError


def accounts_home() -> Path:
    """The directory of this user's accounts: btcframe/journals below $XDG_DATA_HOME, ~/.local/share where that is unset.

    Raises
    ------
    ConfigError
        If the user has no home directory.
    """
    try:
        root = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    except RuntimeError:
        raise ConfigError(
            "this user has no home directory, where the locks of accounts lie",
            where="venue",
            next="export XDG_DATA_HOME=DIR, the same for every trader on this machine",
        ) from None
    return root.absolute() / "btcframe" / "journals"


def journals_in(journal: str) -> Path:
    """The directory that `venue.journal` means; "" is the user's own. Raises ConfigError."""
    return Path(journal).absolute() if journal else accounts_home()
