"""A call runs a function at most once, whatever happens to it, unless the caller allows more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, RawIOBase, StringIO, UnsupportedOperation
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.config import Config
from botocore.response import StreamingBody

import lambdachain as lc
from lambdachain import Execution, RetryPolicy, invocation_scope
from lambdachain.compat._settings import settings_for
from lambdachain.testing import LambdaContext
from tests.support import faults
from tests.support.faults import service_error
from tests.support.laboratory import Fault, Laboratory, refusing, unreachable

FAST = RetryPolicy(initial_delay=0, budget=None)

LOST = [*faults.CONNECTION_FAULTS, faults.BODY_RESET, *faults.HEADER_FAULTS[:2], *faults.BODY_FAULTS]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.name)
def test_a_lost_response_does_not_run_a_function_twice(server: Laboratory, connect: Callable[..., Any], fault: Fault):
    """The error is botocore's, and says whether the function ran."""
    server.play(fault, faults.SUCCESS)

    error: Any = None
    try:
        connect(retry=FAST).invoke(FunctionName="price")
    except boto.BotoCoreError as exc:
        error = exc
    server.settle()

    assert server.executions <= 1
    # Some are retried, because nothing was sent; others are answers that boto3 accepts.
    if error is not None:
        assert isinstance(error, lc.CallError)
        assert (error.execution, error.retryable) != (Execution.NOT_EXECUTED, False)
        assert len(error.attempts) == 1


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.name)
def test_an_idempotent_function_is_called_again(server: Laboratory, connect: Callable[..., Any], fault: Fault):
    """By name, also where the call has an ARN."""
    server.play(fault, faults.SUCCESS)
    client = connect(retry=FAST, idempotent={"price"})

    answer = client.invoke(FunctionName="arn:aws:lambda:eu-west-1:123456789012:function:price:live", Payload="{}")

    assert answer["Payload"].read() == faults.RESULT
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    assert [request.body for request in server.requests][-1] == b"{}"


ARN = "arn:aws:lambda:eu-west-1:123456789012:function:price"


@pytest.mark.parametrize(
    ("listed", "function", "qualifier"),
    [
        ("price", ARN, None),
        ("price", "123456789012:function:price:live", None),
        ("price", "price", "live"),
        (ARN, ARN, None),
        (ARN, f"{ARN}:live", None),
        (ARN, ARN, "live"),
        (f"{ARN}:live", ARN, "live"),
        ("price:live", "price", "live"),
        ("123456789012:function:price", ARN, None),
    ],
)
def test_an_address_in_idempotent_includes_others(
    connect: Callable[..., Any], listed: str, function: str, qualifier: str | None
):
    """What it leaves out may be anything."""
    assert settings_for(connect(idempotent=[listed])).may_run_twice(function, qualifier)


@pytest.mark.parametrize(
    ("listed", "function", "qualifier"),
    [
        ("price:live", "price", None),
        ("price:live", "price", "canary"),
        (f"{ARN}:live", ARN, None),
        (ARN, ARN.replace("123456789012", "999999999999"), None),
        (ARN, ARN.replace("eu-west-1", "us-east-1"), None),
        (ARN, "price", None),  # perhaps of another account
        ("price", "stock:price", None),
        ("price", "stock", "price"),
        ("price", "not a name", None),
    ],
)
def test_an_address_in_idempotent_excludes_others(
    connect: Callable[..., Any], listed: str, function: str, qualifier: str | None
):
    """What it says has to be said by the call."""
    assert not settings_for(connect(idempotent=[listed])).may_run_twice(function, qualifier)


def test_an_alias_in_idempotent_is_that_of_the_call(server: Laboratory, connect: Callable[..., Any]):
    """Whether it is in the name or in ``Qualifier``."""
    client = connect(retry=FAST, idempotent=["price:live"])
    server.play(faults.CONNECTION_FAULTS[3], faults.SUCCESS)
    client.invoke(FunctionName="price", Qualifier="live")
    assert server.received == 2

    server.play(faults.CONNECTION_FAULTS[3], faults.SUCCESS)
    with pytest.raises(lc.ConnectionLostError):
        client.invoke(FunctionName="price", Qualifier="canary")
    assert server.received == 1


CUT = [faults.HEADER_FAULTS[0], faults.HEADER_FAULTS[1], faults.BODY_FAULTS[0]]


@pytest.mark.parametrize("fault", CUT, ids=lambda fault: fault.name)
def test_a_response_that_was_cut_short_is_an_error(server: Laboratory, ours: Any, fault: Fault):
    """boto3 returns the beginning of it, or nothing, as a success."""
    server.play(fault)

    with pytest.raises(boto.ResponseStreamingError) as caught:
        ours.invoke(FunctionName="price")

    assert isinstance(caught.value, lc.ResponseError)
    assert caught.value.execution is Execution.EXECUTED


