"""A comparison of regimes as a page of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from btcframe.errors import DataError
from btcframe.report.elements import Html, join, tag
from btcframe.report.page import document
from btcframe.report.sections_regimes import sections
from btcframe.report.words import counted, span_text

FILE = "regimes.json"
"""What a comparison found, in its run's directory: the page is made from it."""

VERSION = 1


def load_found(directory: Path) -> dict[str, Any]:
    """What a finished run of `btcframe regimes` left.

    Raises
    ------
    DataError
        If it is not there, cannot be read, or is another version's.
    """
    path = directory / FILE
    again = "Compare them again: btcframe regimes, with the same settings"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = found["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read: {error!r}", next=again) from error
    if version != VERSION:
        raise DataError(f"{path} is of version {version}, not {VERSION}", next=again)
    return found


def regimes_page(name: str, manifest: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The whole page.

    Parameters
    ----------
    name : str             of the run's directory
    manifest : mapping     of the run
    found : mapping        what `regimes.json` holds
    """
    foot = tag(
        "p",
        f"Made by btcframe {manifest['btcframe']} from {name}. Drag over a figure to look closer, double-click to go back.",
    )
    answer = found["verdict"]["answer"]
    return document(
        f"{found['symbol']}: {answer} · {name}", _head(name, manifest, found), sections(found), foot
    )


def _head(name: str, manifest: Mapping[str, Any], found: Mapping[str, Any]) -> Html:
    when = str(manifest.get("started", ""))[:16].replace("T", " ")
    span = span_text(found["last_ns"] - found["first_ns"])
    methods = counted(len(found["methods"]), "method")
    return join(
        tag("p", f"{found['symbol']} · source {found['source']} · {when} UTC · {name}", class_="origin"),
        tag("h1", "Regimes: ", tag("strong", f"{found['verdict']['answer']}.")),
        tag(
            "p",
            f"{methods} on the same {found['test_rows']:,} rows over {span}, each row labelled by a method that "
            "had not seen it.",
            class_="lead",
        ),
    )
