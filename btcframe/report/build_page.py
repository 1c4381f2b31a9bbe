"""The report of a build as a page: its rows, and what its columns are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btcframe.report import sections_columns, sections_quality
from btcframe.report.elements import Html, join, tag
from btcframe.report.page import Section, document, key_figures
from btcframe.report.sections_run import rows_of
from btcframe.report.words import counted, span_text
from btcframe.types import duration_name


def build_page(name: str, manifest: Mapping[str, Any], build: Mapping[str, Any]) -> str:
    """The whole page.

    Parameters
    ----------
    name : str             of the run's directory
    manifest : mapping     of the run
    build : mapping        manifest of the build
    """
    told = manifest["results"]["build"]
    sections = [
        sections_columns.section(build, opened=True),
        sections_quality.section(build),
        Section("rows", "Rows", rows_of(build)),
    ]
    foot = tag("p", f"Made by btcframe {manifest['btcframe']} from {name}.")
    return document(
        f"{build['symbol']}: build {told['id']} · {name}", _head(name, manifest, build), sections, foot
    )


def _head(name: str, manifest: Mapping[str, Any], build: Mapping[str, Any]) -> Html:
    s, layout = build["summary"], build["layout"]
    source = manifest["config"]["source"]["plugin"]
    when = str(manifest.get("started", ""))[:16].replace("T", " ")
    horizons = ", ".join(map(duration_name, layout["horizons_ns"]))
    columns = counted(len(layout["columns"]), "feature")
    figures = (
        ("Rows", f"{s['rows']:,}", span_text(s["last_ns"] - s["first_ns"])),
        ("Columns", columns, f"and {counted(len(layout['regime_columns']), 'regime descriptor')}"),
        ("Warm-up", f"{s['warmup']:,}", "rows until every feature is known"),
        ("Unusable", f"{s['unusable']:,}", "rows without a book that can be used"),
    )
    return join(
        tag("p", f"{build['symbol']} · source {source} · {when} UTC · {name}", class_="origin"),
        tag("h1", "Training table ", tag("strong", manifest["results"]["build"]["id"])),
        key_figures(figures),
        tag("p", f"Labels look {horizons} ahead.", class_="lead"),
    )
