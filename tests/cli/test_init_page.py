"""The how-to page of ``init``, followed as by a reader: commands run, files written, changes made."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.page_reader import Fence, PageReader, parse_fences

PAGE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "start-a-project.md"
# Printed where lambdachain is installed from a directory, as for its own tests.
_NOTE: Final = re.compile(r"^note: the project installs .*\n", re.MULTILINE)


class ProjectReader(PageReader):
    """A reader who goes into the project and edits its files."""

    def follow(self, fence: Fence) -> None:
        """Make the change of a diff, or do what another fence says."""
        if fence.language != "diff":
            super().follow(fence)
            return
        applied = subprocess.run(
            ["git", "apply", "-"], cwd=self.directory, input=fence.body, capture_output=True, text=True, check=False
        )
        assert applied.returncode == 0, applied.stderr + fence.body

    def run(self, command: str, output: str) -> str:
        """Run a command, or go into a directory."""
        if command.startswith("cd "):
            self.directory /= command.removeprefix("cd ")
            return ""
        return _NOTE.sub("", super().run(command, output))


@pytest.fixture
def reader(tmp_path: Path, environment: dict[str, str]) -> Iterator[ProjectReader]:
    """Create a reader who follows the page."""
    # Without the other plugins that are installed here, which take a second to load.
    pytest_only = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p lambdachain -p no:cacheprovider"}
    someone = ProjectReader(tmp_path, environment | pytest_only)
    yield someone
    someone.close()


@pytest.mark.docs
def test_the_page_is_correct(reader: ProjectReader):
    """Every file, every change, every command, every line of output."""
    fences = list(parse_fences(PAGE.read_text()))
    for fence in fences:
        reader.follow(fence)

    # The commands of a bash fence download packages, and are not run.
    assert {"console", "diff", "python", "bash"} == {fence.language for fence in fences}
    assert (reader.directory / "src" / "audit.py").is_file()
