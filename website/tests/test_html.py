"""The files of the built site: complete, without dead links, and without anything from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from website.api_pages import PAGES, ApiPage

SITE = Path(__file__).parents[2] / "build" / "site"
HTML = sorted(path for path in SITE.rglob("*.html") if path.name != "404.html")
# Parts of a page that a browser fetches by itself.
FETCHED = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src", "video": "src"}
NOT_FETCHED = {"canonical", "next", "prev", "alternate"}


class HtmlReferences(HTMLParser):
    """The links of a page, what a browser fetches for it, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the attributes of an element."""
        attributes = dict(attrs)
        self.anchors |= {name for name in (attributes.get("id"), attributes.get("name")) if name}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"] or "")
        target = attributes.get(FETCHED.get(tag, ""))
        if target and not NOT_FETCHED & set((attributes.get("rel") or "").split()):
            self.fetched.append(target)


@cache
def read_page(path: Path) -> HtmlReferences:
    """Parse a page of the site."""
    references = HtmlReferences()
    references.feed(path.read_text())
    return references


def find_dead_links(path: Path) -> Iterator[str]:
    """Yield the links of a page to a place of the site that does not exist."""
    base = f"/{path.relative_to(SITE).parent}/".replace("/./", "/")
    for link in read_page(path).links:
        parts = urlsplit(urljoin(base, link))
        if parts.scheme:
            continue
        target = SITE / unquote(parts.path).lstrip("/")
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file():
            yield f"{link}: no such page"
        elif parts.fragment and unquote(parts.fragment) not in read_page(target).anchors | {"__skip", "top"}:
            yield f"{link}: no such anchor"


def test_the_site_has_its_pages():
    """Those of docs/, the API reference and the changelog."""
    assert len(HTML) > 70


@pytest.mark.parametrize("path", HTML, ids=lambda path: str(path.relative_to(SITE).parent))
def test_no_link_is_dead(path: Path):
    """Those of the text, of the navigation and of the API reference, with their anchors."""
    assert list(find_dead_links(path)) == []


@pytest.mark.parametrize("path", HTML, ids=lambda path: str(path.relative_to(SITE).parent))
def test_nothing_is_fetched_from_elsewhere(path: Path):
    """No fonts, scripts, styles or images of other hosts: the site works offline."""
    assert [target for target in read_page(path).fetched if urlsplit(target).netloc] == []


def test_styles_fetch_nothing_from_elsewhere():
    """Nor does a style sheet import one."""
    styles = [
        path for path in SITE.rglob("*.css") if re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", path.read_text())
    ]

    assert styles == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_a_page_of_the_api_has_its_names(page: ApiPage):
    """Each with its signature or its fields, under an anchor of its own."""
    anchors = read_page(SITE / page.path.with_suffix("") / "index.html").anchors

    assert {f"{page.module}.{name}" for name in page.names} <= anchors
    assert any(anchor.startswith(f"{page.module}.") for anchor in anchors)


def test_examples_in_docstrings_are_code():
    """Not quotations, which Markdown makes from prompts."""
    quoted = [
        path for path in HTML if "reference/api" in str(path) and "<blockquote>\n<blockquote>" in path.read_text()
    ]

    assert quoted == []
