"""The pages and docstrings of the integrations run where their libraries are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import INTEGRATIONS
from tests.project.test_pages import test_the_page_names_what_it_imports as check_imports
from tests.support.page_reader import PageReader, parse_fences

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / path for path, _ in INTEGRATIONS if path.endswith(".md")]
DOCSTRINGS = [path for path, _ in INTEGRATIONS if path.endswith(".py")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_runs_as_printed(page: Path, page_reader: PageReader) -> None:
    """As for the other pages, in tests/project/test_pages.py."""
    check_imports(page)
    for fence in parse_fences(page.read_text()):
        page_reader.follow(fence)


def test_the_docstrings_run():
    """Each passes, and none is left out. One run for all: importing takes longest."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:ddtrace", *DOCSTRINGS]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "left out" not in ran.stdout
