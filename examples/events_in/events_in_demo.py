"""Events of SQS, S3 and API Gateway reach handlers, as Lambda's pollers and API Gateway send them."""

from __future__ import annotations

from pathlib import Path

import boto3
from event_samples import http_event, order, s3_event, sqs_event

from lambdachain import BotoTransport, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction, LocalInvocation

HERE = Path(__file__).parent

HANDLERS = {
    "OnQueue": "intake_functions.on_queue",
    "OnUpload": "intake_functions.on_upload",
    "OnRequest": "intake_functions.on_request",
    "StoreOrder": "store_functions.store",
    "ReadDocument": "store_functions.read",
}


def functions() -> list[LocalFunction]:
    return [LocalFunction(name, handler, directory=HERE, timeout=10) for name, handler in HANDLERS.items()]


def local_client(endpoint: LocalEndpoint) -> LambdaClient:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url), timeout=20)


def show(endpoint: LocalEndpoint, seen: list[LocalInvocation]) -> None:
    """Deliver all queued events, and print which function called which."""
    endpoint.deliver()
    for one in filter(lambda one: one.caller, seen):
        print(f"  {one.caller} -> {one.function} ({one.invocation_type}){f': {one.error}' if one.error else ''}")
    seen.clear()


def main() -> None:
    seen: list[LocalInvocation] = []
    endpoint = LocalEndpoint(functions(), clock="virtual", observer=seen.append)
    with endpoint, local_client(endpoint) as client:
        print("SQS: four messages in a batch")
        batch = sqs_event(order("o-1", "Keyboard"), order("o-2", "Monitor"), order("o-3", "Abacus"), "no order at all")
        print(f"  {client.call('OnQueue', batch)}")
        show(endpoint, seen)
        print("S3: an upload")
        client.fire("OnUpload", s3_event("invoices", "2026/May report.pdf"))
        show(endpoint, seen)
        print("API Gateway: a valid and an invalid order over HTTP")
        print(f"  {client.call('OnRequest', http_event(order('o-4', 'Keyboard')))}")
        print(f"  {client.call('OnRequest', http_event('{}'))}")
        show(endpoint, seen)


if __name__ == "__main__":
    main()
