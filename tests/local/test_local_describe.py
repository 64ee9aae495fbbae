"""GetFunction, GetFunctionConfiguration and ListFunctions, for clients that describe a function before they call it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lambdachain.local import EventConfig, LocalAlias, LocalEndpoint, LocalFunction, LocalVersion

FUNCTIONS = Path(__file__).parent / "functions"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:dead"


@pytest.fixture(scope="module")
def serving(client_of):
    """Serve a function with everything that can be serving."""
    orders = LocalFunction(
        "orders",
        "app.echo",
        directory=FUNCTIONS,
        timeout=12,
        memory=512,
        environment={"STAGE": "test"},
        reserved_concurrency=5,
        tenant_isolation=True,
        events=EventConfig(dead_letter=QUEUE),
        versions={"1": LocalVersion(memory=256), "2": LocalVersion()},
        aliases={"live": LocalAlias("1", routing={"2": 0.5})},
    )
    other = LocalFunction("other", "app.echo", directory=FUNCTIONS)
    with LocalEndpoint([orders, other], services={"sqs": "http://127.0.0.1:1"}) as endpoint:
        yield client_of(endpoint)


@pytest.mark.parametrize("action", ["GetFunction", "GetFunctionConfiguration"])
def test_a_function_of_another_account(serving, action):
    """The refusal names the requested ARN."""
    ask = {"GetFunction": serving.get_function, "GetFunctionConfiguration": serving.get_function_configuration}
    with pytest.raises(ClientError) as refused:
        ask[action](FunctionName=ARN.replace("123456789012", "210987654321"))

    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert f" is not authorized to perform: lambda:{action} on resource: " in str(refused.value)


def test_get_function(serving):
    """A function is serving as it was declared, in the members of botocore's model."""
    response = serving.get_function(FunctionName="orders")

    configuration = response["Configuration"]
    expected = {
        "FunctionName": "orders",
        "FunctionArn": ARN,
        "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Role": "arn:aws:iam::123456789012:role/local",
        "Handler": "app.echo",
        "Timeout": 12,
        "MemorySize": 512,
        "Version": "$LATEST",
        "Environment": {"Variables": {"STAGE": "test"}},
        "DeadLetterConfig": {"TargetArn": QUEUE},
        "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"},
        "State": "Active",
        "PackageType": "Zip",
    }
    assert expected == {name: configuration.get(name) for name in expected}
    assert {"ReservedConcurrentExecutions": 5} == response["Concurrency"]


@pytest.mark.parametrize(
    ("name", "options", "described_as"),
    [
        pytest.param("orders", {}, (ARN, "$LATEST", 512), id="latest"),
        pytest.param("orders", {"Qualifier": "1"}, (f"{ARN}:1", "1", 256), id="version"),
        pytest.param("orders", {"Qualifier": "live"}, (f"{ARN}:live", "1", 256), id="alias"),
        pytest.param(f"{ARN}:2", {}, (f"{ARN}:2", "2", 512), id="ARN"),
    ],
)
def test_get_function_configuration(serving, name, options, described_as):
    """A qualifier is resolved to its version."""
    found = serving.get_function_configuration(FunctionName=name, **options)

    assert described_as == (found["FunctionArn"], found["Version"], found["MemorySize"])


def test_list_functions(serving):
    """All functions are listed, with their versions if asked for."""
    latest = serving.list_functions()["Functions"]
    every = serving.get_paginator("list_functions").paginate(FunctionVersion="ALL").build_full_result()["Functions"]

    assert ["orders", "other"] == [each["FunctionName"] for each in latest]
    assert [("orders", "1"), ("orders", "2")] == [
        (each["FunctionName"], each["Version"]) for each in every if each["Version"] != "$LATEST"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"FunctionName": "nope"}, "Function not found: .*:function:nope$", id="function"),
        pytest.param(
            {"FunctionName": "nope", "Qualifier": "$LATEST"},
            r"Function not found: .*:function:nope:\$LATEST$",
            id="function and its qualifier",
        ),
        pytest.param({"FunctionName": "a" * 65}, f"Function not found: .*:function:{'a' * 65}$", id="long name"),
        pytest.param(
            {"FunctionName": ARN.rpartition(":")[0]}, "Function not found: .*:function:function$", id="no name in ARN"
        ),
        pytest.param(
            {"FunctionName": "orders", "Qualifier": "$latest"}, rf"Function not found: {ARN}:\$latest$", id="$latest"
        ),
        pytest.param({"FunctionName": "orders", "Qualifier": "9"}, f"Function not found: {ARN}:9", id="version"),
    ],
)
def test_unknown(serving, options, message):
    """An unknown function is not found; without a qualifier in the request, the message has none (recorded)."""
    for operation in (serving.get_function, serving.get_function_configuration):
        with pytest.raises(ClientError, match=message):
            operation(**options)


def test_waiter(serving):
    """A client that waits until a function is active does not wait."""
    serving.get_waiter("function_active_v2").wait(FunctionName="orders")


def test_cli(serving, tmp_path):
    """The AWS CLI reads the same."""
    cli = Path(sys.executable).with_name("aws")
    if not cli.exists():
        pytest.skip("the AWS CLI is not installed in this environment")
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [
            *(sys.executable, str(cli), "lambda", "get-function-configuration", "--function-name", "orders:live"),
            *("--endpoint-url", serving.meta.endpoint_url, "--region", "us-east-1"),
            *("--query", "[Version, MemorySize]", "--output", "text"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )

    assert ("1\t256\n", "", 0) == (ran.stdout, ran.stderr, ran.returncode)
