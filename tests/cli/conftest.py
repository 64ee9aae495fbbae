"""``lambdachain serve`` as a user runs it: a process in a directory of files, called by a real client."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.support.environments import environment_without

RUN = [sys.executable, "-c", "from lambdachain.cli import main; main()"]


@dataclass
class Served:
    """A running ``lambdachain serve --json``, and every message that it has printed."""

    process: subprocess.Popen[str]
    messages: list[dict[str, Any]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        """Read its output until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.arrived:
                self.messages.append(json.loads(line))
                self.arrived.notify_all()

    def wait_for(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """Wait for a message of a type with certain fields."""

        def found() -> dict[str, Any] | None:
            return next((m for m in self.messages if m["type"] == kind and wanted.items() <= m.items()), None)

        with self.arrived:
            assert self.arrived.wait_for(found, timeout=90), f"no {kind} {wanted} among {self.messages}"
            message = found()
        assert message is not None
        return message

    def messages_of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type."""
        with self.arrived:
            return [message for message in self.messages if message["type"] == kind]

    @property
    def url(self) -> str:
        return str(self.wait_for("serving")["url"])

    @property
    def client(self) -> Any:
        """Create a boto3 client without retries, configured only by the variables that `serve` prints."""
        exported = self.wait_for("serving")["environment"]
        return boto3.client(
            "lambda",
            endpoint_url=exported["AWS_ENDPOINT_URL_LAMBDA"],
            region_name=exported["AWS_REGION"],
            aws_access_key_id=exported["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exported["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )

    def call(self, function: str, event: Any = None, **options: Any) -> Any:
        """Call a function and decode its response."""
        response = self.client.invoke(FunctionName=function, Payload=json.dumps(event), **options)
        return json.load(response["Payload"])

    def stop(self, how: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(how)
        return self.process.wait(timeout=90)


@dataclass(frozen=True)
class FastLambda:
    """A running ``fast_lambda.py``, and the payloads that it was sent."""

    url: str
    notes: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which any client calls the endpoint."""
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        return {"AWS_ENDPOINT_URL_LAMBDA": self.url, "AWS_REGION": "us-east-1", **keys}

    def received(self) -> list[Any]:
        """Return the payloads in the order of their arrival."""
        return [json.loads(line) for line in self.notes.read_text().splitlines()]


@pytest.fixture
def fast_lambda(tmp_path: Path) -> Iterator[Callable[..., FastLambda]]:
    """Start servers that respond after at most some seconds, each call after a random time."""
    started: list[subprocess.Popen[str]] = []

    def start(most: float = 0.0, room: int = 1000) -> FastLambda:
        notes = tmp_path.with_name(f"{tmp_path.name}-notes-{len(started)}")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.fast_lambda", str(notes), str(most), str(room)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return FastLambda(f"http://127.0.0.1:{int(process.stdout.readline())}", notes)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def command() -> list[str]:
    """Return the command line that starts ``lambdachain``."""
    return RUN


@pytest.fixture
def environment() -> dict[str, str]:
    """Return this process's variables without those that select a real AWS, or that change how output is written."""
    return environment_without("AWS_", "PYTEST_", "PYTHONUNBUFFERED")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write files into the test's directory."""

    def files(contents: Mapping[str, str]) -> Path:
        for name, text in contents.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return tmp_path

    return files


@pytest.fixture
def serve(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Served]]:
    """Start ``lambdachain serve --json`` on a free port, in the test's directory."""
    started: list[tuple[Served, threading.Thread]] = []
    errors = tmp_path.with_name(f"{tmp_path.name}-stderr")

    def start(*arguments: str, port: int = 0, **variables: str) -> Served:
        with errors.open("a") as stderr:
            process = subprocess.Popen(
                [*RUN, "serve", "--json", "--port", str(port), *arguments],
                cwd=tmp_path,
                env={**environment, **variables},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        served = Served(process)
        reader = threading.Thread(target=served.read, daemon=True)
        reader.start()
        started.append((served, reader))
        return served

    yield start
    for served, reader in started:
        served.process.kill()
        served.process.wait()
        reader.join()
        assert served.process.stdout is not None
        served.process.stdout.close()
    told = errors.read_text() if started else ""
    assert "Traceback" not in told, told


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``lambdachain`` to its end, in the test's directory."""

    def to_the_end(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*RUN, *arguments],
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return to_the_end


@pytest.fixture
def find_processes(tmp_path: Path) -> Callable[[], list[int]]:
    """Return the processes whose working directory is the test's directory."""

    def running() -> list[int]:
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                inside = (entry / "cwd").readlink().is_relative_to(tmp_path)
            except OSError:
                continue
            found += [int(entry.name)] if inside else []
        return found

    return running


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Wait until a function returns something true, and return that."""

    def wait(question: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 90
        while not (answer := question()):
            assert time.monotonic() < deadline, "it did not come to pass in 30 seconds"
            time.sleep(0.02)
        return answer

    return wait
