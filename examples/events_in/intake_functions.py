"""OnQueue, OnUpload and OnRequest: they receive events of SQS, S3 and API Gateway, and call other functions.

Handler settings: intake_functions.on_queue, intake_functions.on_upload, intake_functions.on_request.
"""

from __future__ import annotations

import json

from aws_events import BatchAnswer, BatchItemFailure, HttpAnswer, HttpEvent, S3Event, S3Record, SqsEvent, SqsMessage
from intake_contracts import Document, Order, OrderRefused, read_document, store_order
from pydantic import ValidationError

from lambdachain import CallError, LambdaClient, remote

client = LambdaClient()


@remote("OnQueue")
def on_queue(event: SqsEvent) -> BatchAnswer:
    """Store each order; a message that failed stays in the queue, one that was stored is not delivered again."""
    failed = [message.message_id for message in event.records if not is_done(message)]
    return BatchAnswer(batch_item_failures=[BatchItemFailure(item_identifier=message_id) for message_id in failed])


def is_done(message: SqsMessage) -> bool:
    try:
        client.call(store_order, Order.model_validate_json(message.body))
    except OrderRefused as refused:
        print(f"{refused.order_id} is refused: {refused.why}")  # an answer, which no second delivery changes
    except (CallError, ValidationError) as error:
        print(f"message {message.message_id} stays in the queue: {type(error).__name__}")
        return False
    return True


@remote("OnUpload")
def on_upload(event: S3Event) -> None:
    """Have each object read, without waiting for it. If one cannot be queued, Lambda delivers the event again."""
    for record in event.records:
        client.fire(read_document, document(record))


def document(record: S3Record) -> Document:
    stored = record.s3.object
    return Document(bucket=record.s3.bucket.name, key=stored.real_key, version=stored.version_id)


@remote("OnRequest")
def on_request(event: HttpEvent) -> HttpAnswer:
    """Accept an order over HTTP: 202 means that it is queued, not that it is stored."""
    try:
        order = Order.model_validate_json(event.body)
    except ValidationError:
        return HttpAnswer(status_code=400, body=json.dumps({"error": "InvalidOrder"}))
    client.fire(store_order, order)
    return HttpAnswer(status_code=202, body=json.dumps({"order_id": order.order_id}))
