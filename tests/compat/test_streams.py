"""``invoke_with_response_stream``: botocore's events, opened with the retries of a call, and ended by its deadline."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from botocore import exceptions as boto

import lambdachain as lc
from tests.support.laboratory import Laboratory
from tests.wire.test_streams import HEAD, LAST, complete, piece, service_error


def serve(server: Laboratory, *sent: bytes, hang: bool = False) -> None:
    """Send a response to the next request."""

    def script(connection: Any) -> None:
        connection.read_request()
        for data in sent:
            connection.send(data)
        if hang:
            connection.hang()

    server.play(script)


def read(client: Any, **parameters: Any) -> list[Any]:
    """Return the events of a stream."""
    with closing(client.invoke_with_response_stream(FunctionName="story", **parameters)["EventStream"]) as events:
        return [*events]


WHOLE = (HEAD, piece(b"1"), piece(b"2"), complete(LogResult="TE9H"), LAST)


@pytest.mark.parametrize("timeout", [None, 30], ids=["no deadline", "deadline"])
def test_the_events_are_those_of_boto3(
    server: Laboratory, theirs: Any, connect: Callable[..., Any], timeout: float | None
):
    """With or without a deadline."""
    found = []
    for client in (theirs, connect(timeout=timeout)):
        serve(server, *WHOLE)
        answer = client.invoke_with_response_stream(FunctionName="story", Payload=b"{}")
        events = answer.pop("EventStream")
        found.append((answer, [*events]))
        events.close()

    assert found[0] == found[1]
    assert type(events).__mro__[-2:] == type(events).__mro__[-2:]


@pytest.mark.parametrize("timeout", [None, 30], ids=["no deadline", "deadline"])
@pytest.mark.parametrize(
    "sent",
    [
        (HEAD, piece(b"1"), service_error("ServiceException"), LAST),
        (HEAD, piece(b"1"), b"5\r\n"),
        (HEAD, piece(b"1"), piece(b"2")[:9]),
    ],
    ids=["error of the service", "cut", "cut in an event"],
)
def test_a_stream_that_fails_fails_as_in_boto3(
    server: Laboratory, theirs: Any, connect: Callable[..., Any], sent: tuple[bytes, ...], timeout: float | None
):
    """With the same exception."""
    found = []
    for client in (theirs, connect(timeout=timeout)):
        serve(server, *sent)
        with pytest.raises(Exception) as caught:
            read(client)
        found.append((type(caught.value).__name__, str(caught.value).partition("0x")[0]))

    assert found[0] == found[1]


def test_a_stream_that_stalls_ends_at_the_deadline(server: Laboratory, connect: Callable[..., Any]):
    """Old code sees a read timeout."""
    serve(server, HEAD, piece(b"1"), hang=True)

    with pytest.raises(boto.ReadTimeoutError) as caught:
        read(connect(timeout=0.5))

    assert isinstance(caught.value, lc.CallTimeoutError)


def test_a_stream_can_be_closed_early(server: Laboratory, connect: Callable[..., Any]):
    """Its connection is not kept."""
    serve(server, HEAD, piece(b"1"), hang=True)
    events = connect(timeout=30).invoke_with_response_stream(FunctionName="story")["EventStream"]

    assert next(iter(events)) == {"PayloadChunk": {"Payload": b"1"}}
    events.close()
    server.settle(idle_too=True)
