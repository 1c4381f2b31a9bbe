"""A component's docstring as markup: its own words are the page's."""

from __future__ import annotations

import inspect
import re

from btcframe.report.elements import Html, join, listed, tag


def prose(doc: str) -> Html:
    """What stands before the first numpydoc section: paragraphs, bullet lists, `code`.

    Parameters
    ----------
    doc : str     a docstring as it stands in the code
    """
    body = re.split(r"\n[^\n]+\n-{3,}\n", f"{inspect.cleandoc(doc)}\n")[0]
    body = re.split(r"\n\nOutputs:", body)[0]
    return join(*(_block(block) for block in re.split(r"\n\s*\n", body) if block.strip()))


def _block(block: str) -> Html:
    if block.startswith("- "):
        items = re.split(r"\n- ", block[2:])
        return listed(_inline(item) for item in items)
    return tag("p", _inline(block))


def _inline(text: str) -> Html:
    """Text on one line, what stands in backquotes as code."""
    parts = re.split(r"`+([^`]+)`+", " ".join(text.split()))
    return join(*(tag("code", part) if k % 2 else part for k, part in enumerate(parts)))
