"""What started a function: ``faas.trigger``, by the form of the event.

https://opentelemetry.io/docs/specs/semconv/faas/ has the values. The forms are those of AWS's examples of events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lambdachain import HandledInvocation
from lambdachain._calling.interceptors import get_event
from lambdachain._core.type_guards import is_mapping

_OTHER: Final = "other"
# By the source that each record, or an event of records by partition, names.
_SOURCES: Final[Mapping[str, str]] = {
    "aws:sqs": "pubsub",
    "aws:sns": "pubsub",
    "aws:kinesis": "pubsub",
    "aws:kafka": "pubsub",
    "SelfManagedKafka": "pubsub",
    "aws:mq": "pubsub",
    "aws:amq": "pubsub",
    "aws:rmq": "pubsub",
    "aws:dynamodb": "datasource",
    "aws:docdb": "datasource",
    "aws:s3": "datasource",
    "aws:codecommit": "datasource",
    "aws:ses": "pubsub",
}
_SCHEDULERS: Final = ("aws.events", "aws.scheduler")


def get_trigger(invocation: HandledInvocation) -> str:
    """Return what started a handler's function: ``http``, ``pubsub``, ``datasource``, ``timer`` or ``other``."""
    event, is_message = get_event(invocation)
    return "pubsub" if is_message else find_trigger(event)


def find_trigger(event: Any) -> str:
    """Return what sends such an event; ``other`` for a call of another function, and for an unknown form."""
    if not is_mapping(event):
        return _OTHER
    if _is_http(event):
        return "http"
    source = event.get("source")
    if "detail-type" in event and isinstance(source, str):
        is_scheduled = source in _SCHEDULERS and event["detail-type"] == "Scheduled Event"
        return "timer" if is_scheduled else "pubsub"
    named = _find_source(event)
    return _SOURCES.get(named, _OTHER) if isinstance(named, str) else _OTHER


def _is_http(event: Mapping[str, Any]) -> bool:
    """Check for API Gateway (REST, HTTP and WebSocket APIs), a function URL or a load balancer."""
    context = event.get("requestContext")
    return is_mapping(context) and (
        "httpMethod" in event or "http" in context or "elb" in context or "connectionId" in context
    )


def _find_source(event: Mapping[str, Any]) -> Any:
    records = event.get("Records")
    if isinstance(records, list) and records and is_mapping(records[0]):  # pyright: ignore[reportUnknownArgumentType]
        # SNS writes it with a capital.
        return records[0].get("eventSource", records[0].get("EventSource"))
    return event.get("eventSource")
