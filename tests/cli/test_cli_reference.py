"""The reference of the command line has everything that the commands have."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from lambdachain.cli._commands import COMMANDS
from lambdachain.cli._exit_status import ExitStatus

DOCS: Final = Path(__file__).parents[2] / "docs"


@pytest.mark.docs
def test_the_reference_has_every_command_option_and_status(command: list[str], environment: dict[str, str]):
    """As in each command's help and in `ExitStatus`."""
    text = (DOCS / "reference" / "cli.md").read_text()
    own = [name for name in COMMANDS if f"## {name}" in text]
    helps = [
        subprocess.run([*command, name, "--help"], env=environment, capture_output=True, text=True, check=True).stdout
        for name in own
    ]
    options = {option for help_text in helps for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", help_text)}

    assert {"call", "fire", "can-invoke", "map", "schema", "check", "completion"} <= set(own)
    assert {option for option in options if f"`{option}" not in text} - {"--help"} == set()
    assert [status for status in ExitStatus if f"| {status.value} |" not in text] == []
