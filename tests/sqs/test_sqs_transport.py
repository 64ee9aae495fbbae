"""``SqsTransport``: events of chosen contracts go through SQS; what may have been stored is not sent twice."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pydantic import BaseModel

import lambdachain
from lambdachain import (
    AsyncLambdaClient,
    Contract,
    ContractError,
    Execution,
    InProcessTransport,
    LambdaClient,
    RetryPolicy,
    current_invocation,
    invocation_scope,
    resolvers,
)
from lambdachain.sqs import QueueRoute, SqsTransport, queue
from lambdachain.testing import RealInvokeBlockedError, StubTransport

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")


class Order(BaseModel):
    customer: str
    number: int


PLACE = Contract("orders-place", request=Order, response=None, envelope=True)
PLAIN = Contract("orders-plain", request=Order, response=None)
IDEMPOTENT = Contract("orders-idempotent", request=Order, response=None, idempotent=True)
ORDER = Order(customer="ann", number=1)
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"


@pytest.fixture
def sqs() -> Iterator[Any]:
    """Return moto's SQS."""
    with mock_aws():
        yield boto3.client("sqs", region_name="eu-west-1")


def make_queue(sqs: Any, name: str, **attributes: str) -> str:
    """Create a queue, and return its URL."""
    attributes |= {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


def receive(sqs: Any, url: str) -> list[dict[str, Any]]:
    """Receive all messages of a queue, in the form in which Lambda passes them to a function."""
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    records: list[dict[str, Any]] = []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], VisibilityTimeout=60
    ).get("Messages"):
        records += [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": "eu-west-1",
            }
            for message in messages
        ]
    return records


def delete_handled(sqs: Any, url: str, records: Sequence[dict[str, Any]], response: Any) -> None:
    """Delete the messages that a batch response does not report, as Lambda's poller does, and release the others."""
    failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
    for record in records:
        handle = {"QueueUrl": url, "ReceiptHandle": record["receiptHandle"]}
        if record["messageId"] in failed:
            sqs.change_message_visibility(**handle, VisibilityTimeout=0)
        else:
            sqs.delete_message(**handle)


def test_an_event_becomes_a_message(sqs: Any):
    """Its id is that of the receipt; the body is the payload."""
    url = make_queue(sqs, "orders")
    receipt = LambdaClient(SqsTransport(QueueRoute(PLAIN, url))).fire(PLAIN, ORDER)
    [record] = receive(sqs, url)

    assert receipt.request_id == record["messageId"]
    assert [(attempt.error, attempt.status) for attempt in receipt.attempts] == [(None, 202)]
    assert record["body"] == '{"customer":"ann","number":1}'
    assert "MessageGroupId" not in record["attributes"]


def test_from_a_call_to_a_handler_and_back_to_the_queue(sqs: Any):
    """Sender, queue, handler: the key and the correlation id arrive, and a record that failed is delivered again."""
    url = make_queue(sqs, "orders")
    client = LambdaClient(SqsTransport(QueueRoute(PLACE, url)))
    seen: list[tuple[int, str, str | None, int]] = []

    @queue(PLACE)
    def handler(order: Order) -> None:
        invocation = current_invocation()
        assert invocation is not None
        seen.append((order.number, invocation.correlation_id, invocation.idempotency_key, invocation.depth))
        if order.number == 2 and len(seen) < 4:
            raise ValueError

    class Context:
        aws_request_id = "sender"

    with invocation_scope(Context()):
        for number in (1, 2, 3):
            client.fire(PLACE, Order(customer="ann", number=number), idempotency_key=f"key-{number}")
    for expected in (3, 1, 0):
        records = receive(sqs, url)
        assert len(records) == expected
        delete_handled(sqs, url, records, handler({"Records": records}))

    assert sorted(seen[:3]) == [(number, "sender", f"key-{number}", 1) for number in (1, 2, 3)]
    assert seen[3:] == [(2, "sender", "key-2", 1)]


def test_a_fifo_queue_orders_by_group_and_drops_repetitions(sqs: Any):
    """The group is a function of the request, the deduplication id the key of the call."""
    url = make_queue(sqs, "orders.fifo")
    route = QueueRoute(PLACE, url, group_by=lambda order: order.customer)
    client = LambdaClient(SqsTransport(route))
    for customer, number in (("ann", 1), ("bob", 2), ("ann", 1), ("ann", 3)):
        order = Order(customer=customer, number=number)
        client.fire(PLACE, order, idempotency_key=f"{customer}-{number}")
    records = receive(sqs, url)
    found = [record["attributes"] for record in records]

    assert sorted((each["MessageGroupId"], each["MessageDeduplicationId"]) for each in found) == [
        ("ann", "ann-1"),
        ("ann", "ann-3"),
        ("bob", "bob-2"),
    ]


