"""Responses that are valid HTTP but not Lambda's: the command line fails, and prints nothing that is not JSON."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
VARIABLES = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}
BAD = ["1e400", "-1e400", '{"a": [1e400]}', '{"__lambdachain_s3__"', '{"__lambdachain_s3__": <html>', "[" * 100_000]


class _Handler(BaseHTTPRequestHandler):
    """Responds to a payload that is text with that text, and to any other with the payload itself."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        payload: Any = json.loads(body)
        answer = payload.encode() if isinstance(payload, str) else body
        self.send_response(200)
        self.send_header("X-Amz-Executed-Version", "1")
        self.send_header("x-amzn-RequestId", "r-1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Suppress the log."""


@pytest.fixture
def url() -> Iterator[str]:
    """Serve the responses."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("bad", BAD, ids=lambda text: text[:24])
def test_call_fails_and_prints_no_response(bad: str, run: Run, url: str):
    """With an exit status that is not 0."""
    ran = run("call", "f", json.dumps(bad), "--endpoint-url", url, **VARIABLES)

    assert ran.returncode != 0
    assert ran.stdout == ""
    assert "does not fit JsonValue" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_map_continues_and_records_each_failure(run: Run, url: str, tmp_path: Path):
    """One failure for each such response; every other response is written."""
    lines = [json.dumps(line) for line in [1, BAD[0], 2, BAD[3], 3, BAD[5]]]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    ran = run("map", "f", "in.jsonl", "--endpoint-url", url, "--output", "out.jsonl", **VARIABLES)

    assert "Traceback" not in ran.stderr
    assert ran.returncode != 0
    values = [json.loads(line)["value"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    failures = (tmp_path / "out.failures.jsonl").read_text().splitlines()
    assert (sorted(values), len(failures)) == ([1, 2, 3], 3)
    assert "Infinity" not in (tmp_path / "out.jsonl").read_text() + ran.stdout


@pytest.mark.parametrize("command", ["call", "map"])
def test_a_file_name_cannot_inject_a_line(command: str, run: Run, url: str):
    """It cannot control a terminal or a reader of build logs either."""
    name = "no\n::error::such\x1b[2J\u202efile"
    file = f"@{name}" if command == "call" else name
    ran = run(command, "f", file, "--endpoint-url", url, **VARIABLES)

    assert ran.returncode != 0
    assert not any(line.startswith("::error::") for line in ran.stderr.splitlines())
    assert "\x1b[2J" not in ran.stderr
    assert "\u202e" not in ran.stderr
