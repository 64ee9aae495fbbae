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

EXAMPLES: Final = Path(__file__).parents[1] / "examples"
DEMOS: Final = sorted(path for path in EXAMPLES.glob("*/*_demo.py"))

_FENCE: Final = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _shown(readme: str) -> list[re.Pattern[str]]:
    """Give the lines that a README shows; ``...`` in them stands for anything."""
    [fence] = _FENCE.findall(readme)
    return [re.compile(".*".join(map(re.escape, line.split("...")))) for line in fence.splitlines()]


@pytest.mark.docs
@pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.parent.name)
def test_the_demo_prints_what_its_readme_shows(demo: Path):
    """Line for line, in order."""
    if demo.parent.name == "node_to_python" and shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
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
    missing = [line.pattern for line in _shown((demo.parent / "README.md").read_text()) if not _is_next(line, printed)]
    assert missing == [], ran.stdout


def _is_next(line: re.Pattern[str], printed) -> bool:
    return any(line.fullmatch(candidate) for candidate in printed)


@pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.parent.name)
def test_every_example_is_in_the_index(demo: Path):
    """Of the project's README, and ``make example-...`` is the command that its own names."""
    name = demo.parent.name

    assert demo.name == f"{name}_demo.py"
    assert f"(examples/{name}/README.md)" in (EXAMPLES.parent / "README.md").read_text()
    assert f"$ make example-{name}\n" in (demo.parent / "README.md").read_text()
