"""The report of a run as a page."""

from __future__ import annotations

from btcframe.report import (
    sections_columns,
    sections_models,
    sections_prediction,
    sections_quality,
    sections_run,
    sections_trading,
)
from btcframe.report.elements import Html, join, tag
from btcframe.report.findings import Findings
from btcframe.report.page import document
from btcframe.report.sections_trading import COLOUR


def run_page(found: Findings) -> str:
    """The whole page; `found` holds everything it says."""
    sections = [
        *sections_trading.sections(found),
        sections_prediction.section(found),
        *sections_models.sections(found),
        sections_columns.section(found.build),
        sections_quality.section(found.build),
        *sections_run.sections(found),
    ]
    foot = tag(
        "p",
        f"Made by btcframe {found.manifest['btcframe']} from {found.name}. Drag over a figure to look closer, double-click "
        "to go back. A simulation: no promise about profit.",
    )
    title = f"{found.market.symbol}: {found.verdict.answer} · {found.name}"
    return document(title, _head(found), sections, foot)


def _head(found: Findings) -> Html:
    answer = found.verdict.answer
    market = found.market
    when = str(found.manifest.get("started", ""))[:16].replace("T", " ")
    said = found.verdict.sentence
    return join(
        tag("p", f"{market.symbol} · source {market.source} · {when} UTC · {found.name}", class_="origin"),
        tag("h1", "Evidence of an edge after costs: ", tag("strong", answer, class_=COLOUR[answer]), "."),
        tag("p", f"{said[0].upper()}{said[1:]}", class_="lead"),
    )
