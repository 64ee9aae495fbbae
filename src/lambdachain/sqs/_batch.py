"""An SQS batch as Lambda passes it to a function, and the response that reports the records that failed.

The fields are those of AWS's developer guide, "Using Lambda with Amazon SQS". Pure functions of values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, TypedDict, get_args

from lambdachain._core.client_context import ENVELOPE, unwrap_envelope
from lambdachain._core.errors import ErrorDetail, RequestRejectedError
from lambdachain._core.metadata import Metadata
from lambdachain._core.type_guards import is_list, is_mapping

Wrapper: TypeAlias = Literal["sns", "eventbridge"]
WRAPPERS: Final = get_args(Wrapper)

_NOTIFICATION: Final = frozenset({"Type", "TopicArn", "Message"})
_EVENT: Final = frozenset({"detail-type", "source", "detail"})


class BatchItemFailure(TypedDict):
    """A record that failed; SQS delivers it again."""

    itemIdentifier: str


class BatchResponse(TypedDict):
    """What a function returns for a batch, with ``ReportBatchItemFailures`` in the event source mapping."""

    batchItemFailures: list[BatchItemFailure]


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """One message of a batch.

    Attributes:
        message_id: SQS's id of the message, the same at every delivery.
        body: Its body.
        queue_arn: The ARN of the queue.
        group_id: The message group; standard queues may have groups, too, which do not order messages.
        receive_count: How often it has been delivered, this time included; ``None`` if unknown.
    """

    message_id: str
    body: str = field(repr=False)
    queue_arn: str = ""
    group_id: str | None = None
    receive_count: str | None = None

    @property
    def ordered_group(self) -> str | None:
        """The group whose order counts: that of a FIFO queue."""
        return self.group_id if self.queue_arn.endswith(".fifo") else None

    @property
    def queue_name(self) -> str:
        """The name of the queue."""
        return self.queue_arn.rpartition(":")[2]


class UnreadableBodyError(Exception):
    """The body of a record does not have the declared form; the message has no part of it."""


def parse_batch(event: Any) -> list[QueueRecord]:
    """Return the records of a batch.

    Raises:
        RequestRejectedError: The event is not a batch of SQS. No record could be reported, so the whole batch fails.
    """
    records = event.get("Records") if is_mapping(event) else None
    if not is_list(records):
        raise _to_rejection(
            ("Records",), "missing", "the event is not an SQS batch: is this queue's handler called directly?"
        )
    return [_parse_record(index, record) for index, record in enumerate(records)]


def _parse_record(index: int, record: Any) -> QueueRecord:
    fields: Mapping[str, Any] = record if is_mapping(record) else {}
    message_id, body, source = (fields.get(name) for name in ("messageId", "body", "eventSource"))
    if source != "aws:sqs":
        raise _to_rejection(("Records", index, "eventSource"), "literal_error", "the record is not from SQS")
    for name, value in (("messageId", message_id), ("body", body)):
        if not isinstance(value, str):
            raise _to_rejection(("Records", index, name), "string_type", "a record of SQS has text here")
    attributes = fields.get("attributes")
    texts: Mapping[str, Any] = attributes if is_mapping(attributes) else {}
    return QueueRecord(
        message_id=str(message_id),
        body=str(body),
        queue_arn=str(fields.get("eventSourceARN") or ""),
        group_id=texts.get("MessageGroupId"),
        receive_count=texts.get("ApproximateReceiveCount"),
    )


def _to_rejection(loc: tuple[str | int, ...], kind: str, message: str) -> RequestRejectedError:
    return RequestRejectedError(errors=[ErrorDetail(loc=loc, type=kind, msg=message)])


def to_event(record: QueueRecord, wrapper: Wrapper | None, *, envelope: bool) -> Any:
    """Return the event of a record, in an envelope: the sender's, if the contract has one, or else one of its own.

    A record without metadata is its own correlation id: SQS keeps the message's id, while each delivery is another
    invocation.

    Raises:
        UnreadableBodyError: The body is not JSON, or not wrapped as *wrapper* says.
    """
    payload = _parse_json(record.body)
    if wrapper is not None:
        payload = _unwrap(payload, wrapper)
    data, metadata = unwrap_envelope(payload) if envelope else (payload, None)
    if metadata is not None:
        return payload
    return {ENVELOPE: Metadata(correlation_id=record.message_id, depth=0).texts(), "data": data}


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableBodyError("the body is not JSON") from None


def _unwrap(payload: Any, wrapper: Wrapper) -> Any:
    if wrapper == "eventbridge":
        if not _has_fields(payload, _EVENT):
            raise UnreadableBodyError("the body is not an event of EventBridge, as wrapped_by='eventbridge' says")
        return payload["detail"]
    if not (_has_fields(payload, _NOTIFICATION) and isinstance(payload["Message"], str)):
        raise UnreadableBodyError("the body is not a notification of SNS, as wrapped_by='sns' says")
    return _parse_json(payload["Message"])


def find_wrapper(body: str) -> Wrapper | None:
    """Return what a body that a contract has rejected looks like, for a hint; it is never unwrapped for that."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if _has_fields(payload, _NOTIFICATION):
        return "sns"
    return "eventbridge" if _has_fields(payload, _EVENT) else None


def _has_fields(payload: Any, names: frozenset[str]) -> bool:
    return is_mapping(payload) and names <= payload.keys()
