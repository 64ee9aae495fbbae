"""Every page in a real browser: light, dark and narrow, without an error, and found by the search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Request

SITE = Path(__file__).parents[2] / "build" / "site"
SCREENSHOTS = SITE.parent / "screenshots"
PATHS = sorted(str(path.relative_to(SITE).parent) for path in SITE.rglob("index.html"))

WIDE, NARROW = (1280, 900), (390, 844)
VIEWS = {"light": ("light", WIDE), "dark": ("dark", WIDE), "narrow": ("light", NARROW)}

# Brightness, 0 to 255, of what the page is painted on.
_BRIGHTNESS = """() => {
  const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number);
  return (red + green + blue) / 3;
}"""
_OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_BROKEN_IMAGES = "() => [...document.images].filter(each => !each.naturalWidth).map(each => each.src)"


@dataclass
class View:
    """A tab of the browser, and what went wrong in it."""

    page: Page
    name: str
    problems: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=VIEWS)
def view(request: pytest.FixtureRequest, browser: Browser, site_url: str) -> Iterator[View]:
    """Open a tab in one of the themes and sizes."""
    scheme, (width, height) = VIEWS[request.param]
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height}, base_url=site_url)
    context.set_default_timeout(20_000)
    opened = View(context.new_page(), request.param)
    watch(opened, site_url)
    yield opened
    context.close()


def watch(view: View, site_url: str) -> None:
    """Record errors of the console and of scripts, failed requests, and requests to other hosts."""

    def record_request(request: Request) -> None:
        if not request.url.startswith((site_url, "data:", "blob:")):
            view.problems.append(f"asks another host: {request.url}")

    def record_failure(request: Request) -> None:
        # A request that was in flight when the test went on to the next page is aborted by the browser.
        if request.failure != "net::ERR_ABORTED":
            view.problems.append(f"{request.failure}: {request.url}")

    view.page.on("request", record_request)
    view.page.on("requestfailed", record_failure)
    view.page.on("pageerror", lambda error: view.problems.append(f"script: {error}"))
    view.page.on(
        "console",
        lambda message: (
            view.problems.append(f"console: {message.text}") if message.type in ("error", "warning") else None
        ),
    )
    view.page.on(
        "response",
        lambda response: view.problems.append(f"{response.status}: {response.url}") if response.status >= 400 else None,
    )


@pytest.mark.parametrize("path", PATHS)
def test_a_page_renders(view: View, path: str):
    """In its theme, as wide as the window and no wider, with its images, and with a clean console."""
    view.problems.clear()
    view.page.goto(f"/{path}/".replace("/./", "/"), wait_until="load")
    shot = SCREENSHOTS / view.name / f"{path.replace('/', '-').replace('.', 'home')}.png"
    view.page.screenshot(path=shot)

    assert view.page.locator("h1").first.inner_text().strip()
    assert (view.page.evaluate(_BRIGHTNESS) > 127) == ("dark" not in view.name)
    assert view.page.evaluate(_OVERFLOW) <= 0
    assert view.page.evaluate(_BROKEN_IMAGES) == []
    assert view.problems == []


# The search is a component with a shadow root of its own, which a script of the page attaches.
_HAS_SEARCH = "() => [...document.querySelectorAll('div')].some(each => each.shadowRoot)"


def search(view: View, words: str) -> Locator:
    """Type words into the search of the home page; return its results, of which there is one at least."""
    view.page.goto("/")
    view.page.wait_for_function(_HAS_SEARCH)
    view.page.keyboard.press("/")
    view.page.locator("dialog input").fill(words)
    results = view.page.get_by_role("option")
    results.first.wait_for()
    return results


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("backpressure", "how-to/fan-out/"),
        ("no AWS region", "reference/messages/calls/"),
        ("is not a transport", "reference/messages/code/"),
        ("LAMBDACHAIN_TRANSPORT", "reference/environment-variables/"),
        ("RetryPolicy", "reference/api/retries/"),
        ("FAQ", "explanation/questions/"),
    ],
)
def test_the_search_finds(view: View, words: str, address: str):
    """A word of the field, a message, a variable, a class."""
    view.problems.clear()
    addresses = search(view, words).evaluate_all("found => found.map(each => each.href)")

    assert any(address in each for each in addresses), addresses
    assert view.problems == []


def test_a_result_leads_to_its_page(view: View):
    """It is a link to the section that has the words."""
    search(view, "backpressure").first.click()
    view.page.wait_for_url("**/?h=backpressure*")

    assert "backpressure" in view.page.locator("article").inner_text()


def test_a_theme_can_be_chosen(view: View):
    """By the button in the header; the page changes at once."""
    view.page.goto("/")
    before = view.page.evaluate(_BRIGHTNESS)
    for _ in range(3):
        view.page.locator("label[for^=__palette]:visible").first.click()
        if abs(view.page.evaluate(_BRIGHTNESS) - before) > 60:
            return
    pytest.fail("no button changes the theme")
