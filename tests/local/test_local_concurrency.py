"""The limit of concurrent invocations of all functions, and what happens to calls and events beyond it."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from aiohttp import web
from botocore.exceptions import ClientError

from lambdachain import Contract, HttpTransport, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.local import _aiohttp_server as local_http

FUNCTIONS = Path(__file__).parent / "functions"
LIMIT = "ConcurrentInvocationLimitExceeded"
WAITING = """
import pathlib, time
def handler(event, context):
    here = pathlib.Path(event["directory"])
    (here / context.aws_request_id).touch()
    while not (here / "go").exists():
        time.sleep(0.01)
    return len(list(here.iterdir()))
"""

NESTED = """
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
def caller(event, context):
    client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    try:
        return client.invoke(FunctionName="callee")["Payload"].read().decode()
    except ClientError as error:
        return [error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Reason"]]
def callee(event, context):
    return "ran"
"""


@pytest.fixture(name="waiting")
def _waiting(tmp_path):
    """Write a function that waits for a file, and declare functions with it."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(WAITING)
    (tmp_path / "here").mkdir()
    return lambda name, **options: LocalFunction(
        name, "app.handler", directory=tmp_path / "code", timeout=60, **options
    )


@pytest.fixture(name="event")
def _event(tmp_path):
    return {"directory": str(tmp_path / "here")}


def payload(event):
    """Create an event."""
    return json.dumps(event).encode()


def test_a_call_over_the_limit_is_throttled(client_of, waiting, event, tmp_path, eventually):
    """Of any function, with Lambda's reason; once there is room, it is accepted."""
    here = tmp_path / "here"
    with (
        LocalEndpoint([waiting("a"), waiting("b")], concurrency=2) as endpoint,
        ThreadPoolExecutor(2) as threads,
    ):
        client = client_of(endpoint)
        running = [threads.submit(client.invoke, FunctionName="a", Payload=payload(event)) for _ in range(2)]
        eventually(lambda: len(list(here.iterdir())) == 2)
        refusals = []
        for call in (client.invoke, client.invoke_with_response_stream):
            with pytest.raises(ClientError) as refused:
                call(FunctionName="b", Payload=payload(event))
            refusals.append(refused.value.response)
        client.invoke(FunctionName="b", InvocationType="DryRun")["Payload"].read()
        (here / "go").touch()
        ran = [json.load(each.result()["Payload"]) for each in running]
        later = client.invoke(FunctionName="b", Payload=payload(event))

    for refusal in refusals:
        assert (429, "TooManyRequestsException", LIMIT, "Rate Exceeded.") == (
            refusal["ResponseMetadata"]["HTTPStatusCode"],
            refusal["Error"]["Code"],
            refusal["Reason"],
            refusal["message"],
        )
    assert [3, 3] == ran
    assert 4 == json.load(later["Payload"])


def test_an_event_over_the_limit_waits(client_of, waiting, event, tmp_path, eventually):
    """It is accepted, and runs when there is room."""
    here = tmp_path / "here"
    reported = []
    with (
        LocalEndpoint(
            [waiting("a"), waiting("b")], concurrency=1, clock="virtual", observer=reported.append
        ) as endpoint,
        ThreadPoolExecutor(1) as threads,
    ):
        client = client_of(endpoint)
        running = threads.submit(client.invoke, FunctionName="a", Payload=payload(event))
        eventually(lambda: len(list(here.iterdir())) == 1)
        for _ in range(3):
            accepted = client.invoke(FunctionName="b", Payload=payload(event), InvocationType="Event")
            assert (202, b"") == (accepted["StatusCode"], accepted["Payload"].read())
        eventually(lambda: endpoint.advance(1) and [each for each in reported if each.status == 429])
        (here / "go").touch()
        running.result()["Payload"].read()
        endpoint.deliver()

    assert 3 == sum(each.status == 200 and each.function == "b" for each in reported)


def test_events_never_throttle_each_other(client_of, tmp_path):
    """No more are delivered at a time than the limit allows."""
    reported = []
    with LocalEndpoint(
        [LocalFunction(name, "app.echo", directory=FUNCTIONS, timeout=30) for name in "ab"],
        concurrency=1,
        clock="virtual",
        observer=reported.append,
    ) as endpoint:
        for name in "abab":
            client_of(endpoint).invoke(FunctionName=name, Payload=b"1", InvocationType="Event")["Payload"].read()
        endpoint.deliver()

    assert [200] * 4 == [each.status for each in reported]


def test_calls_still_wait_for_a_process_of_their_function(client_of, waiting, event, tmp_path, eventually):
    """``max_sandboxes`` of a function takes precedence, and the limit is never exceeded."""
    here = tmp_path / "here"
    with (
        LocalEndpoint([waiting("a", max_sandboxes=1)], concurrency=1) as endpoint,
        ThreadPoolExecutor(3) as threads,
    ):
        calls = [threads.submit(client_of(endpoint).invoke, FunctionName="a", Payload=payload(event)) for _ in range(3)]
        eventually(lambda: len(list(here.iterdir())) == 1)
        (here / "go").touch()
        answers = sorted(json.load(each.result()["Payload"]) for each in calls)

    assert [2, 3, 4] == answers


def test_a_caller_that_holds_the_only_permit(client_of, tmp_path):
    """It cannot deadlock with its callee, even if calls of that function wait for a process."""
    (tmp_path / "app.py").write_text(NESTED)
    functions = [LocalFunction(name, f"app.{name}", directory=tmp_path, timeout=60) for name in ("caller", "callee")]
    functions[1] = replace(functions[1], max_sandboxes=1)
    with LocalEndpoint(functions, concurrency=1) as endpoint:
        answer = json.load(client_of(endpoint).invoke(FunctionName="caller", Payload=b"{}")["Payload"])

    assert answer == [429, LIMIT]


def test_reserved_concurrency_has_its_own_reason(client_of, waiting, event, tmp_path, eventually):
    """If both limits are reached, the function's own is the reason."""
    with (
        LocalEndpoint([waiting("a", reserved_concurrency=1)], concurrency=1) as endpoint,
        ThreadPoolExecutor(1) as threads,
    ):
        running = threads.submit(client_of(endpoint).invoke, FunctionName="a", Payload=payload(event))
        eventually(lambda: list((tmp_path / "here").iterdir()))
        with pytest.raises(ClientError) as refused:
            client_of(endpoint).invoke(FunctionName="a", Payload=payload(event))
        (tmp_path / "here" / "go").touch()
        running.result()["Payload"].read()

    assert f"Reserved{'Function'}{LIMIT}" == refused.value.response["Reason"]


def test_failures_and_disconnected_callers_release_their_permit(client_of):
    """Neither keeps it."""
    functions = [
        LocalFunction(name, f"app.{name}", directory=FUNCTIONS, timeout=30) for name in ("end", "fail", "echo")
    ]
    with LocalEndpoint(functions, concurrency=1) as endpoint:
        client = client_of(endpoint)
        for name, event in (("end", {"sys_exit": 1}), ("fail", {}), ("end", {"signal": 9})):
            response = client.invoke(FunctionName=name, Payload=payload(event))
            response["Payload"].read()
            assert "FunctionError" in response
        assert b"1" == client.invoke(FunctionName="echo", Payload=b"1")["Payload"].read()


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_concurrency_of_zero_is_refused(concurrency):
    """Nothing could run."""
    with pytest.raises(ValueError, match=f"concurrency must be 1 or more, not {concurrency}"):
        LocalEndpoint([LocalFunction("a", "app.echo", directory=FUNCTIONS)], concurrency=concurrency)


@pytest.mark.parametrize("concurrency", [None, 3])
def test_a_map_adapts_to_the_limit(concurrency, tmp_path):
    """Every item of a large map succeeds, however many calls it tries at a time."""
    (tmp_path / "tiny.py").write_text("def handler(event, context):\n    return event\n")
    function = LocalFunction("tiny", "tiny.handler", directory=tmp_path)
    with LocalEndpoint([function], concurrency=concurrency) as endpoint:
        session = boto3.Session("x", "y", region_name="us-east-1")
        with LambdaClient(HttpTransport(endpoint_url=endpoint.url, session=session)) as client:
            results = list(client.map(Contract("tiny", request=int, response=int), range(2_000)))

    assert list(range(2_000)) == results


def test_a_request_that_ends_as_the_server_stops(caplog):
    """It ends in the very turn of the loop in which aiohttp stops waiting: nothing is raised or logged."""
    caplog.set_level(logging.WARNING)
    problems = []

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        entered = asyncio.Event()

        async def handle(_request):
            entered.set()
            await asyncio.sleep(local_http.SHUTDOWN_TIMEOUT * 0.9)
            return web.Response()

        in_flight = local_http.RequestTracker(handle)
        application = web.Application()
        application.router.add_route("*", "/", in_flight.handle)
        runner = web.AppRunner(application, shutdown_timeout=local_http.SHUTDOWN_TIMEOUT)
        listener = socket.create_server(("127.0.0.1", 0))
        await local_http.start_server(runner, listener)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await entered.wait()
        stopping = asyncio.create_task(local_http.stop_server(runner, listener, in_flight))
        for _ in range(10):
            await asyncio.sleep(0)
        time.sleep(local_http.SHUTDOWN_TIMEOUT * 3)  # noqa: ASYNC251 - both times are over in the loop's next turn
        await stopping
        await reader.read()
        writer.close()
        listener.close()

    asyncio.run(run())

    assert not problems
    assert not caplog.records


def test_an_endpoint_that_closes_during_calls(caplog, tmp_path, eventually):
    """Whether calls end just then or not: nothing is logged."""
    caplog.set_level(logging.WARNING)
    (tmp_path / "tiny.py").write_text("import time\ndef handler(event, context):\n    time.sleep(event)\n")
    for _ in range(3):
        ended = []

        def call(address, seconds, ended=ended):
            connection = http.client.HTTPConnection(address.hostname, address.port)
            try:
                while True:
                    connection.request("POST", "/2015-03-31/functions/tiny/invocations", str(seconds))
                    connection.getresponse().read()
                    ended.append(1)
            except (OSError, http.client.HTTPException):
                connection.close()

        function = LocalFunction("tiny", "tiny.handler", directory=tmp_path, timeout=60)
        with LocalEndpoint([function], concurrency=12) as endpoint:
            callers = [
                threading.Thread(target=call, args=(urlsplit(endpoint.url), seconds)) for seconds in [0] * 8 + [60] * 4
            ]
            for caller in callers:
                caller.start()
            eventually(lambda ended=ended: len(ended) > 100)
        for caller in callers:
            caller.join()

    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
