"""A first project: three functions, their tests at each level, and both type checkers, strict."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import lambdachain
from tests.support.environments import environment_without

PROJECT: Final = Path(__file__).parent / "new_user"

# Half a minute, because nothing is cached; tests/project/test_typing.py is the fast part.
FROM_WHEEL: Final = pytest.mark.skipif("site-packages" not in lambdachain.__file__, reason="run by `make wheel`")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the project to where nothing of this repository is."""
    return Path(shutil.copytree(PROJECT, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__")))


def _run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = environment_without("AWS_", "LAMBDACHAIN_", "PYTEST_")
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_its_tests_pass(project: Path):
    """With stubs, in one process, and in processes of the real runtime client."""
    ran = _run(project, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:ddtrace")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout


def test_the_graph_has_its_calls(project: Path):
    """And nothing to warn about."""
    ran = _run(project, "lambdachain", "graph", ".")

    assert ran.stderr == ""
    assert re.findall(r"(calls|fires) (\S+)", ran.stdout) == [("fires", "shop-audit"), ("calls", "shop-price")]


@pytest.mark.typing
@FROM_WHEEL
def test_mypy_has_nothing_to_say(project: Path):
    """In strict mode."""
    ran = _run(project, "mypy", "--strict", ".")

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.typing
@FROM_WHEEL
def test_pyright_has_nothing_to_say(project: Path):
    """In strict mode."""
    (project / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    ran = _run(project, "pyright", "--pythonpath", sys.executable)

    assert ran.returncode == 0, ran.stdout + ran.stderr