def test_a_fifo_queue_without_groups(sqs: Any):
    """All messages of the contract are in order; a key that SQS would not accept is hashed, always to the same id."""
    url = make_queue(sqs, "orders.fifo")
    client = LambdaClient(SqsTransport(QueueRoute(PLACE, url)))
    for _ in range(2):
        client.fire(PLACE, ORDER, idempotency_key="Bestellung Nr. 5, für Ann")
    [record] = receive(sqs, url)

    assert record["attributes"]["MessageGroupId"] == "orders-place"
    assert len(record["attributes"]["MessageDeduplicationId"]) == 64


def test_a_fifo_queue_deduplicates_by_content_only_if_it_is_set_so(sqs: Any):
    """Without a key, SQS decides: two equal orders may both be meant."""
    by_content = make_queue(sqs, "content.fifo", ContentBasedDeduplication="true")
    LambdaClient(SqsTransport(QueueRoute(PLAIN, by_content))).fire(PLAIN, ORDER)
    assert len(receive(sqs, by_content)) == 1

    client = LambdaClient(SqsTransport(QueueRoute(PLAIN, make_queue(sqs, "orders.fifo"))))
    with pytest.raises(lambdachain.InvalidRequestError, match="MessageDeduplicationId") as raised:
        client.fire(PLAIN, ORDER)
    assert raised.value.execution is Execution.NOT_EXECUTED


def test_groups_of_a_standard_queue(sqs: Any):
    """Fair queues: a group, and no deduplication."""
    url = make_queue(sqs, "orders")
    route = QueueRoute(PLACE, url, group_by=lambda order: order.customer)
    LambdaClient(SqsTransport(route)).fire(PLACE, ORDER, idempotency_key="k")
    [record] = receive(sqs, url)

    assert record["attributes"]["MessageGroupId"] == "ann"
    assert "MessageDeduplicationId" not in record["attributes"]


def test_a_group_that_is_not_valid(sqs: Any):
    """Found before anything is sent, without the value in the message."""
    url = make_queue(sqs, "orders.fifo")
    for group in ("", "a secret", "x" * 129, None):
        route = QueueRoute(PLAIN, url, group_by=lambda _order, group=group: group)
        with pytest.raises(lambdachain.InvalidRequestError, match="group_by must return") as raised:
            LambdaClient(SqsTransport(route)).fire(PLAIN, ORDER)
        assert "secret" not in str(raised.value)


def test_characters_that_xml_does_not_have(sqs: Any):
    """SQS rejects them, so they are escaped; the request is the same."""
    url = make_queue(sqs, "texts")
    contract = Contract("texts", request=str, response=None)
    text = "\0 \x1f \ufffe \uffff \ud7ff \U0010ffff é"
    received: list[str] = []

    @queue(contract)
    def handler(request: str) -> None:
        received.append(request)

    LambdaClient(SqsTransport(QueueRoute(contract, url))).fire(contract, text)
    records = receive(sqs, url)

    assert not {"\ufffe", "\uffff", "\0", "\x1f"} & set(records[0]["body"])
    assert handler({"Records": records}) == {"batchItemFailures": []}
    assert received == [text]


def test_async_clients(sqs: Any):
    """Each message is sent in a thread."""
    url = make_queue(sqs, "orders")

    async def run() -> list[str | None]:
        async with AsyncLambdaClient(SqsTransport(QueueRoute(PLAIN, url))) as client:
            orders = [Order(customer="ann", number=number) for number in range(20)]
            return [receipt.request_id async for receipt in client.fire_map(PLAIN, orders)]

    assert len(set(asyncio.run(run()))) == 20
    assert sorted(json.loads(record["body"])["number"] for record in receive(sqs, url)) == [*range(20)]


def test_maps_of_events(sqs: Any):
    """One message for each payload."""
    url = make_queue(sqs, "orders")
    with LambdaClient(SqsTransport(QueueRoute(PLAIN, url))) as client:
        receipts = [*client.fire_map(PLAIN, [ORDER] * 25)]

    assert {receipt.request_id for receipt in receipts} == {record["messageId"] for record in receive(sqs, url)}


