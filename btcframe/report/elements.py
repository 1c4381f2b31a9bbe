"""HTML that cannot be broken out of: text becomes markup in one place only, and is escaped there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple


class Html(NamedTuple):
    """Markup that is safe to put on a page: made by `tag`, `join` or `trusted`, never from a plain string."""

    text: str


Child = str | Html | None
"""What may stand inside an element: text (it is escaped), markup, or nothing."""


def trusted(text: str) -> Html:
    """Markup that we wrote ourselves."""
    return Html(text)


def join(*children: Child) -> Html:
    """Children one after the other."""
    return Html("".join(c.text if isinstance(c, Html) else escape(c) for c in children if c is not None))


def tag(name: str, *children: Child, **attributes: str | None) -> Html:
    """An element.

    Parameters
    ----------
    name : str
    children : str, Html or None
    attributes : str or None
        `class_` is written class and `aria_label` aria-label; None leaves an attribute out.
    """
    words = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    ]
    return Html(f"<{name}{''.join(words)}>{join(*children).text}</{name}>")


def paragraphs(*texts: Child, class_: str | None = None) -> Html:
    """A paragraph each."""
    return join(*(tag("p", text, class_=class_) for text in texts))


def listed(items: Iterable[Child]) -> Html:
    """A bullet list."""
    return tag("ul", *(tag("li", item) for item in items))


def stacked(value: Child, below: Child) -> Html:
    """A value with its interval or its meaning in small print under it."""
    return join(value, tag("small", below)) if below else join(value)


def table(
    head: Sequence[Child], rows: Iterable[Sequence[Child]], caption: Child, *, text: int = 1, words: int = -1
) -> Html:
    """A table that becomes a list of labelled values where it would be wider than the screen.

    Parameters
    ----------
    head : sequence of Child            column names; the first names the rows; all empty: none are shown
    rows : iterable of sequences        the first cell is the row's name
    caption : Child
    text : int                          how many of the first columns are words; the others are numbers
    words : int                         one more column of words
    """
    names = [join(cell).text for cell in head]
    labels = [_plain(name) for name in names]

    def kind(at: int) -> str | None:
        return None if at < text or at == words else "number"

    def cells(row: Sequence[Child]) -> Iterable[Html]:
        for at, (label, cell) in enumerate(zip(labels, row, strict=True)):
            if at == 0:
                yield tag("th", cell, scope="row", role="rowheader", class_=kind(at))
            else:
                yield tag("td", tag("span", cell), role="cell", data_label=label, class_=kind(at))

    top = (
        tag("th", Html(name), scope="col", role="columnheader", class_=kind(at))
        for at, name in enumerate(names)
    )
    body = (tag("tr", *cells(row), role="row") for row in rows)
    # the roles say what it is even where the styles of a narrow screen lay it out as a list
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *top, role="row"), role="rowgroup") if any(names) else None,
        tag("tbody", *body, role="rowgroup"),
        role="table",
    )


def _plain(markup: str) -> str:
    """A cell's text without its tags and entities, for an attribute that is escaped again."""
    from html import unescape
    from re import sub

    return unescape(sub(r"<[^>]*>", " ", markup)).strip()
