"""Batches of SQS, as Lambda passes them to a function."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from typing import Any, Final, Literal

from lambdachain._calling.compiled_call import compile_call
from lambdachain._calling.options import CallOptions
from lambdachain._calling.prepared_call import Moment, prepare
from lambdachain._calling.target import locate
from lambdachain._contracts.contract import HasContract, Req
from lambdachain._core import clock
from lambdachain._core.invocation import InvocationType

from ._lambda_context import HOME

_SENDER: Final = "AIDACKCEVSQ6C2EXAMPLE"


def sqs_event(
    contract: HasContract[Req, Any],
    /,
    *requests: Req,
    queue: str = "queue",
    group_id: str | None = None,
    idempotency_key: str | None = None,
    wrapped_by: Literal["sns", "eventbridge"] | None = None,
) -> dict[str, Any]:
    """Return the event of an SQS batch, one record for each request, for a handler made by ``lambdachain.sqs.queue``.

    The bodies are what ``fire`` sends through a queue. Join the ``Records`` of several events for a batch whose records
    differ in group or key.

    >>> from lambdachain import Contract
    >>> place_order = Contract("orders-place", request=dict[str, int], response=None)
    >>> event = sqs_event(place_order, {"cents": 5}, queue="orders")
    >>> event["Records"][0]["body"]
    '{"cents":5}'

    Args:
        contract: The contract of the messages.
        requests: The requests.
        queue: The name of the queue; one that ends with ``.fifo`` is a FIFO queue.
        group_id: The message group; a FIFO queue has one in any case.
        idempotency_key: The sender's key, for a contract with ``envelope=True``.
        wrapped_by: ``"sns"`` or ``"eventbridge"``, for messages that come from a topic or an event bus.

    Raises:
        InvalidRequestError: A request does not fit the contract, or the key cannot be sent.
    """
    if queue.endswith(".fifo") and group_id is None:
        group_id = "group"
    options: CallOptions = {"idempotency_key": idempotency_key}
    compiled = compile_call(locate(contract.contract), InvocationType.EVENT, options)
    now = Moment(clock.monotonic(), clock.epoch())
    records: list[dict[str, Any]] = []
    for number, request in enumerate(requests, start=1):
        call = prepare(compiled, request, within=None, now=now)
        body = _wrap(call.payload.decode(), wrapped_by)
        records.append(_to_record(body, queue, _attributes(queue, group_id, idempotency_key, number)))
    return {"Records": records}


def _to_record(body: str, queue: str, attributes: dict[str, str]) -> dict[str, Any]:
    return {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "AQEBreceipthandle",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{HOME.region}:{HOME.account_id}:{queue}",
        "awsRegion": HOME.region,
    }


def _attributes(queue: str, group_id: str | None, key: str | None, number: int) -> dict[str, str]:
    sent_at = str(int(time.time() * 1000))
    attributes = {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": sent_at,
        "SenderId": _SENDER,
        "ApproximateFirstReceiveTimestamp": sent_at,
    }
    if group_id is not None:
        attributes["MessageGroupId"] = group_id
    if queue.endswith(".fifo"):
        attributes["MessageDeduplicationId"] = key or str(uuid.uuid4())
        attributes["SequenceNumber"] = f"{18849496460467696128 + number * 256}"
    return attributes


def _wrap(body: str, wrapper: str | None) -> str:
    if wrapper == "sns":
        topic = f"arn:aws:sns:{HOME.region}:{HOME.account_id}:topic"
        return json.dumps({"Type": "Notification", "MessageId": str(uuid.uuid4()), "TopicArn": topic, "Message": body})
    if wrapper == "eventbridge":
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "event",
            "source": "test",
            "account": HOME.account_id,
        }
        return json.dumps({**event, "region": HOME.region, "resources": [], "detail": json.loads(body)})
    return body


sqs_event.__module__ = "lambdachain.testing"
