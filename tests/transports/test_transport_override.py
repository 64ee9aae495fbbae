"""A test's transport overrides those that send to AWS, in every thread, and no others."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from lambdachain import BotoTransport, ConnectError, HttpTransport, Invocation, LambdaClient, Outcome, remote
from lambdachain._transports.transport_override import (
    override_transport,
    override_transport_in_context,
    transport_override,
)

made_at_import = LambdaClient()


@remote("double")
def double(number: int) -> int:
    """Stub a function on AWS."""
    return number * 2


class ConstantTransport:
    """A transport that always returns the same response, and counts calls."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.functions: list[str] = []
        self.is_closed = False

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        self.functions.append(invocation.function)
        return Outcome(200, self.answer, executed_version="$LATEST")

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: made_at_import.call(double, 1), id="a client at module scope"),
        pytest.param(lambda: LambdaClient(timeout=3).bind(double).call(1), id="a bound function"),
        pytest.param(lambda: double.call(1), id="a decorated handler"),
        pytest.param(lambda: LambdaClient(BotoTransport(region="eu-west-1")).call(double, 1), id="a client over boto3"),
        pytest.param(lambda: LambdaClient(HttpTransport(region="eu-west-1")).call(double, 1), id="a client over http"),
    ],
)
def test_an_override_receives_calls_to_aws(call: Callable[[], int]):
    """Regardless of who created the client, and when."""
    with override_transport(ConstantTransport(b"7")):
        assert call() == 7


def test_a_client_with_its_own_transport_keeps_it():
    """A client that a test creates with a transport uses that one."""
    own = ConstantTransport(b"1")
    with override_transport(ConstantTransport(b"7")):
        assert LambdaClient(own).call(double, 1) == 1


def test_an_override_holds_in_threads():
    """Threads start with an empty context, so the override is not in a context variable."""
    answers: list[int] = []
    with override_transport(ConstantTransport(b"7")):
        threads = [threading.Thread(target=lambda: answers.append(double.call(1))) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == [7] * 5


def test_the_innermost_override_takes_precedence():
    """A nested override takes precedence; after its end, no override is left."""
    with override_transport(ConstantTransport(b"1")):
        with override_transport(ConstantTransport(b"2")):
            assert double.call(0) == 2
        assert double.call(0) == 1

    assert transport_override() is None


def test_a_stand_in_goes_when_the_test_fails():
    """An error does not leave it active."""
    with pytest.raises(ZeroDivisionError), override_transport(ConstantTransport(b"1")):
        _ = 1 / 0

    assert transport_override() is None


def test_a_contexts_override_holds_in_that_context_only():
    """A handler in that context calls others over the transport that called it; other threads do not."""
    seen: list[object] = []
    outer, inner = ConstantTransport(b"1"), ConstantTransport(b"2")
    with override_transport(outer), override_transport_in_context(inner):
        assert double.call(0) == 2
        other = threading.Thread(target=lambda: seen.append(transport_override()))
        other.start()
        other.join()

    assert seen == [outer]


def test_closing_a_client_leaves_the_override_open():
    """The override belongs to the test; the closed client still refuses to call."""
    substitute = ConstantTransport(b"7")
    with override_transport(substitute):
        client = LambdaClient()
        client.call(double, 1)
        client.close()
        with pytest.raises(ConnectError, match="closed"):
            client.call(double, 1)

    assert not substitute.is_closed
    assert substitute.functions == ["double"]