@pytest.mark.parametrize("operation", ["invoke", "invoke_with_response_stream"])
@pytest.mark.parametrize("fault", [service_error("ServiceException", 500), service_error("Unknown", 503)], ids=str)
def test_an_error_of_lambda_itself_is_not_retried(
    server: Laboratory, connect: Callable[..., Any], operation: str, fault: Fault
):
    """boto3 sends it again: the function may have run."""
    server.play(fault, faults.SUCCESS)

    with pytest.raises(boto.ClientError) as caught:
        getattr(connect(retry=FAST), operation)(FunctionName="price")

    assert isinstance(caught.value, lc.ServiceError)
    assert caught.value.execution is Execution.UNKNOWN
    assert server.received == 1


def test_invoke_async_is_not_retried(server: Laboratory, connect: Callable[..., Any]):
    """boto3 would queue the event again."""
    server.play(faults.CONNECTION_FAULTS[3], faults.SUCCESS)

    with pytest.raises(boto.ConnectionClosedError) as caught:
        connect(retry=FAST).invoke_async(FunctionName="price", InvokeArgs=b"{}")

    assert isinstance(caught.value, lc.ConnectionLostError)
    assert server.received == 1


@pytest.mark.parametrize("operation", ["invoke", "invoke_with_response_stream"])
def test_a_throttle_is_retried(server: Laboratory, connect: Callable[..., Any], operation: str):
    """The function did not run."""
    throttle = service_error("TooManyRequestsException", 429)
    server.play(throttle, throttle, faults.SUCCESS)

    answer = getattr(connect(retry=FAST), operation)(FunctionName="price")

    answer.get("EventStream", answer.get("Payload")).close()
    assert answer["StatusCode"] == 200
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert server.received == 3


@pytest.mark.parametrize(
    ("config", "attempts"),
    [
        (None, 3),
        (Config(retries={"max_attempts": 0}), 1),
        (Config(retries={"max_attempts": 1}), 2),
        (Config(retries={"total_max_attempts": 4, "mode": "standard"}), 4),
        (Config(retries={"mode": "adaptive"}), 3),
        (Config(retries={"mode": "legacy"}), 3),
    ],
    ids=str,
)
def test_the_configuration_says_how_many_attempts(
    server: Laboratory, connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, config: Config, attempts: int
):
    """As botocore reads it; the message has the number of retries, as botocore's."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    server.play(service_error("TooManyRequestsException", 429))

    with pytest.raises(boto.ClientError) as caught:
        connect(config=config).invoke(FunctionName=f"price-{attempts}")

    assert isinstance(caught.value, lc.ThrottledError)
    assert server.received == attempts == len(caught.value.attempts)
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == attempts - 1
    assert ("reached max retries" in str(caught.value)) is (attempts > 1)


def test_other_operations_keep_the_retries_of_boto3(server: Laboratory, connect: Callable[..., Any]):
    """Only what runs a function is sent by ``compat``."""
    server.play(service_error("ServiceException", 500))
    client = connect(config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))

    with pytest.raises(client.exceptions.ServiceException) as caught:
        client.get_function(FunctionName="price")

    assert not isinstance(caught.value, lc.CallError)
    assert server.received == 2


def test_a_refused_connection_is_retried(connect: Callable[..., Any]):
    """It proves that nothing was sent."""
    with refusing() as url, pytest.raises(boto.EndpointConnectionError) as caught:
        connect(endpoint_url=url, retry=FAST).invoke(FunctionName="price")

    assert isinstance(caught.value, lc.ConnectError)
    assert len(caught.value.attempts) == 3


def test_a_connection_that_times_out(connect: Callable[..., Any]):
    """As in boto3, the configuration limits it."""
    config = Config(connect_timeout=0.1, retries={"max_attempts": 0})
    with unreachable() as url, pytest.raises(boto.ConnectTimeoutError) as caught:
        connect(endpoint_url=url, config=config).invoke(FunctionName="price")

    assert isinstance(caught.value, lc.ConnectError)
    assert caught.value.execution is Execution.NOT_EXECUTED


ENDLESS = [faults.SILENT, faults.TRICKLED_HEADERS, *faults.ENDLESS_BODIES]


@pytest.mark.parametrize("fault", ENDLESS, ids=lambda fault: fault.name)
def test_a_timeout_is_for_the_whole_call(server: Laboratory, connect: Callable[..., Any], fault: Fault):
    """A byte now and then does not extend it, as it does boto3's ``read_timeout``."""
    server.play(fault)

    with pytest.raises(boto.ReadTimeoutError) as caught:
        connect(timeout=0.3).invoke(FunctionName="price")

    assert isinstance(caught.value, lc.CallTimeoutError)
    assert server.received == 1


