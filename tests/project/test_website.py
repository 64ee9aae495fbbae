"""The documentation site, as far as it can be checked without building it: links, navigation, the API reference."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import lambdachain
from website.api_pages import DIRECTORY, ELSEWHERE, PAGES, write_index, write_page
from website.assemble import assemble, find_pages
from website.links import ROOT, Link, explain_dead_link, find_anchors, find_links, replace_links, to_anchor

SOURCE = Path(lambdachain.__file__).parent
PROSE = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/*.md")])


class ConfigLoader(yaml.SafeLoader):
    """Reads mkdocs.yml without the functions that it names."""


ConfigLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
CONFIG = yaml.load((ROOT / "mkdocs.yml").read_text(), ConfigLoader)  # noqa: S506 - a loader that creates nothing


def find_nav_pages(nav: object) -> list[str]:
    """Return the pages of a navigation, in its order."""
    match nav:
        case str(page):
            return [] if page.startswith("https:") else [page]
        case list(entries):
            return [page for entry in entries for page in find_nav_pages(entry)]
        case dict(sections):
            return [page for entry in sections.values() for page in find_nav_pages(entry)]
        case _:
            return []


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path):
    """Of a page in the repository: to a file, or to a heading of one."""
    dead = [f"{link.target}: {why}" for link in find_links(page.read_text()) if (why := explain_dead_link(page, link))]

    assert not dead


def test_the_navigation_has_every_page_once():
    """A page that nobody can get to is not read."""
    pages = [str(place) for place in find_pages().values()]
    pages += [str(DIRECTORY / "index.md"), *(str(page.path) for page in PAGES)]

    assert sorted(find_nav_pages(CONFIG["nav"])) == sorted(pages)


def test_the_site_fetches_nothing():
    """Neither fonts nor the number of stars: without these settings, each page would ask another host."""
    assert CONFIG["theme"]["font"] is False
    assert "repo_url" not in CONFIG


def test_every_public_name_has_a_place_in_the_api_reference():
    """In one page."""
    names = [name for page in PAGES for name in page.names]

    assert sorted(names) == sorted(set(lambdachain.__all__) - ELSEWHERE)


def test_every_public_module_has_a_page_in_the_api_reference():
    """The command line has one of its own, docs/reference/cli.md."""
    modules = {f"lambdachain.{path.stem}" for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()}
    public = {module for module in modules if "._" not in module and find_spec(module)} - {"lambdachain.cli"}

    assert {page.module for page in PAGES if not page.names} == {module for module in public if "__" not in module}


def test_an_api_page_names_what_mkdocstrings_renders():
    """The names of ``lambdachain`` one by one, a module as a whole."""
    clients, testing = PAGES[0], next(page for page in PAGES if page.module == "lambdachain.testing")

    assert "::: lambdachain.LambdaClient" in write_page(clients)
    assert "::: lambdachain.testing" in write_page(testing)
    assert "(testing.md)" in write_index()


def test_the_source_of_the_site_is_assembled(tmp_path: Path):
    """Links to other pages stay or are adapted, links to files of the repository go to the code host."""
    assemble(tmp_path / "site")
    texts = {path.relative_to(tmp_path / "site"): path.read_text() for path in (tmp_path / "site").rglob("*.md")}
    targets = [link.target for text in texts.values() for link in find_links(text) if not link.is_external]

    assert (
        "https://github.com/lambdachain/lambdachain/tree/main/examples/parent_child"
        in texts[Path("tutorial/two-functions.md")]
    )
    assert "(../project/changelog.md)" in texts[Path("explanation/versions-and-deprecations.md")]
    assert not [target for target in targets if re.search(r"\.\./(README|examples|src)", target)]
    assert (tmp_path / "site" / "performance" / "cold.svg").is_file()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("../reference/errors.md", None),
        ("../reference/errors.md#the-tree", None),
        ("#retry-safely", None),
        ("https://example.com/gone", None),
        ("../reference/gone.md", "there is no such file"),
        ("../reference/errors.md#gone", "the page has no such heading"),
        ("#gone", "the page has no such heading"),
        ("../../../etc/passwd", "there is no such file"),
    ],
)
def test_a_dead_link_is_found(target: str, why: str | None):
    """To a file, and to a heading."""
    assert explain_dead_link(ROOT / "docs" / "how-to" / "retry-safely.md", Link(0, target)) == why


def test_links_in_code_are_not_links():
    """Nor those in comments."""
    text = "[a](b.md) `[c](d.md)`\n```\n[e](f.md)\n```\n<!-- [g](h.md) --> [`f(x)[0]`](i.md#j)"

    assert [link.target for link in find_links(text)] == ["b.md", "i.md#j"]


def test_links_are_replaced_where_they_are():
    """Code, anchors and links to other hosts stay."""
    text = "[a](b.md) `[a](b.md)` [c](#d) [e](https://f) [g](b.md)"

    assert (
        replace_links(text, lambda target: f"x/{target}")
        == "[a](x/b.md) `[a](b.md)` [c](#d) [e](https://f) [g](x/b.md)"
    )


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Getting started", "getting-started"),
        ("`HttpTransport(*, region=None)`", "httptransport-regionnone"),
        ("Why not boto3?", "why-not-boto3"),
        ("From a [link](to.md) to `code_span`", "from-a-link-to-code_span"),
        ("Millions of payloads: backpressure", "millions-of-payloads-backpressure"),
    ],
)
def test_anchors_are_those_of_the_code_host(heading: str, anchor: str):
    """Lower case, no punctuation, hyphens for spaces, and underscores as they are."""
    assert to_anchor(heading) == anchor


def test_equal_headings_have_numbered_anchors():
    """And comments in code are not headings."""
    assert find_anchors("# A\n## B\n## B\n```\n# c\n```\n") == {"a", "b", "b-1"}
