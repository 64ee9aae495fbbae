"""A deployment package without boto3: a call works, and what needs boto3 says so; in an interpreter without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TypeAlias

import pytest

Reported: TypeAlias = dict[str, list[str]]

# All cases in one interpreter, whose start takes longer than they do: a client reads the variables at its first call.
SCRIPT = """
import asyncio, json, os, sys
sys.modules.update(boto3=None, botocore=None, aiobotocore=None, certifi=None)  # as if they were not installed
from lambdachain import *
from lambdachain.sqs import QueueRoute, SqsTransport

NOBODY = "http://127.0.0.1:9"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret"}
VARIABLES = {
    "keys": KEYS,
    "no credentials": {},
    "a container's credentials": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": NOBODY},  # as with SnapStart
    "a profile": {**KEYS, "AWS_PROFILE": "billing"},
    "a proxy": {**KEYS, "http_proxy": NOBODY},
    "an endpoint with a query": {**KEYS, "AWS_ENDPOINT_URL_LAMBDA": NOBODY + "/a?b"},
}
offloaded = Contract("callee", request=str, response=str, offload=S3Offload("payloads", threshold=1000))
queued = Contract("callee", request=str, response=None)
route = QueueRoute(queued, "https://sqs.eu-west-1.amazonaws.com/123456789012/orders")

async def async_call():
    async with AsyncLambdaClient() as client:
        await client.call("callee", {})

CALLS = {
    "call": lambda: LambdaClient().call("callee", {}),
    "async call": lambda: asyncio.run(async_call()),
    "BotoTransport": lambda: LambdaClient(BotoTransport()).call("callee", {}),
    "S3Offload": lambda: LambdaClient().call(offloaded, "x" * 2000),
    "SqsTransport": lambda: LambdaClient(SqsTransport(route)).fire(queued, "x"),
}

def report(action):
    try:
        action()
    except Exception as exc:
        return [type(exc).__name__, str(exc)]

basic = {**os.environ, "AWS_LAMBDA_RUNTIME_API": NOBODY, "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_LAMBDA": NOBODY}
reported = {}
for setting, variables in VARIABLES.items():
    os.environ.clear()
    os.environ.update(basic | variables)
    reported |= {f"{name}, {setting}": report(call) for name, call in CALLS.items()}
print(json.dumps(reported))
"""


@pytest.fixture(scope="module", name="reported")
def _reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Return the class and the message of each call's error; nobody listens on the endpoint."""
    drop = ("AWS_", "HTTP", "ALL_PROXY", "NO_PROXY")
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(drop)}
    environment["HOME"] = str(tmp_path_factory.mktemp("home"))
    ran = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    reported: Reported = json.loads(ran.stdout)
    return reported


@pytest.mark.parametrize("call", ["call", "async call"])
def test_credentials_of_the_environment_are_enough(call: str, reported: Reported) -> None:
    """The call fails only because nobody listens."""
    name, message = reported[f"{call}, keys"]

    assert name == "ConnectError"
    assert "ConnectionRefusedError" in message


@pytest.mark.parametrize("call", ["call", "async call"])
@pytest.mark.parametrize(
    ("setting", "needed_for"),
    [
        ("no credentials", "finding credentials outside of environment variables"),
        ("a container's credentials", "finding credentials outside of environment variables"),
        ("a profile", "the AWS configuration file"),
        ("a proxy", "a proxy"),
        ("an endpoint with a query", "BotoTransport"),
    ],
)
def test_a_setting_that_needs_botocore_is_named(call: str, setting: str, needed_for: str, reported: Reported) -> None:
    """In an error of the call, never a bare ModuleNotFoundError."""
    name, message = reported[f"{call}, {setting}"]

    assert name == "ConnectError"
    assert f"is not installed, and {needed_for} needs it: add boto3 to the deployment package" in message
    assert "[not executed]" in message


@pytest.mark.parametrize(
    ("needed_for", "error"),
    [("BotoTransport", "ConnectError"), ("S3Offload", "NotInvokedError"), ("SqsTransport", "ConnectError")],
)
def test_what_sends_through_boto3_is_named(needed_for: str, error: str, reported: Reported) -> None:
    """In the error that it raises for everything that goes wrong there."""
    name, message = reported[f"{needed_for}, keys"]

    assert name == error
    assert f"boto3 is not installed, and {needed_for} needs it" in message