def test_what_a_queue_cannot_do():
    """Each is a clear error before anything is sent."""
    client = LambdaClient(SqsTransport(QueueRoute(PLACE, URL)))
    attempts: dict[str, Any] = {
        r"use fire\(\)": lambda: client.call(PLACE, ORDER),
        "no dry run": lambda: client.can_invoke(PLACE),
        "no response to stream": lambda: [*client.stream(PLACE, ORDER)],
        "qualifier": lambda: client.fire(PLACE, ORDER, qualifier="live"),
        "tenant_id": lambda: client.fire(PLACE, ORDER, tenant_id="t"),
        "durable_name": lambda: client.fire(PLACE, ORDER, durable_name="d"),
        "no queue for other .the routes are for orders-place.": lambda: client.fire("other", {}),
    }
    for message, attempt in attempts.items():
        with pytest.raises(lambdachain.InvalidRequestError, match=message) as raised:
            attempt()
        assert raised.value.execution is Execution.NOT_EXECUTED
        assert not raised.value.retryable
        assert len(raised.value.attempts) == 1


def test_functions_without_a_route_are_invoked(sqs: Any):
    """Over the other transport: one client for both."""
    url = make_queue(sqs, "orders")
    seen: list[Any] = []
    other = InProcessTransport(
        {"prices": lambda _event, _context: {"cents": 5}, PLAIN: lambda event, _context: seen.append(event)}
    )
    client = LambdaClient(SqsTransport(QueueRoute(PLACE, url), transport=other))
    client.fire(PLACE, ORDER)

    assert client.call("prices", {}) == {"cents": 5}
    assert client.can_invoke("prices")
    assert b"".join(client.stream("prices", {})) == b'{"cents": 5}'
    client.fire(PLAIN, ORDER)
    client.close()
    assert len(seen) == 1
    assert len(receive(sqs, url)) == 1


def test_names_are_resolved_as_the_client_does(sqs: Any):
    """A route without the client's resolver does not match, and its event is not sent elsewhere."""
    url = make_queue(sqs, "orders")
    stage = resolvers.prefix("prod-")
    LambdaClient(SqsTransport(QueueRoute(PLAIN, url), resolve=stage), resolve=stage).fire(PLAIN, ORDER)
    assert len(receive(sqs, url)) == 1

    with pytest.raises(lambdachain.InvalidRequestError, match=r"no queue for prod-orders-plain.*resolve="):
        LambdaClient(SqsTransport(QueueRoute(PLAIN, url)), resolve=stage).fire(PLAIN, ORDER)


def test_an_event_that_is_too_large(sqs: Any):
    """Checked before it is sent, by the limit that SQS and Lambda share."""
    client = LambdaClient(SqsTransport(QueueRoute(PLAIN, make_queue(sqs, "orders"))))
    with pytest.raises(lambdachain.RequestTooLargeError):
        client.fire(PLAIN, Order(customer="x" * 1024 * 1024, number=1))


def test_a_queue_that_does_not_exist(sqs: Any):
    """Nothing was stored, and no retry helps."""
    with pytest.raises(lambdachain.FunctionNotFoundError, match="queue") as raised:
        LambdaClient(SqsTransport(QueueRoute(PLAIN, URL))).fire(PLAIN, ORDER)
    assert raised.value.execution is Execution.NOT_EXECUTED


def test_a_stub_replaces_the_queue():
    """As it replaces every way to AWS."""
    client = LambdaClient(SqsTransport(QueueRoute(PLAIN, URL)))
    with StubTransport() as stub:
        stub.on(PLAIN).accepts()
        receipt = client.fire(PLAIN, ORDER)
    assert receipt.request_id


def test_no_message_leaves_a_test(monkeypatch: pytest.MonkeyPatch):
    """The guard of the pytest plugin blocks it, before credentials are looked for."""
    from lambdachain._transports.transport_override import network_guard

    monkeypatch.setattr(network_guard, "closed", True)
    with pytest.raises(RealInvokeBlockedError, match=r"orders-plain on sqs\.eu-west-1.amazonaws.com"):
        LambdaClient(SqsTransport(QueueRoute(PLAIN, URL))).fire(PLAIN, ORDER)


class FaultyQueue(BaseHTTPRequestHandler):
    """SQS's side of SendMessage, which fails as its server says."""

    server: Any
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.bodies.append(json.loads(self.rfile.read(length)))
        fault = self.server.faults.pop(0) if self.server.faults else 200
        if fault == "lost":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault == "silent":
            self.server.released.wait(30)
            self.close_connection = True
            return
        status, code = fault if isinstance(fault, tuple) else (fault, None)
        body = json.dumps({"__type": f"com.amazonaws.sqs#{code}"} if code else {"MessageId": "m"}).encode()
        if fault == 200 and self.server.is_portal:
            body = b"{}"
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None: ...


