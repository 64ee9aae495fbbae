"""Successful calls: what the function receives, and what its caller receives."""

from __future__ import annotations

import base64
import json
import re
import time
import uuid

import pytest

ARN = "arn:aws:lambda:us-east-1:123456789012:function"


def test_result(client):
    """A result comes back with the executed version and no error."""
    response = client.invoke(FunctionName="echo", Payload='{"a": [1, "é", null]}'.encode())

    assert {"a": [1, "é", None]} == json.load(response["Payload"])
    assert (200, "$LATEST") == (response["StatusCode"], response["ExecutedVersion"])
    assert not {"FunctionError", "LogResult"} & response.keys()


@pytest.mark.parametrize(
    ("function", "body"),
    [
        pytest.param("nothing", b"null", id="None"),
        pytest.param("raw", b'{"made": "by hand"}', id="bytes"),
        pytest.param("echo", b"{}", id="object"),
    ],
)
def test_result_on_the_wire(post, function, body):
    """A result has the headers that AWS sends."""
    reply = post(function)

    assert (200, body) == (reply.status, reply.body)
    assert ("application/json", "$LATEST", "0") == (
        reply.headers["content-type"],
        reply.headers["x-amz-executed-version"],
        reply.headers["x-amzn-remapped-content-length"],
    )
    assert str(uuid.UUID(reply.headers["x-amzn-requestid"])) == reply.headers["x-amzn-requestid"]


def test_absent_payload(client):
    """A call without a payload passes an empty object to the function."""
    assert b"{}" == client.invoke(FunctionName="echo")["Payload"].read()


@pytest.mark.parametrize(
    ("options", "arn"),
    [
        pytest.param({"FunctionName": "describe"}, f"{ARN}:describe", id="name"),
        pytest.param({"FunctionName": "function:describe"}, f"{ARN}:describe", id="function:name"),
        pytest.param({"FunctionName": "123456789012:function:describe"}, f"{ARN}:describe", id="partial ARN"),
        pytest.param({"FunctionName": f"{ARN}:describe"}, f"{ARN}:describe", id="ARN"),
        pytest.param({"FunctionName": "describe:$LATEST"}, f"{ARN}:describe:$LATEST", id="qualified name"),
        pytest.param({"FunctionName": f"{ARN}:describe:$LATEST"}, f"{ARN}:describe:$LATEST", id="qualified ARN"),
        pytest.param({"FunctionName": "describe", "Qualifier": "$LATEST"}, f"{ARN}:describe:$LATEST", id="Qualifier"),
        pytest.param(
            {"FunctionName": "describe:$LATEST", "Qualifier": "$LATEST"}, f"{ARN}:describe:$LATEST", id="both"
        ),
    ],
)
def test_address(client, options, arn):
    """Every form of an address reaches the function; its ARN has a qualifier only if the caller sent one."""
    response = client.invoke(Payload=b"{}", **options)

    assert arn == json.load(response["Payload"])["invoked_function_arn"]


def test_context(client):
    """The context has the function's identity, its remaining time, and the caller's own request id."""
    response = client.invoke(FunctionName="describe", Payload=b'{"order": 1}')

    seen = json.load(response["Payload"])
    assert {"order": 1} == seen["event"]
    assert response["ResponseMetadata"]["RequestId"] == seen["request_id"]
    assert ("describe", "$LATEST", "512") == (
        seen["function_name"],
        seen["function_version"],
        seen["memory_limit_in_mb"],
    )
    assert "/aws/lambda/describe" == seen["log_group_name"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["log_stream_name"])
    assert 0 < seen["remaining_ms"] <= 30_000


def test_a_frozen_clock_of_a_test_does_not_shorten_the_deadline(post, monkeypatch):
    """The function's process has the real time, and would see a deadline in the past."""
    monkeypatch.setattr(time, "time", lambda: 1577836800.0)
    seen = json.loads(post("describe", b"null").body)

    assert 0 < seen["remaining_ms"] <= 30_000


def test_environment(endpoint, result):
    """The function's variables are Lambda's and its own."""
    seen = result("describe")

    environment = seen["environment"]
    expected = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_LAMBDA": endpoint.url,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": "describe",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": "us-east-1",
        "GREETING": "grüß dich",
        "LAMBDA_TASK_ROOT": seen["directory"],
        "STAGE": "test",
        "_HANDLER": "app.describe",
    }
    assert expected == {name: environment.get(name) for name in expected}


def test_client_context(client):
    """ClientContext reaches the function, with several lines and beyond ASCII too."""
    context = base64.b64encode(json.dumps({"custom": {"who": "käthe"}}, indent=2, ensure_ascii=False).encode())
    response = client.invoke(FunctionName="describe", Payload=b"{}", ClientContext=context.decode())

    assert {"who": "käthe"} == json.load(response["Payload"])["custom"]


def test_client_context_that_is_not_json(client):
    """The runtime, not the endpoint, refuses an invalid ClientContext, even of many lines."""
    context = base64.b64encode("one\r\ntwo: ü".encode()).decode()
    response = client.invoke(FunctionName="describe", Payload=b"{}", ClientContext=context)

    assert "Runtime.LambdaContextUnmarshalError" == json.load(response["Payload"])["errorType"]


def test_client_context_at_its_limit(client):
    """The largest ClientContext that AWS accepts is delivered."""
    text = json.dumps({"custom": {"k": ""}})
    text = json.dumps({"custom": {"k": "v" * (2685 - len(text))}})
    response = client.invoke(
        FunctionName="describe", Payload=b"{}", ClientContext=base64.b64encode(text.encode()).decode()
    )

    assert json.loads(text)["custom"] == json.load(response["Payload"])["custom"]


