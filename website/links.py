"""Links and headings of Markdown pages, read as the code host reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE_HOST = "https://github.com/lambdachain/lambdachain"

_FENCE = re.compile(r"^(?P<marks> *(?:`{3,}|~{3,})).*?^(?P=marks)`*[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:.|\n(?!\n))+?(?<!`)\1(?!`)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# [text](target): a text may have brackets of its own, as in [`f(x[0])`](target), and an image inside.
_LINK = re.compile(r"\]\((?P<target>[^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?)(?: +#+)?$", re.MULTILINE)


@dataclass(frozen=True)
class Link:
    """A link as it is written: where its target begins, and the target."""

    start: int
    target: str

    @property
    def is_external(self) -> bool:
        """Return whether it leaves the repository."""
        return re.match(r"[a-z][a-z+.-]*:", self.target) is not None


def find_links(text: str) -> Iterator[Link]:
    """Yield the links of a page, without those in code and in comments."""
    for found in _LINK.finditer(_blank(text, _FENCE, _COMMENT, _CODE_SPAN)):
        yield Link(found.start("target"), found["target"])


def find_anchors(text: str) -> set[str]:
    """Return the anchors that the code host makes from the headings of a page, and the site does, too."""
    anchors: set[str] = set()
    for found in _HEADING.finditer(_blank(text, _FENCE, _COMMENT)):
        anchor = to_anchor(found["text"])
        number = 0
        while (numbered := f"{anchor}-{number}" if number else anchor) in anchors:
            number += 1
        anchors.add(numbered)
    return anchors


def to_anchor(heading: str) -> str:
    """Return the anchor of a heading: its text in lower case, without punctuation, with hyphens for spaces."""
    text = re.sub(r"!?\[((?:[^\]`]|`[^`]*`)*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("**", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


def explain_dead_link(page: Path, link: Link) -> str | None:
    """Return why a link of a page leads nowhere, or ``None``; links to other sites are not followed."""
    if link.is_external:
        return None
    path, _, anchor = link.target.partition("#")
    target = Path(os.path.normpath(page.parent / path)) if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return "there is no such file"
    if anchor and anchor not in _anchors_in(target):
        return "the page has no such heading"
    return None


def replace_links(text: str, replace: Callable[[str], str]) -> str:
    """Return a page with the target of each link to a file replaced."""
    parts: list[str] = []
    end = 0
    for link in find_links(text):
        if not link.is_external and not link.target.startswith("#"):
            parts += [text[end : link.start], replace(link.target)]
            end = link.start + len(link.target)
    return "".join([*parts, text[end:]])


@cache
def _anchors_in(page: Path) -> set[str]:
    return find_anchors(page.read_text()) if page.suffix == ".md" else set()


def _blank(text: str, *patterns: re.Pattern[str]) -> str:
    for pattern in patterns:
        text = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    return text
