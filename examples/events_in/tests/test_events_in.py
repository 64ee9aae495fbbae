"""The functions that receive events: what they call, and what they return to the service that sent the event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from event_samples import http_event, order, s3_event, sqs_event
from events_in_demo import functions
from intake_contracts import Document, Order, OrderRefused, Stored, read_document, store_order
from intake_functions import on_queue, on_request, on_upload
from store_functions import read, store

from lambdachain import CallTimeoutError, InProcessTransport, LambdaClient, ThrottledError
from lambdachain.testing import LambdaContext, LambdaEndpoint, StubTransport

KEYBOARD = Order(order_id="o-1", product="Keyboard", quantity=1)
NONE_FAILED: dict[str, list[object]] = {"batchItemFailures": []}


def failed(answer: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_every_message_of_a_batch_is_stored(lambda_stub: StubTransport, lambda_context: LambdaContext) -> None:
    orders = lambda_stub.on(store_order).returns(Stored(order_id="any"))

    assert on_queue(sqs_event(order("o-1", "Keyboard"), order("o-2", "Mouse")), lambda_context) == NONE_FAILED
    assert [call.request.order_id for call in orders.calls] == ["o-1", "o-2"]


def test_only_the_message_that_failed_is_delivered_again(
    lambda_stub: StubTransport, lambda_context: LambdaContext
) -> None:
    lambda_stub.on(store_order).returns(Stored(order_id="o-1")).raises(RuntimeError("away")).returns(
        Stored(order_id="o-3")
    )
    batch = sqs_event(*(order(f"o-{number}", "Keyboard") for number in (1, 2, 3)))

    assert failed(on_queue(batch, lambda_context)) == ["m-2"]


def test_an_invalid_message_stays_in_the_queue_and_is_not_sent(
    lambda_stub: StubTransport, lambda_context: LambdaContext
) -> None:
    assert failed(on_queue(sqs_event("no order at all", "{}"), lambda_context)) == ["m-1", "m-2"]
    assert not lambda_stub.calls


def test_a_refused_order_is_not_delivered_again(lambda_stub: StubTransport, lambda_context: LambdaContext) -> None:
    lambda_stub.on(store_order).raises(OrderRefused(order_id="o-1", why="no longer made"))

    assert on_queue(sqs_event(order("o-1", "Abacus")), lambda_context) == NONE_FAILED


def test_an_order_is_stored_again_if_the_response_was_lost(lambda_inprocess: InProcessTransport) -> None:
    lambda_inprocess.add(on_queue)
    lambda_inprocess.add(store)
    lambda_inprocess.lose_answers(store_order, times=1)

    assert LambdaClient().call("OnQueue", sqs_event(order("o-1", "Keyboard"))) == NONE_FAILED
    assert [call.function for call in lambda_inprocess.calls].count("StoreOrder") == 2


@pytest.mark.parametrize("key", ["plain.pdf", "2026/May report.pdf", "grüße & küsse+1.txt"])
def test_an_upload_is_read_by_its_real_key(key: str, lambda_stub: StubTransport, lambda_context: LambdaContext) -> None:
    documents = lambda_stub.on(read_document).accepts()

    assert on_upload(s3_event("invoices", key), lambda_context) is None
    assert [call.request for call in documents.calls] == [Document(bucket="invoices", key=key)]


def test_an_upload_that_cannot_be_queued_is_delivered_again(
    lambda_stub: StubTransport, lambda_context: LambdaContext
) -> None:
    lambda_stub.on(read_document).throttles()

    with pytest.raises((ThrottledError, CallTimeoutError)):
        on_upload(s3_event("invoices", "a.pdf"), lambda_context)


def test_an_order_over_http_is_queued(lambda_stub: StubTransport, lambda_context: LambdaContext) -> None:
    orders = lambda_stub.on(store_order).accepts()

    answer = on_request(http_event(order("o-1", "Keyboard")), lambda_context)

    assert answer == {"statusCode": 202, "body": json.dumps({"order_id": "o-1"})}
    assert [call.request for call in orders.calls] == [KEYBOARD]


@pytest.mark.usefixtures("lambda_stub")
def test_an_invalid_order_over_http_is_rejected(lambda_context: LambdaContext) -> None:
    answer: Any = on_request(http_event("{}"), lambda_context)

    assert answer["statusCode"] == 400


def test_all_of_them_together(lambda_inprocess: InProcessTransport) -> None:
    for handler in (on_queue, on_upload, on_request, store, read):
        lambda_inprocess.add(handler)
    client = LambdaClient()

    batch = sqs_event(order("o-1", "Keyboard"), order("o-2", "Monitor"), order("o-3", "Abacus"), "{")
    assert failed(client.call("OnQueue", batch)) == ["m-2", "m-4"]
    client.fire("OnUpload", s3_event("invoices", "a b.pdf"))
    assert {call.function for call in lambda_inprocess.calls} == {"OnQueue", "StoreOrder", "OnUpload", "ReadDocument"}


def test_all_of_them_in_the_real_runtime(lambda_endpoint: LambdaEndpoint) -> None:
    lambda_endpoint(*functions())
    client = LambdaClient(timeout=20)

    assert failed(client.call("OnQueue", sqs_event(order("o-1", "Keyboard"), order("o-2", "Monitor")))) == ["m-2"]
    answer: Any = client.call("OnRequest", http_event(order("o-1", "Keyboard")))
    assert answer["statusCode"] == 202
