"""Policy, graph and doctor have colors on a terminal, but not in a pipe and not with ``NO_COLOR``."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.terminal import Terminal

CODE = {
    "app.py": """
        from lambdachain import Contract, LambdaClient
        LambdaClient().fire(Contract("mail", request=int, response=int), 1)
        LambdaClient().call(compute(), 1)
    """
}
COMMANDS = [["policy", "app.py", "--as", "sam"], ["graph", "app.py"], ["doctor", "app.py", "--offline"]]


def run_on_terminal(arguments: list[str], directory: Path, environment: Mapping[str, str]) -> str:
    """Run a command with a terminal as its output."""
    with Terminal(arguments, cwd=directory, env=environment) as terminal:
        terminal.end()
        return terminal.shown


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_a_terminal_gets_colors_and_a_pipe_gets_none(
    command: list[str],
    environment: dict[str, str],
    write: Callable[[Mapping[str, str]], Path],
    run: Callable[..., subprocess.CompletedProcess[str]],
    arguments: list[str],
):
    """The text is the same."""
    directory = write(CODE)
    colored = run_on_terminal([*command, *arguments], directory, environment)
    plain = run_on_terminal([*command, *arguments], directory, {**environment, "NO_COLOR": "1"})
    piped = run(*arguments)

    assert "\x1b[" in colored
    assert "\x1b" not in plain + piped.stdout + piped.stderr
    assert sorted(plain.splitlines()) == sorted((piped.stdout + piped.stderr).splitlines())
