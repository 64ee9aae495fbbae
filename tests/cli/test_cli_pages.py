"""The how-to pages of the command line, followed as by a reader: files written, commands run, output compared."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from lambdachain.cli._commands import COMMANDS
from lambdachain.cli._exit_status import ExitStatus

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final = [DOCS / "how-to" / name for name in ("use-the-command-line.md", "map-a-file.md")]
ADDRESS: Final = "http://127.0.0.1:9001"

_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STATUS: Final = '; echo "status $?"'


class Reader:
    """Somebody with two terminals and an empty directory."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        names = [f"{who}_{what}" for who in ("GIT_AUTHOR", "GIT_COMMITTER") for what in ("NAME", "EMAIL")]
        here = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        self.environment = {**environment, **dict.fromkeys(names, "nina@example.org"), "PATH": here}
        self.directory = directory
        self.server: subprocess.Popen[str] | None = None

    def follow(self, kind: str, body: str) -> None:
        """Follow a fence: write its file or run its commands."""
        if kind != "console":
            title, _, text = body.partition("\n")
            (self.directory / title.split(" ")[1]).write_text(text)
            return
        for one in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, output = one.partition("\n")
            shown = self.serve(command) if command.startswith("lambdachain serve") else self.run(command, output)
            assert re.fullmatch(_pattern(output), shown), f"$ {command}\n{shown}"

    def serve(self, command: str) -> str:
        """Serve functions for all the commands that follow."""
        self.server = subprocess.Popen(
            [*shlex.split(command), "--port", "0"],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.server.stdout is not None
        shown = ""
        while "Press Ctrl-C to stop." not in shown:
            line = self.server.stdout.readline()
            assert line, shown
            shown += line
        exports = re.findall(r"^  export (\w+)=(\S+)$", shown, re.MULTILINE)
        self.environment |= dict(exports)
        return shown.replace(dict(exports)["AWS_ENDPOINT_URL_LAMBDA"], ADDRESS)

    def run(self, command: str, output: str) -> str:
        """Run a command to its end, or until Ctrl-C is pressed."""
        if output.startswith("^C\n"):
            return self.interrupt(command)
        ran = subprocess.run(
            ["bash", "-c", f"{self.before}{command}"],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        self.last = ran.returncode
        return ran.stdout

    last = 0

    @property
    def before(self) -> str:
        """Return the exit status of the last command."""
        return f"(exit {self.last}); "

    def interrupt(self, command: str) -> str:
        """Press Ctrl-C after some lines were written."""
        arguments = shlex.split(command.removesuffix(_STATUS))
        written = self.directory / arguments[arguments.index("--output") + 1]
        process = subprocess.Popen(
            arguments,
            cwd=self.directory,
            env=self.environment,
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 30
        while not (written.exists() and written.read_bytes().count(b"\n") >= 10):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        return f"^C\n{process.communicate(timeout=30)[0]}status {process.returncode}\n"

    def close(self) -> None:
        """Stop everything."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.communicate(timeout=30)


def _pattern(output: str) -> str:
    """Convert expected output to a pattern: ``...`` matches anything in a line, or any lines."""
    lines = [".*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) for line in output.splitlines()]
    return "".join(f"(?:{line}\n)*" if line == ".*" else f"{line}\n" for line in lines)


@pytest.fixture
def reader(tmp_path: Path, environment: dict[str, str]) -> Iterator[Reader]:
    """Create a reader who follows a page."""
    someone = Reader(tmp_path, environment)
    yield someone
    someone.close()


@pytest.mark.docs
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_is_correct(reader: Reader, page: Path):
    """Every file, every command, every line of output."""
    fences = _FENCE.findall(page.read_text())
    for kind, body in fences:
        reader.follow(kind, body)

    assert sum(body.count("$ ") for kind, body in fences if kind == "console") >= 10


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
