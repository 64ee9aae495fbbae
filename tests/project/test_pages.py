"""README and pages are followed as by a reader: files in an empty directory, Python, commands, and what they print."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from conftest import INTEGRATIONS
from tests.project.small_pytest import run_pytest
from tests.support.environments import environment_without
from tests.support.page_reader import PageReader, parse_fences

ROOT: Final = Path(__file__).parents[2]
HOW_TO: Final = ROOT / "docs" / "how-to"
PAGES: Final = [*sorted(HOW_TO.glob("test-a-*.md")), HOW_TO / "keep-contracts-compatible.md"]

# Pages with a test of their own, and those whose libraries only the environment of `make integrations` has.
ELSEWHERE: Final = {
    *PAGES,
    *(
        HOW_TO / f"{name}.md"
        for name in (
            "ask-the-doctor",  # tests/cli/test_survey_pages.py
            "grant-least-privilege",
            "inventory-a-boto3-code-base",
            "see-who-calls-whom",
            "run-a-system-locally",  # tests/cli/test_serve_pages.py
            "start-a-project",  # tests/cli/test_init_page.py
            "call-from-other-languages",  # tests/integrations/test_generate.py
        )
    ),
    *(ROOT / path for path, _ in INTEGRATIONS),
}
FOLLOWED: Final = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page not in ELSEWHERE and re.search(r"^```(python|console)$", page.read_text(), re.MULTILINE)
]
# By `pip install lambdachain`; pydantic brings typing_extensions.
BROUGHT: Final = {"lambdachain", "boto3", "botocore", "pydantic", "tenacity", "typing_extensions"}
# Modules that are not named as the distribution that brings them.
INSTALLED_BY: Final = {
    "aws_durable_execution_sdk_python": "lambdachain[durable]",
    "aws_lambda_powertools": "lambdachain[powertools]",
    "anyio": "anyio|lambdachain[mcp",
    "httpx": "httpx",
    "mcp": "lambdachain[mcp",
    "opentelemetry": "opentelemetry_sdk",
    "pydantic_ai": "pydantic_ai]",
    "vcr": "vcrpy",
}


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
        for fence in parse_fences(text):
            if fence.language == "text":
                assert name.endswith("_fails.py"), f"output without a failing test before it:\n{fence.body}"
                printed[name] = fence.body.splitlines()
                continue
            assert fence.file is not None, f"a fence without its file's name:\n{fence.body}"
            name = fence.file
            files[name] = files.get(name, "") + fence.body
        return cls(files, printed)


@pytest.fixture
def run(tmp_path: Path):
    """Run pytest in a directory with the files of the page."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = environment_without("AWS_", "PYTEST_")

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
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_the_page_runs_as_printed(page: Path, page_reader: PageReader) -> None:
    """In an empty directory and an empty home: every file, every command, every line of Python, from top to bottom."""
    for fence in parse_fences(page.read_text()):
        page_reader.follow(fence)


@pytest.mark.docs
@pytest.mark.parametrize("page", [*FOLLOWED, *PAGES], ids=lambda page: page.stem)
def test_the_page_names_what_it_imports(page: Path) -> None:
    """A reader has what ``pip install lambdachain`` brings, and what the page says to install."""
    text = page.read_text()
    fences = list(parse_fences(text))
    own = {name for fence in fences if fence.file for name in fence.file.removesuffix(".py").split("/")}
    imported = {
        name.partition(".")[0]
        for fence in fences
        if fence.language == "python"
        for node in ast.walk(ast.parse(fence.body))
        for name in _find_imported_names(node)
    }
    unknown = imported - own - sys.stdlib_module_names - BROUGHT
    installed = " ".join(re.findall(r"pip install ([^`\n]*)", text)).replace("-", "_")

    missing = {name for name in unknown if not any(by in installed for by in INSTALLED_BY.get(name, name).split("|"))}
    assert missing == set()
    # With the extra, because "pip install lambdachain" has neither the command nor the endpoint.
    if "$ lambdachain " in text or "from lambdachain.local import" in text:
        assert re.search(r"lambdachain\[[\w,-]*local", text), "install lambdachain[local]"


def _find_imported_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_a_name_has_one_home_in_the_pages() -> None:
    """Each public name is imported from the same module everywhere."""
    homes = defaultdict[str, set[str]](set)
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for fence in parse_fences(page.read_text()):
            for node in ast.walk(ast.parse(fence.body if fence.language == "python" else "")):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lambdachain":
                    for alias in node.names:
                        homes[alias.name].add(node.module or "")

    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}
    assert len(homes) > 80