def test_tenant(result):
    """The tenant id reaches the function; a function without tenant isolation has none."""
    assert "tenant 1/a" == result("tenants", TenantId="tenant 1/a")["tenant_id"]
    assert result("describe")["tenant_id"] is None


def test_trace_header(post):
    """The caller's trace continues in the function, with the function in its lineage, and is returned."""
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    reply = post("describe", headers={"X-Amzn-Trace-Id": trace})

    assert re.fullmatch(rf"{trace};Lineage=[0-9a-f]{{8}}:1", reply.headers["x-amzn-trace-id"])
    assert reply.headers["x-amzn-trace-id"] == reply.json["environment"]["_X_AMZN_TRACE_ID"]


def test_trace_header_started(post):
    """Without a trace of the caller, a new one starts."""
    reply = post("describe")

    assert re.fullmatch(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=[0-9a-f]{8}:1",
        reply.headers["x-amzn-trace-id"],
    )
    assert reply.headers["x-amzn-trace-id"] == reply.json["environment"]["_X_AMZN_TRACE_ID"]


def test_log_tail(client):
    """LogType=Tail returns everything that the invocation printed, between the platform's own lines."""
    response = client.invoke(FunctionName="speak", Payload=b'{"lines": ["one", "zw\\u00f6lf"]}', LogType="Tail")

    request_id = response["ResponseMetadata"]["RequestId"]
    log = base64.b64decode(response["LogResult"]).decode()
    assert re.fullmatch(
        rf"(the module is loaded\n)?START RequestId: {request_id} Version: \$LATEST\none\nzwölf\nto standard error\n"
        rf"END RequestId: {request_id}\n"
        rf"REPORT RequestId: {request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"(Max Memory Used: \d+ MB\t)?(Init Duration: [\d.]+ ms\t)?\n",
        log,
    )


def test_log_tail_is_of_one_invocation(client):
    """The log of an invocation contains nothing of the previous one."""
    tails = [
        client.invoke(FunctionName="speak", Payload=json.dumps({"lines": [line]}), LogType="Tail")["LogResult"]
        for line in ("first", "second")
    ]

    assert "first" not in base64.b64decode(tails[1]).decode()


def test_log_tail_is_4_kb(client):
    """Of a long log only the end is returned, at most 4 KB, however fast the response was."""
    response = client.invoke(FunctionName="chatter", Payload=b'{"bytes": 1000000}', LogType="Tail")

    log = base64.b64decode(response["LogResult"])
    assert 4096 == len(log)
    assert log.startswith(b"xxx")
    assert b"\nEND RequestId: " in log


def test_log_tail_of_an_exception(client):
    """The runtime's report of an exception is in the log, line by line."""
    response = client.invoke(FunctionName="fail", Payload=b"{}", LogType="Tail")

    log = base64.b64decode(response["LogResult"]).decode()
    assert "\n[ERROR] LookupError: no such order\nTraceback (most recent call last):\n" in log
    assert "\r" not in log


def test_event(client, eventually, tmp_path):
    """An event gets an empty response immediately, runs in the background, and has no ClientContext."""
    path = tmp_path / "note.json"
    response = client.invoke(
        FunctionName="note",
        InvocationType="Event",
        Payload=json.dumps({"path": str(path)}),
        ClientContext=base64.b64encode(b'{"custom": {"k": "v"}}').decode(),
        LogType="Tail",
    )

    eventually(path.exists)
    assert (202, b"") == (response["StatusCode"], response["Payload"].read())
    assert not {"ExecutedVersion", "LogResult", "FunctionError"} & response.keys()
    assert {
        "event": {"path": str(path)},
        "custom": None,
        "request_id": response["ResponseMetadata"]["RequestId"],
    } == json.loads(path.read_text())


def test_event_of_a_throttled_function(client, caplog, eventually):
    """An event is accepted even if no call would be, and discarded with Lambda's condition for it."""
    response = client.invoke(FunctionName="parked", InvocationType="Event", Payload=b'{"message": "canary-7f3a"}')

    line = f"parked: event {response['ResponseMetadata']['RequestId']} discarded: ZeroReservedConcurrency"
    eventually(lambda: line in caplog.messages)
    assert 202 == response["StatusCode"]
    assert not [message for message in caplog.messages if "canary-7f3a" in message]


def test_dry_run(client, tmp_path):
    """A dry run runs nothing and has no body."""
    path = tmp_path / "note.json"
    response = client.invoke(FunctionName="note", InvocationType="DryRun", Payload=json.dumps({"path": str(path)}))

    assert (204, b"") == (response["StatusCode"], response["Payload"].read())
    assert not path.exists()


def test_function_calls_function(result):
    """A function calls another one through boto3, with no other configuration than what every function has."""
    answer = result("relay", {"function": "echo", "payload": {"order": 7}})

    assert {"answer": {"order": 7}, "failed": False} == answer


def test_function_calls_function_that_fails(result):
    """A function gets the error of the function it called."""
    answer = result("relay", {"function": "fail", "payload": {}})

    assert ("LookupError", True) == (answer["answer"]["errorType"], answer["failed"])


def test_prints_are_logged(client, caplog):
    """The output of a function is logged by the endpoint, with the function's name."""
    caplog.set_level("INFO", logger="lambdachain.local")
    client.invoke(FunctionName="speak", Payload=b'{"lines": ["one", "two"]}')

    assert ["speak: one", "speak: two", "speak: to standard error"] == [
        message for message in caplog.messages if message.startswith("speak: ") and "module" not in message
    ]
