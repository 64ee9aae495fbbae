"""Destinations and dead-letter queues of events: SQS, SNS and EventBridge, at the configured *services* addresses."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import InvalidArnError
from lambdachain._core.escaping import printable
from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._lambda_api.records import InvocationRecord

from ._credentials import SECRET_KEY, SESSION_TOKEN, access_key_id
from ._event_config import service_from_arn
from ._function_config import LocalFunction

_MAX_REASON: Final = 1000
_LOGGER: Final = logging.getLogger("lambdachain.local")


class DestinationSender:
    """Sends to the services; creates each service's boto3 client on first use."""

    def __init__(self, services: Mapping[str, str], location: AwsLocation) -> None:
        self._services = services
        self._location = location
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    async def send_record(self, arn: str, record: InvocationRecord) -> None:
        """Send the invocation record of an event to a destination."""
        await self._send(arn, record, {"body": json.dumps(record.destination()), "attributes": {}})

    async def send_dead_letter(self, arn: str, record: InvocationRecord) -> None:
        """Send a discarded event to its dead-letter queue."""
        body = record.delivery.payload.decode(errors="replace")
        await self._send(arn, record, {"body": body, "attributes": record.dead_letter_attributes()})

    async def _send(self, arn: str, record: InvocationRecord, message: Mapping[str, Any]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            await asyncio.to_thread(self._send_now, arn, record, message)
        except (BotoCoreError, ClientError) as exc:
            # As on AWS, where this only counts in the metrics DestinationDeliveryFailures and DeadLetterErrors.
            request_id = record.delivery.request_id
            _LOGGER.warning(
                "event %s: could not send to %s: %s",
                request_id,
                arn,
                printable(_error_code(exc), _MAX_REASON),
            )

    def _send_now(self, arn: str, record: InvocationRecord, message: Mapping[str, Any]) -> None:
        body, attributes = message["body"], message["attributes"]
        account_id, resource = arn.split(":")[4:6]
        match service_from_arn(arn):
            case "sqs":
                sqs = self._client("sqs")
                url = sqs.get_queue_url(QueueName=resource, QueueOwnerAWSAccountId=account_id)["QueueUrl"]
                sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
            case "sns":
                self._client("sns").publish(TopicArn=arn, Message=body, MessageAttributes=attributes)
            case _:
                self._client("events").put_events(Entries=[record.bus_entry(arn)])

    def _client(self, service: str) -> Any:
        # Called in worker threads: one client per service is enough.
        with self._lock:
            if service not in self._clients:
                import boto3

                session: Any = boto3.Session(
                    access_key_id("lambda"), SECRET_KEY, SESSION_TOKEN, region_name=self._location.region
                )
                self._clients[service] = session.client(service, endpoint_url=self._services[service])
            return self._clients[service]


def check_destinations(functions: Mapping[str, LocalFunction], location: AwsLocation, services: Iterable[str]) -> None:
    """Check that all destinations of events can be reached.

    Raises:
        ValueError: One cannot; the message names the function, the field and what to do.
    """
    known = set(services)
    for function in functions.values():
        for name, arn in function.events.targets.items():
            service = service_from_arn(arn)
            where = f"function {function.name!r}: events: {name} {arn!r}"
            if service == "lambda" and not _is_served(arn, functions, location):
                raise ValueError(f"{where} is not a function, version or alias of this endpoint")
            if service != "lambda" and service not in known:
                raise ValueError(f"{where} needs the address of the service: services={{{service!r}: 'http://...'}}")


def _is_served(arn: str, functions: Mapping[str, LocalFunction], location: AwsLocation) -> bool:
    try:
        target = parse_target(arn)
    except InvalidArnError:
        return False
    function = functions.get(target.name)
    if function is None or str(location.arn(target.name, target.qualifier)) != arn:
        return False
    return target.qualifier is None or target.qualifier in function.qualifiers


def _error_code(error: Exception) -> str:
    """Return the error's code or class, but not its text, which may contain the payload."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code") or type(error).__name__)
