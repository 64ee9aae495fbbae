"""What stands in for AWS takes the calls that would go there, in every thread, and no others."""

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
    """Stand for a function on AWS."""
    return number * 2


class Answering:
    """A transport that gives one answer, and counts."""

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
def test_a_stand_in_takes_what_would_go_to_aws(call: Callable[[], int]):
    """Whoever made the client, and when."""
    with override_transport(Answering(b"7")):
        assert call() == 7


def test_a_client_with_a_transport_of_its_own_keeps_it():
    """A test that gives a client its transport means it."""
    own = Answering(b"1")
    with override_transport(Answering(b"7")):
        assert LambdaClient(own).call(double, 1) == 1


def test_a_stand_in_holds_in_threads():
    """Threads begin with an empty context; a stand-in is not in it."""
    answers: list[int] = []
    with override_transport(Answering(b"7")):
        threads = [threading.Thread(target=lambda: answers.append(double.call(1))) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == [7] * 5


def test_the_innermost_stand_in_counts_and_goes():
    """One inside another is the one that answers; afterwards there is none."""
    with override_transport(Answering(b"1")):
        with override_transport(Answering(b"2")):
            assert double.call(0) == 2
        assert double.call(0) == 1

    assert transport_override() is None


def test_a_stand_in_goes_when_the_test_fails():
    """An error does not leave it behind."""
    with pytest.raises(ZeroDivisionError), override_transport(Answering(b"1")):
        _ = 1 / 0

    assert transport_override() is None


def test_a_stand_in_of_a_context_is_for_that_context_only():
    """A handler that runs in it calls through what called it; other threads do not."""
    seen: list[object] = []
    outer, inner = Answering(b"1"), Answering(b"2")
    with override_transport(outer), override_transport_in_context(inner):
        assert double.call(0) == 2
        other = threading.Thread(target=lambda: seen.append(transport_override()))
        other.start()
        other.join()

    assert seen == [outer]


def test_closing_a_client_leaves_the_stand_in_open():
    """It belongs to the test; the closed client still refuses to call."""
    substitute = Answering(b"7")
    with override_transport(substitute):
        client = LambdaClient()
        client.call(double, 1)
        client.close()
        with pytest.raises(ConnectError, match="closed"):
            client.call(double, 1)

    assert not substitute.is_closed
    assert substitute.functions == ["double"]
