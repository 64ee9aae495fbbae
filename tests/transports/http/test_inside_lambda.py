"""A function that calls another, in processes of the real runtime client: the default there needs no boto3."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from lambdachain import BotoTransport, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction

CALLER = """
import sys
from lambdachain import LambdaClient

client = LambdaClient()

def handler(event, context):
    answer = client.call("callee", event)
    transport = type(client._invoker._transport).__name__
    return {"answer": answer, "transport": transport, "loaded": sorted({"boto3", "botocore"} & set(sys.modules))}
"""
CALLEE = """
def handler(event, context):
    return [event, context.client_context.custom["lc-depth"]]
"""


@pytest.mark.parametrize(
    ("environment", "transport", "loaded"),
    [
        ({}, "HttpTransport", []),
        ({"LAMBDACHAIN_TRANSPORT": "boto"}, "BotoTransport", ["boto3", "botocore"]),
    ],
    ids=["by default", "overridden"],
)
def test_a_function_calls_another(
    environment: dict[str, str], transport: str, loaded: list[str], tmp_path: Path
) -> None:
    """With the credentials, region and endpoint in the runtime's environment."""
    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "callee.py").write_text(CALLEE)
    functions = [
        LocalFunction("caller", "caller.handler", directory=tmp_path, environment=environment, timeout=20),
        LocalFunction("callee", "callee.handler", directory=tmp_path, timeout=20),
    ]
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")

    with LocalEndpoint(functions) as endpoint:
        client = LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url))
        answer = client.call("caller", {"cents": 5})
        client.close()

    assert {"answer": [{"cents": 5}, "1"], "transport": transport, "loaded": loaded} == answer
