"""Assemble the source of the documentation site in build/website: `python -m website.assemble`.

Pages stay as they are in docs/, where the code host shows them. The site has in addition the API reference, and the
changelog and the contributor's guide, which are in the top directory. A link that leaves the site goes to the code
host, if what it names is in the repository.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path, PurePosixPath

from website.api_pages import DIRECTORY, PAGES, write_index, write_page
from website.links import CODE_HOST, ROOT, explain_dead_link, find_links, replace_links

TARGET = ROOT / "build" / "website"
DOCS = ROOT / "docs"
# Pages of the top directory, and where they are on the site.
TOP_PAGES = {"CHANGELOG.md": "project/changelog.md", "CONTRIBUTING.md": "project/contributing.md"}


def find_pages() -> dict[Path, PurePosixPath]:
    """Return the Markdown files that become pages, each with its place on the site."""
    pages = {path: PurePosixPath(path.relative_to(DOCS)) for path in sorted(DOCS.rglob("*.md"))}
    return pages | {ROOT / name: PurePosixPath(place) for name, place in TOP_PAGES.items()}


def find_dead_links(pages: dict[Path, PurePosixPath]) -> list[str]:
    """Return the links of the pages that lead nowhere, each with its page and the reason."""
    return [
        f"{page.relative_to(ROOT)}: {link.target}: {reason}"
        for page in pages
        for link in find_links(page.read_text())
        if (reason := explain_dead_link(page, link))
    ]


def rewrite_links(page: Path, pages: dict[Path, PurePosixPath]) -> str:
    """Return the text of a page with its links as they are on the site, or on the code host."""

    def to_site(target: str) -> str:
        path, mark, anchor = target.partition("#")
        file = Path(os.path.normpath(page.parent / path))
        if file in pages:
            return os.path.relpath(pages[file], pages[page].parent) + mark + anchor
        if file.is_relative_to(DOCS) and file.is_file():
            return os.path.relpath(file.relative_to(DOCS), pages[page].parent)
        kind = "tree" if file.is_dir() else "blob"
        return f"{CODE_HOST}/{kind}/main/{file.relative_to(ROOT)}{mark}{anchor}"

    return replace_links(page.read_text(), to_site)


def assemble(target: Path) -> int:
    """Write the source of the site; return the number of pages."""
    pages = find_pages()
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(DOCS, target, ignore=shutil.ignore_patterns("*.md"))
    texts = {place: rewrite_links(page, pages) for page, place in pages.items()}
    texts |= {page.path: write_page(page) for page in PAGES} | {DIRECTORY / "index.md": write_index()}
    for place, text in texts.items():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        (target / place).write_text(text)
    return len(texts)


def main() -> int:
    """Print dead links, or assemble the source; return the exit status."""
    dead = find_dead_links(find_pages())
    if dead:
        print(*dead, sep="\n", file=sys.stderr)
        return 1
    print(f"assembled {assemble(TARGET)} pages in {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
