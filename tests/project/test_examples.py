"""Every example is run as its README says, and prints what its README shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.project.small_pytest import run_pytest
from tests.support.environments import environment_without

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
DEMOS: Final = sorted(path for path in EXAMPLES.glob("*/*_demo.py"))

_FENCE: Final = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TEST: Final = re.compile(r"^```python\n((?:(?!^```).*\n)*def test_(?:(?!^```).*\n)*)^```$", re.MULTILINE)
TESTS: Final = [
    (path, source) for path in sorted(EXAMPLES.glob("*/README.md")) for source in _TEST.findall(path.read_text())
]


def _read_shown_lines(readme: str) -> list[re.Pattern[str]]:
    """Return the lines that a README shows; ``...`` in them stands for anything."""
    [fence] = _FENCE.findall(readme)
    return [re.compile(".*".join(map(re.escape, line.split("...")))) for line in fence.splitlines()]


@pytest.mark.docs
@pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.parent.name)
def test_the_demo_prints_what_its_readme_shows(demo: Path):
    """Line for line, in order."""
    if demo.parent.name == "node_to_python" and shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    environment = environment_without("AWS_")
    ran = subprocess.run(
        [sys.executable, demo],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        timeout=100,
    )
    assert ran.returncode == 0, ran.stdout

    printed = iter(ran.stdout.splitlines())
    missing = [
        line.pattern
        for line in _read_shown_lines((demo.parent / "README.md").read_text())
        if not _is_next(line, printed)
    ]
    assert missing == [], ran.stdout


def _is_next(line: re.Pattern[str], printed) -> bool:
    return any(line.fullmatch(candidate) for candidate in printed)


@pytest.mark.docs
@pytest.mark.parametrize(("readme", "source"), TESTS, ids=[path.parent.name for path, _ in TESTS])
def test_a_test_in_a_readme_passes(readme: Path, source: str, tmp_path: Path):
    """Run as its reader would run it, next to the example's files."""
    (tmp_path / "test_readme.py").write_text(source)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ran = run_pytest(tmp_path, {**os.environ, "PYTHONPATH": str(readme.parent)}, "-q")

    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_there_are_tests_in_readmes():
    """The test before this one runs some."""
    assert {path.parent.name for path, _ in TESTS} >= {"api_gateway", "events_in"}


@pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.parent.name)
def test_every_example_is_in_the_index(demo: Path):
    """In the project's README; ``make example-...`` is the command that its own README names."""
    name = demo.parent.name

    assert demo.name == f"{name}_demo.py"
    assert f"(examples/{name}/README.md)" in (EXAMPLES.parent / "README.md").read_text()
    assert f"$ make example-{name}\n" in (demo.parent / "README.md").read_text()
