"""``invocation_scope`` in what is not a handler of ``remote``: a durable function, and an ASGI app behind Mangum."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from types import SimpleNamespace
from typing import Any

from aws_durable_execution_sdk_python.context import ExecutionContext
from mangum import Mangum

from lambdachain import invocation_scope
from lambdachain.testing import LambdaContext

Message = MutableMapping[str, Any]


# A process of its own: the runner stops the event loops of its schedulers, and does not close them.
_DURABLE = """
from aws_durable_execution_sdk_python import durable_execution
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner
from lambdachain import invocation_scope

@durable_execution
def handler(event, context):
    with invocation_scope(context) as invocation:
        return [invocation.request_id == context.lambda_context.aws_request_id, invocation.remaining_time()]

with DurableFunctionTestRunner(handler) as runner:
    print(runner.run(input="{}", timeout=20).result)
"""


def test_a_durable_context_is_read() -> None:
    """For Lambda's request id and the remaining time, in the library's own test runner."""
    ran = subprocess.run([sys.executable, "-c", _DURABLE], capture_output=True, text=True, check=True)
    same_id, remaining = json.loads(ran.stdout)

    assert same_id
    assert remaining > 0


def test_the_correlation_id_of_a_durable_execution_is_its_name() -> None:
    """In each of its invocations; a ClientContext, and a deadline in it, come with one of them only."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders:$LATEST/durable-execution/order-7/5c3e"
    execution = ExecutionContext(arn)
    expired = {"lc-v": "1", "lc-id": "caller", "lc-depth": "1", "lc-budget-ms": "0", "lc-deadline-ms": "1"}
    seen: list[Any] = []
    for custom in ({}, expired):
        lambda_context: Any = LambdaContext(timeout=10.0, client_context={"custom": custom})
        context = SimpleNamespace(lambda_context=lambda_context, execution_context=execution)
        with invocation_scope(context) as invocation:
            seen.append((invocation.correlation_id, invocation.request_id, (invocation.remaining_time() or 0) > 5))

    assert [one[0] for one in seen] == ["order-7/5c3e"] * 2
    assert seen[0][1] != seen[1][1]
    assert all(one[2] for one in seen)


def test_the_scope_of_an_asgi_request_is_read() -> None:
    """Mangum puts Lambda's context into it."""
    seen: list[Any] = []

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        assert callable(receive)
        with invocation_scope(scope) as invocation:
            seen.append((invocation.request_id, invocation.remaining_time()))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    context = LambdaContext(timeout=10.0)
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": "127.0.0.1"}, "stage": "$default"},
        "isBase64Encoded": False,
    }
    adapter: Any = Mangum(app, lifespan="off")
    answered = adapter(event, context)
    asyncio.get_event_loop().close()  # Mangum makes one, and leaves it open
    asyncio.set_event_loop(None)
    ((request_id, remaining),) = seen

    assert answered["statusCode"] == 200
    assert request_id == context.aws_request_id
    assert 0 < remaining < 10
