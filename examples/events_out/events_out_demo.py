"""The results of events: sent to a function if they succeeded, to queues if they failed. The queues are moto's."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from report_contracts import ReportFailed, ReportRequest, build_report

from lambdachain import BotoTransport, LambdaClient
from lambdachain.local import EventConfig, LocalEndpoint, LocalFunction, LocalInvocation

HERE = Path(__file__).parent
ARN = "arn:aws:{}:us-east-1:123456789012:{}"
QUEUES = ("failed-reports", "dead-letters")


def functions() -> list[LocalFunction]:
    settings = EventConfig(
        max_retries=2,
        on_success=ARN.format("lambda", "function:AnnounceReport"),
        on_failure=ARN.format("sqs", "failed-reports"),
        dead_letter=ARN.format("sqs", "dead-letters"),
    )
    return [
        LocalFunction("BuildReport", "report_functions.build", directory=HERE, events=settings),
        LocalFunction("AnnounceReport", "report_functions.announce", directory=HERE),
    ]


class Queues:
    """The queues on moto's server."""

    def __init__(self, url: str) -> None:
        boto: Any = boto3  # whose types know no name that is not a literal
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
        self._sqs = boto.client("sqs", endpoint_url=url, **keys)
        self._urls = {name: self._sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}

    def take(self, name: str) -> list[dict[str, Any]]:
        """Remove the messages from a queue, and return them."""
        got = self._sqs.receive_message(
            QueueUrl=self._urls[name], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        messages: list[dict[str, Any]] = got.get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self._urls[name], ReceiptHandle=message["ReceiptHandle"])
        return messages

    def close(self) -> None:
        for url in self._urls.values():
            self._sqs.delete_queue(QueueUrl=url)  # which would outlive moto's server, in its process
        self._sqs.close()


@contextmanager
def moto_queues() -> Generator[tuple[str, Queues]]:
    """Start moto's server; return its address, and the queues there."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    queues = Queues(url)
    try:
        yield url, queues
    finally:
        queues.close()
        server.stop()


def local_client(endpoint: LocalEndpoint) -> LambdaClient:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url), timeout=20)


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it logs every request to moto
    seen: list[LocalInvocation] = []
    with (
        moto_queues() as (url, queues),
        LocalEndpoint(functions(), services={"sqs": url}, clock="virtual", observer=seen.append) as endpoint,
        local_client(endpoint) as client,
    ):
        client.fire(build_report, ReportRequest(month="2026-02"))
        endpoint.deliver()
        client.fire(build_report, ReportRequest(month="2026-13"))
        endpoint.deliver()

        print("deliveries:")
        for one in (one for one in seen if one.status == 200):
            print(f"  {one.function}, delivery {one.attempt}: {one.error or 'done'}")
        for message in queues.take("failed-reports"):
            record = ReportFailed.model_validate_json(message["Body"])
            context, failure = record.request_context, record.response_payload
            print(f"failed-reports: {context.condition} after {context.approximate_invoke_count} times")
            print(f"  {record.request_payload!r}: {failure.error_type} {failure.error_message}")
        for message in queues.take("dead-letters"):
            print(f"dead-letters: {message['Body']}")


if __name__ == "__main__":
    main()
