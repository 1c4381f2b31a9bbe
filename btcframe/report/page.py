"""A page that needs nothing but itself: styles, script, figures and plotly.js in one file.

Its content security policy allows no request and runs the two scripts we put in and no other, whatever a config or a
plugin's name may hold.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from btcframe.atomic import replacing
from btcframe.report.elements import Child, Html, join, tag

PAGE = "report.html"
"""A run's report in its directory."""


class Section(NamedTuple):
    """A part of a page.

    Parameters
    ----------
    name : str      its id, and where the contents link to
    title : str
    body : Html
    """

    name: str
    title: str
    body: Html


def document(title: str, head: Child, sections: Sequence[Section], foot: Child = None) -> str:
    """A whole page.

    Parameters
    ----------
    title : str         of the window
    head : Child        what stands above everything, with the page's h1
    sections : sequence of Section
    foot : Child        small print at the end
    """
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs(), _file("page.js")]
    links = join(*(tag("a", s.title, href=f"#{s.name}") for s in sections))
    body = join(
        tag("a", "Skip to the contents", class_="skip", href="#main"),
        tag("header", head),
        tag("nav", links, aria_label="Contents"),
        tag("main", *map(_section, sections), id="main"),
        tag(
            "noscript", tag("p", "The figures need JavaScript; the numbers stand in the text and the tables.")
        ),
        tag("footer", foot) if foot else None,
    )
    policy = "; ".join(
        (
            "default-src 'none'",
            "script-src " + " ".join(map(_hash, scripts)),
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title>",
            f"<style>{_file('page.css')}</style>",
            "</head>",
            f"<body>{body.text}",
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        )
    )


def _section(section: Section) -> Html:
    heading = f"{section.name}-title"
    return tag(
        "section",
        tag("h2", section.title, id=heading),
        tag("div", section.body, class_="body"),
        id=section.name,
        aria_labelledby=heading,
    )


def _file(name: str) -> str:
    return (resources.files("btcframe.report") / "page_files" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def save(path: Path, page: str) -> None:
    """Write a page: either the whole one or none."""
    with replacing(path, "the page") as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def key_figures(items: Sequence[tuple[str, Child, Child]]) -> Html:
    """The few numbers to look at first.

    Parameters
    ----------
    items : sequence of (name, value with its unit, interval or meaning)
    """
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value, tag("small", below) if below else None))
            for name, value, below in items
        ),
        class_="key",
    )


def folded(title: str, body: Html, *, opened: bool = False) -> Html:
    """Something to look up: closed on the screen unless `opened`, always open on paper."""
    return tag("details", tag("summary", title), body, open="" if opened else None)


def empty(why: Child) -> Html:
    """What stands where there is nothing to show: why there is not."""
    return tag("p", why, class_="empty")
