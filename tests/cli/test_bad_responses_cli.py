"""Responses that are valid HTTP but not Lambda's: the command line fails, and prints nothing that is not JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import respond
from tests.support.laboratory import Fault, Laboratory, Request
from tests.support.responses import http_response

Run = Callable[..., subprocess.CompletedProcess[str]]
VARIABLES = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}
BAD = ["1e400", "-1e400", '{"a": [1e400]}', '{"__lambdachain_s3__"', '{"__lambdachain_s3__": <html>', "[" * 100_000]


def _to_response(request: Request) -> bytes:
    """Respond to a payload that is a string with the content of the string, and to any other with itself."""
    payload: Any = json.loads(request.body)
    body = payload.encode() if isinstance(payload, str) else request.body
    return http_response("200 OK", body, {"X-Amz-Executed-Version": "1"})


@pytest.fixture
def url() -> Iterator[str]:
    """Serve such responses."""
    with Laboratory() as laboratory:
        laboratory.play(Fault("bad response", respond(_to_response)))
        yield laboratory.url


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
