"""The demo's functions, called by others: boto3 itself, the AWS CLI, and the demo as a user starts it."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from demo import HERE, system

ORDER = {"product": "Keyboard", "quantity": 3, "unit_price": "24.90"}


@pytest.fixture(scope="module", name="url")
def _url() -> Iterator[str]:
    with system() as endpoint:
        yield endpoint.url


@pytest.fixture(name="boto")
def _boto(url: str):
    config = Config(retries={"total_max_attempts": 1})
    client = boto3.client("lambda", endpoint_url=url, region_name="us-east-1", config=config)
    yield client
    client.close()


def _invoke(boto, function: str, payload: object, **parameters: str) -> tuple[dict, object]:
    answer = boto.invoke(FunctionName=function, Payload=json.dumps(payload), **parameters)
    body = answer.pop("Payload").read()
    return answer, json.loads(body) if body else None


def test_boto3_gets_a_plain_response(boto):
    """A caller without lambdachain sees an ordinary function."""
    answer, body = _invoke(boto, "ChildFunction", ORDER, LogType="Tail")

    assert (200, "$LATEST", None) == (answer["StatusCode"], answer["ExecutedVersion"], answer.get("FunctionError"))
    assert {"product": "Keyboard", "amount": "74.70"} == {key: body[key] for key in ("product", "amount")}
    assert UUID(body["transaction_id"])
    assert b"sold 3 x Keyboard" in base64.b64decode(answer["LogResult"])


def test_boto3_sees_the_parent_call_the_child(boto):
    """The parent's own calls go through the endpoint, too."""
    _, body = _invoke(boto, "ParentFunction", ORDER)

    assert "Keyboard: 74.70 to pay" == body["text"]


def test_boto3_sees_a_declared_error_as_a_lambda_error(boto):
    """A domain error is a normal function error: type, message, stack."""
    answer, body = _invoke(boto, "ChildFunction", ORDER | {"quantity": 41})

    assert (200, "Unhandled") == (answer["StatusCode"], answer["FunctionError"])
    assert ("OutOfStock", '{"product":"Keyboard","available":40}') == (body["errorType"], body["errorMessage"])
    assert body["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert "raise OutOfStock" in "".join(body["stackTrace"])


def test_boto3_sees_a_rejected_request_without_its_values(boto):
    """A rejection says where and why."""
    answer, body = _invoke(boto, "ChildFunction", ORDER | {"quantity": "canary"})

    assert "Unhandled" == answer["FunctionError"]
    assert "RequestRejectedError" == body["errorType"]
    assert [["quantity"]] == [error["loc"] for error in json.loads(body["errorMessage"])["errors"]]
    assert "canary" not in json.dumps(body)


def test_boto3_sees_a_timeout(boto):
    """A function that exceeds its timeout responds as on AWS."""
    answer, body = _invoke(boto, "ReportFunction", None)

    assert "Unhandled" == answer["FunctionError"]
    assert "Sandbox.Timedout" == body["errorType"]
    assert body["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")


def test_boto3_sends_events_and_dry_runs(boto):
    """Event is 202, DryRun 204, an unknown function 404."""
    assert (202, None) == (_invoke(boto, "ChildFunction", ORDER, InvocationType="Event")[0]["StatusCode"], None)
    assert 204 == _invoke(boto, "ChildFunction", ORDER, InvocationType="DryRun")[0]["StatusCode"]
    with pytest.raises(ClientError, match="Function not found") as missing:
        _invoke(boto, "NoFunction", ORDER)
    assert "ResourceNotFoundException" == missing.value.response["Error"]["Code"]


@pytest.mark.skipif(importlib.util.find_spec("awscli") is None, reason="awscli pins the newest botocore")
def test_the_aws_cli_calls_the_demo(url: str, tmp_path: Path):
    """``aws lambda invoke`` prints what it prints with AWS: the response, a function error, an unknown function."""
    out = tmp_path / "out.json"

    def aws(function: str, payload: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "awscli", "lambda", "invoke", "--endpoint-url", url, "--region", "us-east-1"]
        command += ["--function-name", function, "--payload", json.dumps(payload), str(out)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    answered = aws("ParentFunction", ORDER)
    assert {"StatusCode": 200, "ExecutedVersion": "$LATEST"} == json.loads(answered.stdout)
    assert "Keyboard: 74.70 to pay" == json.loads(out.read_text())["text"]

    failed = aws("ChildFunction", ORDER | {"quantity": 41})
    assert "Unhandled" == json.loads(failed.stdout)["FunctionError"]
    assert "OutOfStock" == json.loads(out.read_text())["errorType"]

    missing = aws("NoFunction", ORDER)
    assert missing.returncode in {254, 255}
    assert "An error occurred (ResourceNotFoundException) when calling the Invoke operation" in missing.stderr


def test_the_demo_shows_every_kind_of_failure():
    """``make demo`` succeeds and names what happened each time."""
    environment = os.environ | {"PYTHONPATH": str(HERE / "contracts")}
    ran = subprocess.run(
        [sys.executable, str(HERE / "demo.py")], capture_output=True, text=True, check=True, env=environment
    )

    shown = [
        line.split(":")[0].strip() for line in ran.stdout.splitlines() if "Error: " in line or "OutOfStock: " in line
    ]
    assert shown == [
        "OutOfStock",
        "FunctionTimeoutError",
        "CallTimeoutError",
        "InvalidRequestError",
        "RequestRejectedError",
    ]
    assert "Keyboard: 74.70 to pay" in ran.stdout
    assert "sorry, only 2 x Monitor left" in ran.stdout
    assert "no such function" in ran.stdout