def test_the_read_timeout_of_the_configuration_holds(server: Laboratory, connect: Callable[..., Any]):
    """And it does not lead to a second request."""
    server.play(faults.SILENT)

    with pytest.raises(boto.ReadTimeoutError) as caught:
        connect(config=Config(read_timeout=0.2), timeout=60).invoke(FunctionName="price")

    assert isinstance(caught.value, lc.CallTimeoutError)
    assert server.received == 1


def test_the_remaining_time_of_the_invocation_is_a_deadline(server: Laboratory, connect: Callable[..., Any]):
    """Inside ``invocation_scope``; the metadata says how long the caller waits."""
    server.play(faults.SUCCESS)
    with invocation_scope(LambdaContext(timeout=30.0)):
        connect().invoke(FunctionName="price")
    assert 0 < int(server.requests[0].metadata["lc-budget-ms"]) < 30_000

    server.play(faults.SUCCESS)
    with invocation_scope(LambdaContext(timeout=0.1)), pytest.raises(boto.ConnectTimeoutError) as caught:
        connect().invoke(FunctionName="price")
    assert isinstance(caught.value, lc.DeadlineExceededError)
    assert "no time left" in str(caught.value)
    assert server.received == 0


def test_a_throttle_without_time_for_a_retry_is_still_a_throttle(server: Laboratory, connect: Callable[..., Any]):
    """Old code catches the throttle, new code the deadline."""
    server.play(service_error("TooManyRequestsException", 429, Retry_After="30"))
    client = connect(timeout=20, retry=RetryPolicy(max_delay=60))

    with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
        client.invoke(FunctionName="price")

    assert isinstance(caught.value, lc.DeadlineExceededError)


def test_a_file_is_sent_again_from_its_position(server: Laboratory, connect: Callable[..., Any]):
    """Each attempt sends the same."""
    file = BytesIO(b'...{"a": 1}')
    file.seek(3)
    server.play(service_error("TooManyRequestsException", 429), faults.SUCCESS)

    connect(retry=FAST).invoke(FunctionName="price", Payload=file)

    assert [request.body for request in server.requests] == [b'{"a": 1}'] * 2


class Pipe(RawIOBase):
    """A file without positions."""

    def __init__(self, data: bytes) -> None:
        self._data = BytesIO(data)

    def readable(self) -> bool:
        """Return whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        return self._data.readinto(buffer)


def test_a_pipe_is_not_sent_again(server: Laboratory, connect: Callable[..., Any]):
    """Its bytes are gone: the second request would send the rest of them, or nothing."""
    server.play(service_error("TooManyRequestsException", 429), faults.SUCCESS)
    client = connect(retry=FAST)

    with pytest.raises(Exception):  # noqa: B017 - botocore cannot sign it, and versions differ in how they say so
        client.invoke(FunctionName="price", Payload=Pipe(b"{}"))

    assert server.received <= 1


class Forward(BytesIO):
    """A file without positions, of another kind than a pipe."""

    def tell(self) -> int:
        """Fail, as files do that only go forward."""
        raise UnsupportedOperation("tell")


@pytest.mark.parametrize(
    "create",
    [lambda: StringIO("{}"), lambda: Pipe(b"{}"), lambda: Forward(b"{}"), lambda: StreamingBody(BytesIO(b"{}"), 2)],
    ids=["text", "pipe", "forward", "body of another response"],
)
def test_a_file_that_botocore_cannot_send(server: Laboratory, ours: Any, theirs: Any, create: Callable[[], Any]):
    """It fails as in boto3, and not as if the credentials were missing."""
    raised: list[Exception] = []
    for client in (ours, theirs):
        with pytest.raises(Exception) as caught:
            client.invoke(FunctionName="price", Payload=create())
        raised.append(caught.value)

    assert [type(one) for one in raised] == [type(raised[1])] * 2
    assert str(raised[0]) == str(raised[1])
    assert server.received == 0


def test_many_threads_share_a_client(server: Laboratory, connect: Callable[..., Any]):
    """As they share boto3's."""
    server.play(faults.SUCCESS)
    client = connect(config=Config(max_pool_connections=8))
    barrier = threading.Barrier(8)

    def run(number: int) -> bytes:
        if number < 8:
            barrier.wait()
        payload: bytes = client.invoke(FunctionName="price", Payload=b"%d" % number)["Payload"].read()
        return payload

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(40))) == [faults.RESULT] * 40
    assert sorted(int(request.body) for request in server.requests) == [*range(40)]


def test_a_connection_is_used_again(server: Laboratory, ours: Any):
    """Also where nobody reads the payload, which leaks a connection in boto3."""
    server.play(faults.SUCCESS)
    for kind in ("RequestResponse", "Event", "DryRun", "RequestResponse"):
        ours.invoke(FunctionName="price", InvocationType=kind)

    assert server.connections == 1
