"""A project with boto3 moves to ``compat`` by one line a file, and its tests still pass."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from difflib import ndiff
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "boto3_project"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "migrate-from-boto3.md"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project."""
    copied = tmp_path / "project"
    shutil.copytree(PROJECT, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


def run_tests(project: Path) -> str:
    """Run the tests of a project in a process of their own; return the summary."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "."]
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()[-1].partition(" in ")[0]


def migrate(project: Path) -> None:
    """Run the command of the page."""
    command = re.search(r"```console\n\$ (sed .*?)\n```", PAGE.read_text(), re.DOTALL)
    assert command is not None
    subprocess.run(["bash", "-c", command[1]], cwd=project, check=True)


def survey(project: Path, *command: str) -> tuple[str, str]:
    """Return what a command of the survey prints about a project."""
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "lambdachain"), *command, "functions"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout, ran.stderr


def test_a_project_moves_by_one_line_a_file(project: Path):
    """Its tests (stubs, mocks, moto, a server) are not changed, and pass before and after."""
    before = {path: path.read_text() for path in sorted((project / "functions").glob("*.py"))}
    passed = run_tests(project)

    migrate(project)

    changed = {path: [*ndiff(text.splitlines(), path.read_text().splitlines())] for path, text in before.items()}
    lines = [[line for line in diff if line.startswith("+ ")] for diff in changed.values()]
    assert len(lines) >= 20
    assert [len(added) for added in lines] == [1] * len(lines)
    assert all("lambdachain" in added for (added,) in lines)
    assert run_tests(project) == passed


def test_imports_of_every_form_are_changed_or_listed(tmp_path: Path):
    """In functions, with comments, in subdirectories: a file that is left out would retry as boto3 does."""
    written = {
        "app.py": "import boto3  # noqa: F401\n",
        "lazy.py": "def connect():\n    import boto3\n    return boto3.client('lambda')\n",
        "deep/er.py": "    from boto3 import client\n    from boto3.session import Session\n    import boto3 as aws\n",
        "other.py": "import boto3, json\nimport boto3.session\nfrom boto3.dynamodb import conditions\nimport boto3x\n",
        "none.py": "import json\n",
    }
    for name, text in written.items():
        (tmp_path / "functions" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "functions" / name).write_text(text)

    migrate(tmp_path)

    assert {name: (tmp_path / "functions" / name).read_text() for name in written} == {
        "app.py": "from lambdachain import compat as boto3  # noqa: F401\n",
        "lazy.py": "def connect():\n    from lambdachain import compat as boto3\n    return boto3.client('lambda')\n",
        "deep/er.py": "    from lambdachain.compat import client\n    from lambdachain.compat.session import Session\n"
        "    from lambdachain import compat as aws\n",
        "other.py": written["other.py"],
        "none.py": written["none.py"],
    }
    listing = re.search(r"```sh\n(grep .*?)\n```", PAGE.read_text(), re.DOTALL)
    assert listing is not None
    left = subprocess.run(["bash", "-c", listing[1]], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert left == "functions/other.py:1:import boto3, json\nfunctions/other.py:2:import boto3.session\n"


CHECK = """
import conftest, sys
from importlib import import_module
from pathlib import Path
from lambdachain.compat._protection import ProtectedClient
found = [vars(import_module(f"functions.{path.stem}")) for path in Path("functions").glob("*.py")]
clients = [value for names in found for value in names.values() if hasattr(value, "invoke")]
print(len(clients), {isinstance(client, ProtectedClient) for client in clients})
"""


def test_every_client_of_the_moved_project_is_safe(project: Path):
    """Also those of sessions, and of functions imported by name."""
    migrate(project)

    ran = subprocess.run([sys.executable, "-c", CHECK], cwd=project, capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "20 {True}"


@pytest.mark.parametrize("command", [["graph"], ["policy", "--as", "sam"]], ids=["graph", "policy"])
def test_the_survey_reads_the_moved_project_as_before(project: Path, command: list[str]):
    """A client of ``compat`` is boto3's for ``graph`` and ``policy``, too."""
    before = survey(project, *command)
    migrate(project)

    assert "stock" in before[0]
    assert survey(project, *command) == before
