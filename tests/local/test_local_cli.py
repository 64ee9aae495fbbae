"""The AWS CLI calls the endpoint as it would call AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CLI = Path(sys.executable).with_name("aws")

pytestmark = pytest.mark.skipif(not CLI.exists(), reason="the AWS CLI is not installed in this environment")


@pytest.fixture
def aws(endpoint, tmp_path):
    """Invoke a function; return the exit status, the CLI's output, its errors, and the payload."""

    def invoke(*arguments):
        environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "PATH": "/usr/bin:/bin"}
        out = tmp_path / "out.json"
        place = ("--endpoint-url", endpoint.url, "--region", "us-east-1")
        command = [sys.executable, str(CLI), "lambda", "invoke", *arguments, *place, str(out)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        printed = json.loads(ran.stdout) if ran.stdout else None
        return ran.returncode, printed, ran.stderr, out.read_text() if out.exists() else ""

    return invoke


def test_result(aws):
    """A result is written to the file."""
    assert (0, {"StatusCode": 200, "ExecutedVersion": "$LATEST"}, "", '{"a": 1}') == aws(
        "--function-name", "echo", "--payload", '{"a": 1}'
    )


def test_function_error(aws):
    """A function error is reported, but the command succeeds (as observed with AWS)."""
    status, printed, _, payload = aws("--function-name", "fail", "--payload", "{}")

    assert (0, "Unhandled", "LookupError") == (status, printed["FunctionError"], json.loads(payload)["errorType"])


@pytest.mark.parametrize(("kind", "status"), [("Event", 202), ("DryRun", 204)])
def test_other_types(aws, kind, status):
    """An event is accepted, and a dry run permitted."""
    assert (0, {"StatusCode": status}, "") == aws("--function-name", "echo", "--invocation-type", kind)[:3]


def test_unknown_function(aws):
    """An unknown function is an error of the command."""
    status, _, words, _ = aws("--function-name", "nope")

    assert 0 != status
    assert (
        "An error occurred (ResourceNotFoundException) when calling the Invoke operation: Function not found: " in words
    )
