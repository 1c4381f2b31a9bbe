"""The version of the plugin API, and whether a plugin that was written for another one can be used (docs/plugin-api.md)."""

from __future__ import annotations

import re

API_VERSION = "1.1"
"""MAJOR.MINOR: additions raise the second number, what breaks a plugin the first."""

DECLARED = "BTCFRAME_API"
"""What a plugin's module says which version it was written for with: ``BTCFRAME_API = "1.0"``."""

FIRST = "1.0"
"""What a plugin was written for that does not say: the version at which plugins began to say so."""

_FORM = r"(\d{1,4})\.(\d{1,4})"
_LINE = re.compile(rf"""^{DECLARED}\s*(?::[^=\n]*)?=\s*["']({_FORM})["']""", re.MULTILINE)


def misfit(written_for: object) -> tuple[str, str]:
    """Why a plugin that was written for this version cannot be used, and the cure; empty where it can.

    One of a newer MINOR can: what it needs beyond this version, it finds missing when it is imported.
    """
    if not isinstance(written_for, str) or not re.fullmatch(_FORM, written_for):
        return (
            f"{DECLARED} = {written_for!r} is no version of the plugin API",
            "Write it as MAJOR.MINOR: '1.0'.",
        )
    theirs, ours = _major(written_for), _major(API_VERSION)
    if theirs == ours:
        return "", ""
    cure = "Install a newer btcframe, or an older version of the plugin."
    if theirs < ours:
        cure = "Install a newer version of the plugin, or an older btcframe."
    return _differs(written_for), cure


def newer(source: str) -> str:
    """'it is written for plugin API 1.3, this btcframe has 1.0', read from the text of a plugin's module.

    For one that cannot be imported: that may be why. Empty where it is not newer, or does not say.
    """
    found = _LINE.search(source)
    if found is None or _numbers(found[1]) <= _numbers(API_VERSION):
        return ""
    return _differs(found[1])


def _differs(written_for: str) -> str:
    return f"it is written for plugin API {written_for}, this btcframe has {API_VERSION}"


def _major(text: str) -> int:
    return _numbers(text)[0]


def _numbers(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)
