"""The how-to pages about testing are run as a reader would run them: their files in a directory, and pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.project.small_pytest import run_pytest

HOW_TO: Final = Path(__file__).parents[2] / "docs" / "how-to"
PAGES: Final = [*sorted(HOW_TO.glob("test-a-*.md")), HOW_TO / "keep-contracts-compatible.md"]

_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE: Final = re.compile(r"# ([\w/]+\.(?:py|toml))(?:, continued)?\n")


@dataclass(frozen=True)
class Page:
    """The files of a page, and what it says that pytest prints for those that fail."""

    files: dict[str, str]
    printed: dict[str, list[str]]

    @classmethod
    def read(cls, text: str) -> Page:
        files: dict[str, str] = {}
        printed: dict[str, list[str]] = {}
        name = ""
        for language, body in _FENCE.findall(text):
            if language == "text":
                assert name.endswith("_fails.py"), f"output without a failing test before it:\n{body}"
                printed[name] = body.splitlines()
                continue
            title = _TITLE.match(body)
            assert title, f"a fence without its file's name:\n{body}"
            name = title[1]
            files[name] = files.get(name, "") + body[title.end() :]
        return cls(files, printed)


@pytest.fixture
def run(tmp_path: Path):
    """Run pytest in a directory with the files of the page."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}

    def pytest_on(files: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        for name, source in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(source)
        for name in files:
            if name.startswith("write_"):
                subprocess.run([sys.executable, name], cwd=tmp_path, env={**environment, "PYTHONPATH": "."}, check=True)
        return run_pytest(tmp_path, {**environment, "PYTHONPATH": ".", "COLUMNS": "120"}, *arguments)

    return pytest_on


@pytest.mark.docs
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_tests_of_the_page_pass(path: Path, run):
    """All of them, and there are some."""
    page = Page.read(path.read_text())
    tests = [name for name in page.files if "test_" in name and name not in page.printed]
    written = sum(len(re.findall(r"^\s*(?:async )?def test_", page.files[name], re.MULTILINE)) for name in tests)
    ran = run(page.files, "-q", *tests)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int(re.findall(r"(\d+) passed", ran.stdout)[-1]) >= written > 0


FAILING: Final = [(path, name) for path in PAGES for name in Page.read(path.read_text()).printed]


@pytest.mark.docs
@pytest.mark.parametrize(("path", "name"), FAILING, ids=[f"{path.stem}-{name}" for path, name in FAILING])
def test_a_failing_test_prints_what_the_page_says(path: Path, name: str, run):
    """Line for line, except for what the page omits with ``...``."""
    page = Page.read(path.read_text())
    ran = run(page.files, name)
    missing = [line for line in page.printed[name] if line.strip() != "..." and line.rstrip() not in ran.stdout]

    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert missing == [], ran.stdout


@pytest.mark.docs
def test_the_tutorial_runs_without_an_aws_account():
    """From the first fence to the last, in a checkout, where boto3 finds neither a region nor credentials."""
    root = HOW_TO.parents[1]
    text = (root / "docs" / "tutorial" / "two-functions.md").read_text()
    program = "\n".join(body for language, body in _FENCE.findall(text) if language == "python")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    environment["AWS_EC2_METADATA_DISABLED"] = "true"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.docs
def test_the_test_in_the_readme_passes(run):
    """With the contract and the handler that come before it; its calls need no endpoint."""
    fences = [
        body for language, body in _FENCE.findall((HOW_TO.parents[1] / "README.md").read_text()) if language == "python"
    ]
    contract, handler, calls, test = fences
    client = calls.splitlines()[0]
    ran = run({"test_readme.py": f"{contract}\n{handler}\n{client}\n{test}"}, "-q", "test_readme.py")

    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
