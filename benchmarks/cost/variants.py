"""The variants of a call, each written as usual. Each imports what it needs itself, because a process measures one.

A variant takes the payload and the number of further models in its program; it returns a function that calls a given
number of times.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from .orders import FUNCTION

Calls = Callable[[int], None]
Variant = Callable[[dict[str, Any], int], Calls]


def _repeat(call: Callable[[], object]) -> Calls:
    def calls(times: int) -> None:
        for _ in range(times):
            call()

    return calls


def boto3_json(payload: dict[str, Any], _models: int) -> Calls:
    """Call with boto3, with dicts."""
    import boto3

    client = boto3.client("lambda")

    def call() -> Any:
        response = client.invoke(FunctionName=FUNCTION, Payload=json.dumps(payload).encode())
        return json.loads(response["Payload"].read())

    return _repeat(call)


def boto3_pydantic(payload: dict[str, Any], models: int) -> Calls:
    """Call with boto3, and let pydantic serialize and parse JSON."""
    import boto3

    from .models import Order, further_models

    further_models(models)
    client = boto3.client("lambda")
    order = Order.model_validate(payload)

    def call() -> Order:
        response = client.invoke(FunctionName=FUNCTION, Payload=order.model_dump_json().encode())
        return Order.model_validate_json(response["Payload"].read())

    return _repeat(call)


def boto3_usual(payload: dict[str, Any], models: int) -> Calls:
    """Call with boto3 and pydantic as most programs do, by way of dicts."""
    import boto3

    from .models import Order, further_models

    further_models(models)
    client = boto3.client("lambda")
    order = Order.model_validate(payload)

    def call() -> Order:
        response = client.invoke(FunctionName=FUNCTION, Payload=json.dumps(order.model_dump(mode="json")).encode())
        return Order.model_validate(json.loads(response["Payload"].read()))

    return _repeat(call)


def botocore_json(payload: dict[str, Any], _models: int) -> Calls:
    """Call with botocore alone."""
    import botocore.session

    client = botocore.session.get_session().create_client("lambda")

    def call() -> Any:
        response = client.invoke(FunctionName=FUNCTION, Payload=json.dumps(payload).encode())
        return json.loads(response["Payload"].read())

    return _repeat(call)


def aiobotocore_json(payload: dict[str, Any], _models: int) -> Calls:
    """Call with aiobotocore, one call after another in one event loop."""
    import asyncio

    from aiobotocore.session import get_session

    loop = asyncio.new_event_loop()
    client: Any = loop.run_until_complete(get_session().create_client("lambda").__aenter__())

    async def calls(times: int) -> None:
        for _ in range(times):
            response = await client.invoke(FunctionName=FUNCTION, Payload=json.dumps(payload).encode())
            json.loads(await response["Payload"].read())

    return lambda times: loop.run_until_complete(calls(times))


def _lambdachain(transport: Any, payload: dict[str, Any], models: int, *, bound: bool = False) -> Calls:
    from lambdachain import Contract, LambdaClient

    from .models import Order, further_models

    for model in further_models(models):
        Contract(FUNCTION, request=model, response=model)
    contract = Contract(FUNCTION, request=Order, response=Order)
    client = LambdaClient(transport)
    order = Order.model_validate(payload)
    if bound:
        place = client.bind(contract)
        return _repeat(lambda: place.call(order))
    return _repeat(lambda: client.call(contract, order))


def lambdachain_boto(payload: dict[str, Any], models: int) -> Calls:
    """Call with lambdachain over boto3."""
    from lambdachain import BotoTransport

    return _lambdachain(BotoTransport(), payload, models)


def lambdachain_boto_untyped(payload: dict[str, Any], _models: int) -> Calls:
    """Call with lambdachain over boto3, by name and with dicts."""
    from lambdachain import BotoTransport, LambdaClient

    client = LambdaClient(BotoTransport())
    return _repeat(lambda: client.call(FUNCTION, payload))


def lambdachain_http(payload: dict[str, Any], models: int) -> Calls:
    """Call with lambdachain as inside Lambda."""
    os.environ["AWS_LAMBDA_RUNTIME_API"] = "127.0.0.1:9001"
    return _lambdachain(None, payload, models)


def lambdachain_bound(payload: dict[str, Any], models: int) -> Calls:
    """Call a function object, which ``bind`` returns, as inside Lambda."""
    os.environ["AWS_LAMBDA_RUNTIME_API"] = "127.0.0.1:9001"
    return _lambdachain(None, payload, models, bound=True)


def floor(payload: dict[str, Any], _models: int) -> Calls:
    """Send one prepared request over a TLS socket, and read the bytes of the response: the minimum."""
    import socket
    import ssl
    from urllib.parse import urlsplit

    port = urlsplit(os.environ["AWS_ENDPOINT_URL_LAMBDA"]).port
    context = ssl.create_default_context(cafile=os.environ["COST_AUTHORITY"])
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = json.dumps(payload, separators=(",", ":")).encode()
    path = f"/2015-03-31/functions/{FUNCTION}/invocations"
    request = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def call() -> None:
        connection.sendall(request)
        got = connection.recv(65536)
        head, _, rest = got.partition(b"\r\n\r\n")
        missing = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) - len(rest)
        while missing > 0:
            missing -= len(connection.recv(min(missing, 1 << 20)))

    return _repeat(call)


VARIANTS: dict[str, Variant] = {
    "boto3 + json": boto3_json,
    "boto3 + pydantic": boto3_pydantic,
    "boto3 + pydantic, the usual way": boto3_usual,
    "botocore + json": botocore_json,
    "aiobotocore + json": aiobotocore_json,
    "lambdachain, BotoTransport": lambdachain_boto,
    "lambdachain, BotoTransport, untyped": lambdachain_boto_untyped,
    "lambdachain, HttpTransport": lambdachain_http,
    "lambdachain, HttpTransport, bound": lambdachain_bound,
    "raw socket, bytes": floor,
}
TYPED = (
    "boto3 + pydantic",
    "boto3 + pydantic, the usual way",
    "lambdachain, BotoTransport",
    "lambdachain, HttpTransport",
    "lambdachain, HttpTransport, bound",
)
BASE, TYPED_BASE, USUAL_BASE = "boto3 + json", "boto3 + pydantic", "boto3 + pydantic, the usual way"
FLOOR = "raw socket, bytes"
OURS, OURS_BOUND = "lambdachain, HttpTransport", "lambdachain, HttpTransport, bound"
OURS_BOTO, OURS_BOTO_UNTYPED = "lambdachain, BotoTransport", "lambdachain, BotoTransport, untyped"
