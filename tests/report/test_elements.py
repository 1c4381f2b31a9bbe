"""Nothing that comes from outside becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.report.elements import Html, join, listed, paragraphs, stacked, table, tag
from btcframe.report.page import Section, document, folded, key_figures
from btcframe.report.plots import Figure, drawn, layout, line
from btcframe.report.prose import prose

EVIL = "\"'><script>alert(1)</script></title></style><!--<img src=x onerror=alert(1)>&amp;"


class Seen(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@settings(max_examples=100, derandomize=True)
@given(st.text(), st.text())
def test_text_and_attributes_come_out_as_they_went_in(text: str, value: str) -> None:
    markup = tag("p", text, tag("b", text), title=value).text
    seen = Seen(markup)
    assert seen.tags == ["p", "b"]
    # a parser reads all line ends as one kind, and nothing else changes
    assert seen.text.replace("\r", "\n") == (text + text).replace("\r", "\n")
    assert seen.attributes == [("title", value)]


def test_every_helper_escapes() -> None:
    pieces = (
        paragraphs(EVIL),
        listed([EVIL]),
        stacked(EVIL, EVIL),
        table([EVIL, EVIL], [[EVIL, EVIL]], EVIL),
        key_figures([(EVIL, EVIL, EVIL)]),
        folded(EVIL, join(EVIL)),
        prose(EVIL),
    )
    for piece in pieces:
        assert not {"script", "img", "title", "style"} & set(Seen(piece.text).tags)


def test_a_page_runs_its_own_two_scripts_only() -> None:
    trace = line([1.0, 2.0], [1.0, 2.0], "var(--s1)", EVIL)
    figure = drawn(Figure("figure", EVIL, [trace], layout(), EVIL, EVIL))
    page = document(EVIL, tag("h1", EVIL), [Section("one", EVIL, figure)], tag("p", EVIL))
    seen = Seen(page)
    assert seen.tags.count("script") == 3  # the figure's values, plotly.js and ours
    assert "img" not in seen.tags
    policy = next(v for k, v in seen.attributes if k == "content" and v and v.startswith("default-src"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("style-src")[0]


def test_a_docstring_as_prose() -> None:
    doc = """Takes `x` and gives it back.

    Second paragraph,
    on two lines.

    - one
      still one
    - two

    Parameters
    ----------
    x : int
    """
    assert prose(doc) == Html(
        "<p>Takes <code>x</code> and gives it back.</p><p>Second paragraph, on two lines.</p>"
        "<ul><li>one still one</li><li>two</li></ul>"
    )