@pytest.fixture
def faulty() -> Iterator[Any]:
    """Serve a queue whose faults a test sets."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), FaultyQueue)
    server.faults, server.bodies, server.is_portal = [], [], False
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}/123456789012/orders"
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


POLICY = RetryPolicy(initial_delay=0, budget=None)


def fire(faulty: Any, contract: Contract[Order, Any], url: str | None = None, **options: Any) -> Any:
    """Fire an order through the faulty queue."""
    with LambdaClient(SqsTransport(QueueRoute(contract, url or faulty.url)), retry=POLICY) as client:
        return client.fire(contract, ORDER, **options)


@pytest.mark.parametrize("fault", ["lost", (500, "InternalFailure"), (503, "ServiceUnavailable")])
def test_what_may_have_been_stored_is_not_sent_again(faulty: Any, fault: Any):
    """A second message would be a second order."""
    faulty.faults = [fault]
    with pytest.raises(lambdachain.OutcomeUnknownError) as raised:
        fire(faulty, PLAIN)

    assert raised.value.execution is Execution.UNKNOWN
    assert not raised.value.retryable
    assert len(faulty.bodies) == 1


@pytest.mark.parametrize(
    ("contract", "options"), [(IDEMPOTENT, {}), (PLACE, {"idempotency_key": "k"})], ids=["contract", "key"]
)
@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_an_idempotent_event_is_sent_again(faulty: Any, contract: Any, options: Any, suffix: str):
    """The same message, with the same deduplication id."""
    faulty.faults = ["lost", (500, "InternalFailure")]
    receipt = fire(faulty, contract, faulty.url + suffix, **options)

    assert [attempt.error for attempt in receipt.attempts] == ["ConnectionLostError", "ServiceError", None]
    assert len({json.dumps(body) for body in faulty.bodies}) == 1
    if suffix and options:
        assert faulty.bodies[0]["MessageDeduplicationId"] == "k"


@pytest.mark.parametrize("code", ["RequestThrottled", "KmsThrottled", "ThrottlingException"])
def test_throttled_messages_are_sent_again(faulty: Any, code: str):
    """They were not stored."""
    faulty.faults = [(400, code)]
    receipt = fire(faulty, PLAIN)

    assert [attempt.error for attempt in receipt.attempts] == ["ThrottledError", None]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDeniedException", "AccessDeniedError"),
        ("QueueDoesNotExist", "FunctionNotFoundError"),
        ("AWS.SimpleQueueService.NonExistentQueue", "FunctionNotFoundError"),
        ("InvalidMessageContents", "InvalidRequestError"),
        ("KmsDisabled", "FunctionMisconfiguredError"),
        ("KmsAccessDenied", "FunctionMisconfiguredError"),
        ("InvalidClientTokenId", "CredentialsError"),
    ],
)
def test_what_was_rejected_was_not_stored(faulty: Any, code: str, error: str):
    """And is not sent again."""
    faulty.faults = [(400, code)]
    with pytest.raises(getattr(lambdachain, error)) as raised:
        fire(faulty, PLAIN, idempotency_key=None)

    assert (raised.value.execution, raised.value.retryable) == (Execution.NOT_EXECUTED, False)
    assert len(faulty.bodies) == 1


def test_every_error_of_send_message_is_classified():
    """A new one in botocore's model fails here."""
    from lambdachain._calling.error_table import SERVICE_ERRORS

    model = boto3.client("sqs", region_name="eu-west-1").meta.service_model
    declared = {shape.name for shape in model.operation_model("SendMessage").error_shapes}

    assert declared - SERVICE_ERRORS.keys() == set()


def test_a_timeout_ends_the_call(faulty: Any):
    """Wherever the queue is; the message may have been stored."""
    with LambdaClient(SqsTransport(QueueRoute(PLAIN, faulty.url)), retry=POLICY) as client:
        client.fire(PLAIN, ORDER)  # boto3's client is made, which may take longer than the timeout
        faulty.faults = ["silent"]
        with pytest.raises(lambdachain.CallTimeoutError) as raised:
            client.fire(PLAIN, ORDER, timeout=0.5)
    assert raised.value.execution is Execution.UNKNOWN


