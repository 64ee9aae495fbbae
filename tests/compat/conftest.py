"""A server in Lambda's place, boto3's own client with its retries off, and the client of ``compat``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from lambdachain import compat
from tests.support.laboratory import Laboratory

collect_ignore = ["boto3_project"]  # test_migration runs its tests

KEYS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "AKIATESTTESTTESTTEST",
    "aws_secret_access_key": "test-secret",
}


def create_single_attempt_client(url: str) -> Any:
    """Create boto3's own client, without its retries."""
    client: Any = boto3.client("lambda", endpoint_url=url, **KEYS)
    client.meta.events.unregister("needs-retry.lambda", unique_id="retry-config-lambda")
    return client


@pytest.fixture
def server() -> Iterator[Laboratory]:
    """Run a server for one test."""
    with Laboratory() as running:
        yield running


@pytest.fixture
def connect(server: Laboratory) -> Iterator[Callable[..., Any]]:
    """Create clients of ``compat`` that send to the server."""
    made: list[Any] = []

    def create(**options: Any) -> Any:
        client: Any = compat.client("lambda", **{"endpoint_url": server.url, **KEYS, **options})
        made.append(client)
        return client

    yield create
    for client in made:
        client.close()


@pytest.fixture
def ours(connect: Callable[..., Any]) -> Any:
    """The client of ``compat``."""
    return connect()


@pytest.fixture
def theirs(server: Laboratory) -> Iterator[Any]:
    """boto3's own client without its retries, because what is compared is one request."""
    client = create_single_attempt_client(server.url)
    yield client
    client.close()
