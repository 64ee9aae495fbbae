"""The table of commands: each exists, has a help text, and is imported only when it runs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Any

import click
import pytest

from lambdachain.cli._commands import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_where_the_table_says(name: str):
    """Under its own name, with a help text."""
    module, _, function = COMMANDS[name].location.partition(":")
    command = getattr(import_module(f"lambdachain.cli.{module}"), function)

    assert isinstance(command, click.Command)
    assert (command.name, bool(command.help)) == (name, True)


def test_the_list_of_commands_imports_none_of_them():
    """``--help`` lists each command in one line, and imports nothing that only a command needs."""
    script = (
        "import sys\nfrom lambdachain.cli import main\nsys.argv = ['lambdachain', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.startswith('lambdachain') or name in "
        "('pydantic', 'boto3', 'asyncio', 'rich', 'yaml')))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    output = ran.stdout.splitlines()

    assert [(name, entry) for name, entry in COMMANDS.items() if f"{name} " not in ran.stdout] == []
    assert [entry.help for entry in COMMANDS.values() if entry.help[:30] not in ran.stdout] == []
    assert output[-1] == str(
        [
            "lambdachain",
            "lambdachain._core",
            "lambdachain._core.version",
            "lambdachain.cli",
            "lambdachain.cli._commands",
        ]
    )


@pytest.mark.parametrize(
    ("words", "completed"),
    [("lambdachain ser", "serve"), ("lambdachain serve --rel", "--reload"), ("lambdachain --vers", "--version")],
)
def test_the_shell_completes_commands_and_options(
    command: list[str], environment: dict[str, str], words: str, completed: str
):
    """As bash requests it."""
    asked: dict[str, Any] = {
        "_LAMBDACHAIN_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    ran = subprocess.run(command, env={**environment, **asked}, capture_output=True, text=True, check=True)

    assert ran.stdout.split() == [f"plain,{completed}"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sreve", "No such command 'sreve'. Did you mean serve?"),
        ("can_invoke", "No such command 'can_invoke'. Did you mean can-invoke?"),
        ("invoke", "No such command 'invoke'. Did you mean call or can-invoke?"),
        ("start-lambda", "No such command 'start-lambda'. Did you mean serve?"),
        ("frobnicate", "No such command 'frobnicate'."),
    ],
)
def test_an_unknown_command_names_similar_ones(
    command: list[str], environment: dict[str, str], words: str, message: str
):
    """Also what other tools call it."""
    ran = subprocess.run([*command, words], env=environment, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines()[-1] == f"Error: {message}"