def test_a_connection_that_is_refused():
    """Nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(lambdachain.ConnectError) as raised:
        fire(None, PLAIN, f"http://127.0.0.1:{port}/1/orders")
    assert raised.value.execution is Execution.NOT_EXECUTED
    assert len(raised.value.attempts) == 3


def test_a_response_that_is_not_from_sqs(faulty: Any):
    """Of a captive portal, say: without the id of a message, nothing is known."""
    faulty.is_portal = True
    with pytest.raises(lambdachain.ResponseError) as raised:
        fire(faulty, PLAIN)
    assert raised.value.execution is Execution.UNKNOWN


def test_a_closed_transport(faulty: Any):
    """Nothing is sent over it."""
    transport = SqsTransport(QueueRoute(PLAIN, faulty.url))
    client = LambdaClient(transport)
    client.fire(PLAIN, ORDER)
    transport.close()
    with pytest.raises(lambdachain.ConnectError, match="closed"):
        client.fire(PLAIN, ORDER)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_forked_process_has_connections_of_its_own(faulty: Any):
    """As every transport."""
    client = LambdaClient(SqsTransport(QueueRoute(PLAIN, faulty.url)))
    client.fire(PLAIN, ORDER)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if client.fire(PLAIN, ORDER).request_id == "m" else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    client.fire(PLAIN, ORDER)
    client.close()

    assert os.waitstatus_to_exitcode(status) == 0
    assert len(faulty.bodies) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: QueueRoute("orders", URL), "needs a Contract"),
        (lambda: QueueRoute(PLAIN, "orders"), "queue_url must be the queue's URL"),
        (lambda: QueueRoute(PLAIN, "arn:aws:sqs:eu-west-1:123456789012:orders"), "queue_url must be"),
        (lambda: QueueRoute(PLAIN, "https://user:hunter2@localhost/1/orders"), "queue_url must be"),
        (lambda: QueueRoute(PLAIN, URL, group_by="customer"), "group_by must be a function"),
        (lambda: SqsTransport(PLAIN), "takes QueueRoutes"),
        (lambda: SqsTransport(QueueRoute(PLAIN, URL), QueueRoute(PLAIN, URL + "2")), "two routes"),
        (lambda: SqsTransport(QueueRoute(PLAIN, URL), session="default"), "session must be"),
    ],
)
def test_wrong_arguments(make: Any, message: str):
    """Found at once, with what to pass instead."""
    with pytest.raises(ContractError, match=message):
        make()


@pytest.mark.parametrize(
    ("url", "region", "endpoint"),
    [
        (URL, "eu-west-1", None),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1", None),
        (
            "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1/q",
            "eu-west-1",
            "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com",
        ),
        ("https://sqs-fips.us-east-1.amazonaws.com/1/q", "us-east-1", "https://sqs-fips.us-east-1.amazonaws.com"),
        ("https://eu-west-1.queue.amazonaws.com/1/q", "eu-west-1", "https://eu-west-1.queue.amazonaws.com"),
        ("http://localhost:4566/000000000000/q", None, "http://localhost:4566"),
    ],
)
def test_a_url_names_its_region_and_endpoint(url: str, region: str | None, endpoint: str | None):
    """So that a client of another region sends to the right one."""
    route = QueueRoute(PLAIN, url)

    assert (route.region, route.endpoint_url) == (region, endpoint)


def copy_by_pickle(value: Any) -> Any:
    """Return what another process would get."""
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("make_copy", [copy.deepcopy, copy_by_pickle], ids=["deepcopy", "pickle"])
def test_copies_create_clients_of_their_own(sqs: Any, make_copy: Callable[[LambdaClient], LambdaClient]):
    """A worker sends to the same queue, before and after the original has."""
    url = make_queue(sqs, "orders")
    original = SqsTransport(QueueRoute(PLACE, url), transport=lambdachain.HttpTransport())
    for _ in range(2):
        copied = make_copy(LambdaClient(original))
        copied.fire(PLACE, ORDER)
        assert repr(copied) == repr(LambdaClient(original))
        LambdaClient(original).fire(PLACE, ORDER)

    assert (
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
        == "4"
    )


def test_a_pickle_has_no_secret():
    """A session may hold credentials, and the URL a password."""
    route = QueueRoute(PLACE, URL)
    with pytest.raises(ContractError, match="session"):
        pickle.dumps(SqsTransport(route, session=boto3.Session()))
    with pytest.raises(ContractError, match="AWS_ENDPOINT_URL_SQS"):
        pickle.dumps(SqsTransport(route, endpoint_url="http://user:hunter2@localhost:4566"))
