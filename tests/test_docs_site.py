"""The site of the docs: it builds without a warning, every page is in a menu, and it asks the network for nothing."""

from __future__ import annotations

import functools
import http.server
import logging
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""What a browser fetches by itself. A link that somebody clicks on may lead elsewhere."""

PAGES = (
    "index",
    "concepts",
    "getting-started",
    "config",
    "features",
    "benchmarks",
    "policies",
    "models",
    "how-to/report",
)
"""Those that are opened: tables, formulas, drawings, long lines of code."""

SCHEMES = {"light": "default", "dark": "slate"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: a warning is an error."""
    build = pytest.importorskip("mkdocs.commands.build")
    config = pytest.importorskip("mkdocs.config")
    folder = tmp_path_factory.mktemp("docs") / "site"
    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("mkdocs")
    log.addHandler(handler)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build.build(config.load_config("mkdocs.yml", site_dir=str(folder)))
    log.removeHandler(handler)
    assert not heard, "\n".join(heard)
    return folder


class _Loaded(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "next", "prev"):
            return
        self.found += [value for name in [LOADED.get(tag, "")] if (value := given.get(name))]


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert loaded.found
        assert not [url for url in loaded.found if re.match(r"(\w+:)?//", url)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", style.read_text(encoding="utf-8")), style


def test_the_drawings_are_on_the_page_and_take_its_colours(site: Path) -> None:
    text = (site / "concepts.html").read_text(encoding="utf-8")
    drawings = re.findall(r'<figure>\s*<svg class="flow".*?</svg>\s*</figure>', text, re.DOTALL)
    assert len(drawings) == 2 and all(
        "currentColor" in drawing and "<p>" not in drawing for drawing in drawings
    )


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where the site is served: its search works from a server only."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_reads_on_a_screen_and_on_a_phone(address: str, browser: Any) -> None:
    for scheme, width in (("light", 1280), ("dark", 390)):
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        for name in PAGES:
            page.goto(f"{address}/{name}.html")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            used = page.evaluate("document.body.dataset.mdColorScheme")
            assert used == SCHEMES[scheme], name
        assert not said and not [url for url in asked if not url.startswith((address, "data:"))]
        context.close()


def test_the_search_finds_a_setting(address: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{address}/index.html")
    page.fill("input[name=query]", "embargo")
    page.wait_for_selector(".md-search-result__item")
    page.close()
