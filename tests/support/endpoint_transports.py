"""The transports of one suite: over HTTP to functions in real runtime processes, blocking and from an event loop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import boto3

from lambdachain import Transport
from lambdachain._transports.async_adapter import to_async_transport
from lambdachain.local import LocalEndpoint, LocalFunction
from tests.support.async_as_sync import ASYNC_TRANSPORTS, AwaitedTransport


@contextmanager
def serve_and_connect(served: Sequence[LocalFunction], make: Callable[..., Transport]) -> Generator[Transport]:
    """Serve functions in processes of the real runtime client; yield what *make* makes to call them over HTTP."""
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")
    with LocalEndpoint(served) as endpoint:
        transport = make(session=session, endpoint_url=endpoint.url)
        yield transport
        transport.close()


def make_awaited(name: str, *, session: boto3.Session, endpoint_url: str) -> Any:
    """Return an asynchronous transport that is awaited in the loop of the tests."""
    return AwaitedTransport(ASYNC_TRANSPORTS[name](region=session.region_name, endpoint_url=endpoint_url))


@contextmanager
def call_from_event_loop(make: Callable[[], AbstractContextManager[Transport]]) -> Generator[Transport]:
    """Call a blocking transport from an event loop."""
    with make() as transport:
        yield AwaitedTransport(to_async_transport(transport))
