"""A report in a few lines, for the terminal."""

from __future__ import annotations

import os
from pathlib import Path

from btcframe.report.findings import Findings


def summary(found: Findings, page: Path) -> str:
    """The verdict, why, and where the page lies.

    Parameters
    ----------
    found : Findings
    page : Path
    """
    verdict = found.verdict
    return f"\nEvidence of an edge after costs: {verdict.answer}.\n{verdict.sentence}\nReport: {near(page)}"


def near(path: Path) -> str:
    """A path as one would type it: relative where it lies below the working directory."""
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else str(path)
