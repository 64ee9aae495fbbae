"""The how-to page of ``serve``, followed as by a reader: files written, commands run, output compared."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.support.page_reader import ADDRESS, Fence, parse_fences

PAGE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "run-a-system-locally.md"


@dataclass
class ServeTerminal:
    """A running ``lambdachain serve``, and its printed lines that were not expected yet."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    addresses: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self.read, daemon=True)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.arrived:
                self.lines.append(re.sub(r"http://127\.0\.0\.1:\d+", self.to_shown, line.rstrip("\n")))
                self.arrived.notify_all()

    def to_shown(self, found: re.Match[str]) -> str:
        """Return the address that the page shows: of the endpoint, or of the HTTP APIs from 3000 on."""
        if found[0] not in self.addresses:
            self.addresses.append(found[0])
        index = self.addresses.index(found[0])
        return f"http://127.0.0.1:{2999 + index}" if index else ADDRESS

    def shows(self, wanted: str) -> None:
        """Wait for a line among those not expected yet; ``...`` in it matches anything."""
        pattern = re.compile(" *".join(".*".join(map(re.escape, part.split("..."))) for part in wanted.split()))

        def index() -> int | None:
            return next((at for at, line in enumerate(self.lines) if pattern.fullmatch(line.strip())), None)

        with self.arrived:
            assert self.arrived.wait_for(lambda: index() is not None, timeout=30), f"no {wanted!r} in {self.lines}"
            del self.lines[index() or 0]

    def exports(self) -> dict[str, str]:
        values = {
            "AWS_ENDPOINT_URL_LAMBDA": self.addresses[0],
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        return {**values, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=30) == 130
        self.reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


class ServeReader:
    """Somebody who watches ``serve`` in one terminal, and calls its functions from another."""

    def __init__(self, directory: Path, environment: dict[str, str], command: list[str]) -> None:
        self.directory = directory
        self.environment = environment
        self.command = command
        self.terminal: ServeTerminal | None = None

    def follow(self, fence: Fence) -> None:
        if fence.language == "console":
            command, _, output = fence.body.removeprefix("$ ").partition("\n")
            (self.serve if command.startswith("lambdachain ") else self.call)(command.split(), output.splitlines())
        elif fence.language == "text":
            self.expect(fence.body.splitlines())
        elif fence.language == "bash":
            for url, output in re.findall(r"^curl (\S+) +# (.*)$", fence.body, re.MULTILINE):
                self.fetch(url, output)
        else:
            fence.write(self.directory)

    def serve(self, command: list[str], output: list[str]) -> None:
        self.close()
        process = subprocess.Popen(
            [*self.command, *command[1:], "--port", "0", *(["--http-port", "0"] if "--http" in command else [])],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        self.terminal = ServeTerminal(process)
        self.terminal.reader.start()
        self.expect(output)

    def call(self, command: list[str], output: list[str]) -> None:
        assert command[0] == "python"
        assert self.terminal is not None
        ran = subprocess.run(
            [sys.executable, *command[1:]],
            cwd=self.directory,
            env={**self.environment, **self.terminal.exports()},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.splitlines() == output

    def fetch(self, url: str, output: str) -> None:
        assert self.terminal is not None
        port = urlsplit(url).port
        assert port is not None
        # The page's ports count from 3000; the addresses begin with the endpoint's own.
        address = self.terminal.addresses[port - 2999]
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        connection.request("GET", urlsplit(url).path)
        assert connection.getresponse().read().decode() == output
        connection.close()

    def expect(self, lines: list[str]) -> None:
        assert self.terminal is not None
        for line in filter(None, lines):
            self.terminal.shows(line)

    def close(self) -> None:
        if self.terminal is not None:
            self.terminal.stop()
            self.terminal = None


@pytest.fixture
def reader(tmp_path: Path, environment: dict[str, str], command: list[str]) -> Iterator[ServeReader]:
    """Create a reader at two terminals in an empty directory."""
    someone = ServeReader(tmp_path, {**environment, "PYTHONUNBUFFERED": "1"}, command)
    yield someone
    if someone.terminal is not None:
        someone.terminal.process.kill()
        someone.terminal.process.communicate()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.docs
def test_the_page_is_correct(reader: ServeReader):
    """Every file, every command, every line of output."""
    fences = list(parse_fences(PAGE.read_text()))
    for fence in fences:
        reader.follow(fence)
    reader.close()

    assert sum(fence.language == "console" for fence in fences) >= 8
