"""Errors that say what, where, the nearest valid thing, and the next command.

Each class has an exit code; the table stands in docs/command-line.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BtcframeError(Exception):
    """Base of every error we raise on purpose: shown without a traceback.

    Parameters
    ----------
    what : str      what is wrong, with the offending value
    where : str     file, line, option or component it was found in
    hint : str      the nearest valid thing
    next : str      the command or edit to try next
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "", next: str = "") -> None:
        self.what, self.where, self.hint, self.next = what, where, hint, next
        super().__init__(str(self))

    def __str__(self) -> str:
        first = f"{self.what} ({self.where})." if self.where else self.what
        return "\n".join(line for line in (first, self.hint, self.next) if line)

    def __reduce__(self) -> tuple[object, ...]:
        # keyword-only arguments do not survive the default pickling, and sweep workers raise across processes
        return _rebuild, (type(self), self.what, self.where, self.hint, self.next)


def _rebuild(cls: type[BtcframeError], what: str, where: str, hint: str, next_: str) -> BtcframeError:
    return cls(what, where=where, hint=hint, next=next_)


class ConfigError(BtcframeError):
    """A typo, a wrong type or an impossible value in the configuration or on the command line."""

    exit_code = 2


class PluginError(BtcframeError):
    """A plugin that is missing, broken, clashes with another, or breaks the rules of its slot."""

    exit_code = 3


class DataError(BtcframeError):
    """Market data that is missing, malformed, truncated, empty or too short."""

    exit_code = 4


class StoreError(BtcframeError):
    """A store or directory that cannot be read or written."""

    exit_code = 5


class RefusedError(StoreError):
    """Rows that a store refuses, however often they are offered: their build is sealed, a type has changed.

    What waits for a store sets such rows apart; after any other StoreError it tries again.
    """


class ModelError(BtcframeError):
    """A model that is missing, does not fit the features, or cannot be trained on what there is."""

    exit_code = 6


class ReplayError(BtcframeError):
    """A replay that does not give the bits of the recorded session."""

    exit_code = 7


class SessionError(BtcframeError):
    """A session that does not run, does not answer, or cannot be reached."""

    exit_code = 8


class PromotionError(BtcframeError):
    """A model that the gate does not let through; it was trained, and is kept."""

    exit_code = 9


class DoctorError(BtcframeError):
    """Something that `btcframe doctor` looks at fails; `trade` refuses to trade real money with it."""

    exit_code = 10


class SweepError(BtcframeError):
    """A sweep of which jobs are not complete; the others are whole."""

    exit_code = 11


EXIT_INTERRUPTED = 130


SHOWN = 40
"""Valid names that a message lists at most."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """The valid name closest to `name`, whatever its case, or "" if none is close."""
    folded = {option.lower(): option for option in valid}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    return folded[close[0]] if close else ""


def did_you_mean(name: str, valid: Iterable[str], prefix: str = "") -> str:
    """'Did you mean model.alpha?' or, where nothing is close, the list of what is valid."""
    options = sorted(valid)
    close = nearest(name, options)
    if close:
        return f"Did you mean {prefix}{close}?"
    if not options:
        return ""
    rest = len(options) - SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return f"Valid: {', '.join(prefix + o for o in options[:SHOWN])}{more}."
