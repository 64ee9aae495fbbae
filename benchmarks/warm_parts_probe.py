"""The process that ``warm_parts`` measures: ``warm_parts_probe PART TIMES`` does one part of a warm call repeatedly."""

from __future__ import annotations

import gc
import hmac
import os
import sys
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from cost.models import Order
from cost.orders import FUNCTION, make_order
from cost.server import make_response

from lambdachain import Contract, HttpTransport, LambdaClient
from lambdachain._calling.attempts import CallState
from lambdachain._core.client_context import encode_client_context
from lambdachain._core.invocation import InvocationType
from lambdachain._core.metadata import new_id
from lambdachain._json.codec import codec_for
from lambdachain._transports.http.response import ResponseReader

SETTLED = 20
ITEMS = 3


def main(part: str, times: str) -> None:
    """Do a part: first until it costs what it always costs later, then the given number of times."""
    work = make_parts()[part]
    repeat(work, SETTLED)
    gc.collect()
    repeat(work, int(times))
    os._exit(0)


def repeat(work: Callable[[], object], times: int) -> None:
    """Call a function a number of times."""
    for _ in range(times):
        work()


def make_parts() -> Mapping[str, Callable[[], object]]:
    """Return the parts of a warm call by name, each as a function that does it once."""
    order = Order.model_validate(make_order(ITEMS))
    contract = Contract(FUNCTION, request=Order, response=Order)
    transport: Any = HttpTransport()
    client: Any = LambdaClient(transport)
    client.call(contract, order)

    invoker = client._invoker  # noqa: SLF001 - as all below: the parts have no public names
    call = invoker.prepare(invoker.bind_target(contract, {}), order, InvocationType.REQUEST_RESPONSE)
    now = time.time()
    deadline = time.monotonic() + 900
    invocation = CallState(call, now).start_attempt(now).invocation
    sender = transport._senders[None]  # noqa: SLF001
    keys = sender._credentials.get(deadline)  # noqa: SLF001
    writer, connection = sender._writer, sender._pool.acquire(now, deadline)  # noqa: SLF001
    head = writer.head(invocation, keys, now)
    arrived = make_response(ITEMS)
    codec: Any = codec_for(Order)
    _, validator, serializer = codec._compiled  # noqa: SLF001
    payload: bytes = invocation.payload
    # What is signed is as long as the head: it lacks the signature, and has two digests and the headers' names.
    mac = hmac.new(b"key", digestmod="sha256")

    def sign() -> None:
        sha256(payload).hexdigest()
        sha256(head).hexdigest()
        signed = mac.copy()
        signed.update(head[:140])
        signed.hexdigest()

    def parse() -> None:
        reader = ResponseReader()
        reader.feed(arrived)
        _ = reader.response

    def encode_metadata() -> None:
        new_id()
        encode_client_context(call.metadata.for_attempt(1, None), {}, FUNCTION)

    return {
        "nothing": lambda: None,
        "call": lambda: client.call(contract, order),
        "pydantic": lambda: (
            serializer.to_json(validator.validate_python(order, strict=True), by_alias=True, warnings="error"),
            validator.validate_json(payload),
        ),
        "json": lambda: (codec.encode(order), codec.decode(payload)),
        "digests": sign,
        "head": lambda: writer.head(invocation, keys, now),
        "metadata": encode_metadata,
        "parse": parse,
        "exchange": lambda: connection.send_request(ResponseReader(), head, payload, deadline),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
