"""A report in a few lines, for the terminal."""

from __future__ import annotations

import os
from pathlib import Path

from btcframe.report.findings import Findings


def summary(found: Findings, page: Path) -> str:
    """The verdict, why, what the report had to leave out, and where the page lies.

    Parameters
    ----------
    found : Findings
    page : Path
    """
    verdict = found.verdict
    lines = [f"\nEvidence of an edge after costs: {verdict.answer}.", verdict.sentence]
    gone = dict.fromkeys(
        why for name, why in found.missing.items() if name != "session"
    )  # the verdict told that
    lines += [f"Left out: {why}" for why in gone]
    return "\n".join([*lines, f"Report: {near(page)}"])


def near(path: Path) -> str:
    """A path as one would type it: relative where it lies below the working directory."""
    return os.path.relpath(path) if path.resolve().is_relative_to(Path.cwd()) else str(path)
