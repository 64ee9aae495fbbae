"""The sections of a page that measurements replace, between marks."""

from __future__ import annotations

from pathlib import Path


def replace(page: Path, mark: str, section: str) -> None:
    """Put *section* between ``<!-- MARK:begin -->`` and ``<!-- MARK:end -->`` of a page.

    Raises:
        ValueError: The page has no such marks.
    """
    text, begin = page.read_text(), f"<!-- {mark}:begin -->\n"
    start = text.index(begin) + len(begin)
    page.write_text(f"{text[:start]}{section}\n{text[text.index(f'<!-- {mark}:end -->', start) :]}")
