"""What Lambda sends to destinations and dead-letter queues when an event is done. Pure.

The destination record and the dead letter's attributes are recorded ones; the record's form for EventBridge is that of
the page "Capturing records of Lambda asynchronous invocations".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping

from .delivery import Delivery
from .events import Condition

# The page on dead-letter queues: "the first 1 KB of the error message".
_MAX_MESSAGE: Final = 1_024


@dataclass(frozen=True, slots=True)
class LastResponse:
    """The response to the last delivery of an event: its status, and the function's version and body if it ran."""

    status: int
    body: bytes = field(repr=False)
    version: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class InvocationRecord:
    """The end of an event: Lambda's *invocation record*.

    Attributes:
        delivery: The event, as its function received it.
        condition: How it ended.
        runs: How often the function ran.
        response: The last response; ``None`` if there was none.
        ended_at: Seconds since 1970.
    """

    delivery: Delivery
    condition: Condition
    runs: int
    response: LastResponse | None
    ended_at: float

    @property
    def succeeded(self) -> bool:
        """Whether the function ran without an error."""
        return self.condition is Condition.SUCCESS

    @property
    def function_arn(self) -> str:
        """The function's ARN, always with a qualifier."""
        arn = self.delivery.invoked_arn
        # An ARN with a qualifier has eight parts.
        return arn if arn.count(":") == 7 else f"{arn}:$LATEST"

    def destination(self) -> dict[str, Any]:
        """Return the record that a destination receives."""
        moment = datetime.fromtimestamp(self.ended_at, UTC)
        return {
            "version": "1.0",
            "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestContext": {
                "requestId": self.delivery.request_id,
                "functionArn": self.function_arn,
                "condition": self.condition.value,
                "approximateInvokeCount": self.runs,
            },
            "requestPayload": _decode(self.delivery.payload),
            **(_response_members(self.response) if self.response else {}),
        }

    def bus_entry(self, bus_arn: str) -> dict[str, Any]:
        """Return the record as an entry for EventBridge's ``PutEvents``."""
        return {
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {'Success' if self.succeeded else 'Failure'}",
            "Detail": json.dumps(self.destination()),
            "EventBusName": bus_arn,
            "Resources": [self.function_arn, bus_arn],
        }

    def dead_letter_attributes(self) -> dict[str, dict[str, str]]:
        """Return the attributes of the event's message in a dead-letter queue."""
        status = self.response.status if self.response else 429
        return {
            "RequestID": {"DataType": "String", "StringValue": self.delivery.request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": str(status)},
            "ErrorMessage": {"DataType": "String", "StringValue": self._error_message()[:_MAX_MESSAGE]},
        }

    def _error_message(self) -> str:
        members = _decode(self.response.body) if self.response else None
        words = members.get("errorMessage") or members.get("Message") if is_mapping(members) else None
        # SQS rejects an empty attribute.
        return str(words or ("Rate Exceeded." if self.response is None else self.condition.value))


def parse_error_type(body: bytes) -> str | None:
    """Return the error's class from the body of a failed function; every runtime writes it the same way."""
    members = _decode(body)
    name = members.get("errorType") if is_mapping(members) else None
    return str(name) if name else None


def _response_members(response: LastResponse) -> Mapping[str, Any]:
    context: dict[str, Any] = {"statusCode": response.status}
    if response.version is not None:
        context["executedVersion"] = response.version
    if response.failed:
        context["functionError"] = "Unhandled"
    return {"responseContext": context, "responsePayload": _decode(response.body)}


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
