"""A reader of a page: writes its files, enters its Python, runs its commands, and compares what they print.

What a page may contain:

- a fence whose first line names a file, ``# app.py``, is that file; ``# app.py, continued`` appends to it. Where such a
  comment would not be valid, the line before the fence ends with the name, ```order.json`:``;
- other ``python`` fences are one session of the interpreter, from the first to the last;
- ``console`` fences are commands after ``$``, with their output: ``...`` is anything in a line, or any lines.
  ``pip install`` is not run. ``lambdachain serve`` keeps running; what it prints to export is exported.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ADDRESS: Final = "http://127.0.0.1:9001"

_NAME: Final = r"(?:[\w.-]+/)*(?:[\w-]+\.\w+|bootstrap)"
_FENCE: Final = re.compile(rf"(?:`({_NAME})`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE: Final = re.compile(rf"# ({_NAME})(, continued)?")
_STATUS: Final = '; echo "status $?"'
_MARK: Final = "\x1e"
# Enters each chunk of standard input in the namespace of one session, as a person at the prompt would.
_SESSION: Final = f"""
import sys, traceback
for _chunk in iter(lambda: sys.stdin.readline(), ""):
    try:
        exec(compile(eval(_chunk), "<page>", "exec"), globals())
        print("{_MARK}", flush=True)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        print("{_MARK}failed", flush=True)
"""


@dataclass(frozen=True)
class Fence:
    """A fenced block of a page; *file* is the name of the file that it is, if it is one."""

    language: str
    body: str
    line: int
    file: str | None = None
    continued: bool = False

    def write(self, directory: Path) -> None:
        """Write the file that it is, or append to it."""
        assert self.file is not None, f"line {self.line}: a fence without its file's name:\n{self.body}"
        path = directory / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if self.continued else "") + self.body)


def parse_fences(text: str) -> Iterator[Fence]:
    """Yield the fences of a page; of a file, without the line that names it."""
    for found in _FENCE.finditer(text):
        name, language, body = found.groups()
        line = text.count("\n", 0, found.start(2)) + 2
        first, _, rest = body.partition("\n")
        if name is not None:
            yield Fence(language, body, line, name)
        elif language != "console" and (title := _TITLE.fullmatch(first)):
            yield Fence(language, rest, line, title[1], title[2] is not None)
        else:
            yield Fence(language, body, line)


def to_pattern(output: str) -> str:
    """Convert expected output to a pattern: ``...`` matches anything in a line, or any lines."""
    lines = [".*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) for line in output.splitlines()]
    return "".join(f"(?:{line}\n)*" if line == ".*" else f"{line}\n" for line in lines)


class PageReader:
    """Somebody with two terminals and an empty directory, who does what a page says."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        names = [f"{who}_{what}" for who in ("GIT_AUTHOR", "GIT_COMMITTER") for what in ("NAME", "EMAIL")]
        here = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        self.environment = {**environment, **dict.fromkeys(names, "nina@example.org"), "PATH": here}
        self.directory = directory
        self.server: subprocess.Popen[str] | None = None
        self.session: subprocess.Popen[str] | None = None
        self.last_status = 0

    def follow(self, fence: Fence) -> None:
        """Write the file of a fence, enter its Python, or run its commands."""
        if fence.file is not None:
            fence.write(self.directory)
        elif fence.language == "console":
            for one in re.split(r"^\$ ", fence.body, flags=re.MULTILINE)[1:]:
                self._run_command(*one.partition("\n")[::2])
        elif fence.language == "python":
            shown = self.enter(fence.body)
            assert not shown.endswith(f"{_MARK}failed\n"), f"line {fence.line}:\n{fence.body}\n{shown}"

    def enter(self, source: str) -> str:
        """Enter Python in the page's session, and return what that has printed."""
        if self.session is None:
            command = [sys.executable, "-W", "error", "-c", _SESSION]
            self.session = self._start(command, stdin=subprocess.PIPE)
        assert self.session.stdin is not None
        assert self.session.stdout is not None
        self.session.stdin.write(f"{source!r}\n")
        self.session.stdin.flush()
        shown = ""
        for line in self.session.stdout:
            shown += line
            if line.startswith(_MARK):
                return shown
        return f"{shown}{_MARK}failed\n"

    def serve(self, command: str) -> str:
        """Serve functions for all the commands that follow."""
        self.stop_server()
        self.server = self._start([*shlex.split(command), "--port", "0"])
        assert self.server.stdout is not None
        shown = ""
        while "Press Ctrl-C to stop." not in shown:
            line = self.server.stdout.readline()
            assert line, shown
            shown += line
        exports = re.findall(r"(\w+)=(\S+)", "".join(re.findall(r"^  export (.*)$", shown, re.MULTILINE)))
        self.environment |= dict(exports)
        return shown.replace(dict(exports)["AWS_ENDPOINT_URL_LAMBDA"], ADDRESS)

    def run(self, command: str, output: str) -> str:
        """Run a command to its end, or until Ctrl-C is pressed."""
        if output.startswith("^C\n"):
            return self._interrupt(command)
        ran = subprocess.run(
            ["bash", "-c", f"(exit {self.last_status}); {command}"],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        self.last_status = ran.returncode
        return ran.stdout

    def close(self) -> None:
        """Stop everything."""
        if self.session is not None:
            self.session.communicate(timeout=30)
        self.stop_server()

    def stop_server(self) -> None:
        """Press Ctrl-C in the terminal that serves functions."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.communicate(timeout=30)
            self.server = None

    def _start(self, command: Sequence[str], *, stdin: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _run_command(self, command: str, output: str) -> None:
        if command.startswith("pip install "):
            return
        shown = self.serve(command) if command.startswith("lambdachain serve") else self.run(command, output)
        assert re.fullmatch(to_pattern(output), shown), f"$ {command}\n{shown}"

    def _interrupt(self, command: str) -> str:
        """Press Ctrl-C after some lines were written."""
        arguments = shlex.split(command.removesuffix(_STATUS))
        written = self.directory / arguments[arguments.index("--output") + 1]
        process = self._start(arguments)
        deadline = time.monotonic() + 30
        while not (written.exists() and written.read_bytes().count(b"\n") >= 10):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        return f"^C\n{process.communicate(timeout=30)[0]}status {process.returncode}\n"
