"""Faults that do not fit a row of the matrix: one after another, before the request, or on the client's side."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from lambdachain import (
    BotoTransport,
    CallError,
    CallTimeoutError,
    ConnectError,
    ConnectionLostError,
    Contract,
    ContractError,
    CredentialsError,
    DeadlineExceededError,
    Execution,
    LambdaClient,
    OutcomeUnknownError,
    PermissionReason,
    RequestTooLargeError,
    ResponseError,
    RetryPolicy,
    ThrottledError,
)
from tests.support import faults
from tests.support.faults import service_error
from tests.support.laboratory import Fault, Laboratory, refusing

PLAIN = Contract("billing-charge", request=Any, response=Any)
IDEMPOTENT = Contract("billing-charge", request=Any, response=Any, idempotent=True)

THROTTLE = service_error("TooManyRequestsException", 429)
BROKEN = service_error("ServiceException", 500, runs=True)
DENIAL = service_error("AccessDeniedException", 403)
ABSENCE = service_error("ResourceNotFoundException", 404)
EXPIRED = service_error("ExpiredTokenException", 403)


def _send(client: LambdaClient, way: str, contract: Contract[Any, Any] = PLAIN) -> object:
    if way == "can_invoke":
        return client.can_invoke(contract)
    return client.call(contract, 1) if way == "call" else client.fire(contract, 1)


@pytest.mark.parametrize(
    ("refusals", "reason"),
    [
        ((DENIAL,), PermissionReason.DENIED),
        ((ABSENCE,), PermissionReason.NO_SUCH_FUNCTION),
        ((ABSENCE, faults.SUCCESS), PermissionReason.NO_SUCH_QUALIFIER),
    ],
    ids=["denied", "no function", "no qualifier"],
)
def test_permission(
    laboratory: Laboratory, client: LambdaClient, refusals: tuple[Fault, ...], reason: PermissionReason
) -> None:
    """A denial is an error for a call and a result for a permission check."""
    laboratory.play(*refusals)

    permission = client.can_invoke(PLAIN, qualifier="live")

    assert (False, reason) == (permission.allowed, permission.reason)
    assert 0 == laboratory.executions


@pytest.mark.parametrize("way", ["call", "fire", "can_invoke"])
@pytest.mark.parametrize("contract", [PLAIN, IDEMPOTENT], ids=["once", "idempotent"])
def test_expired_credentials(
    laboratory: Laboratory, client: LambdaClient, way: str, contract: Contract[Any, Any]
) -> None:
    """They are renewed and the request is sent again, also without idempotency."""
    laboratory.play(EXPIRED, faults.SUCCESS)

    _send(client, way, contract)

    assert (2, 0 if way == "can_invoke" else 1) == (laboratory.received, laboratory.executions)


def test_credentials_that_stay_expired(laboratory: Laboratory, client: LambdaClient) -> None:
    """If renewed credentials are rejected as expired, too, the call fails."""
    laboratory.play(EXPIRED)

    with pytest.raises(CredentialsError) as caught:
        client.call(PLAIN, 1)

    assert (2, 0) == (len(caught.value.attempts), laboratory.executions)


@pytest.mark.parametrize("idempotent", [False, True])
def test_body_reset(laboratory: Laboratory, client: LambdaClient, idempotent: bool) -> None:
    """A reset may overtake the headers before it; in both cases the function is not reported as not executed."""
    laboratory.play(faults.BODY_RESET)

    with pytest.raises((ResponseError, ConnectionLostError)) as caught:
        client.call(IDEMPOTENT if idempotent else PLAIN, 1)

    assert caught.value.execution is not Execution.NOT_EXECUTED
    assert (3 if idempotent else 1) == laboratory.executions == len(caught.value.attempts)


def test_reset_on_accept(laboratory: Laboratory, client: LambdaClient) -> None:
    """A reset before the request leaves doubt only if the client had begun to send."""
    laboratory.play(faults.RESET_ON_ACCEPT)

    with pytest.raises((ConnectError, ConnectionLostError)) as caught:
        client.call(PLAIN, 1)

    assert {"ConnectError"} >= {attempt.error for attempt in caught.value.attempts[:-1]}
    assert 0 == laboratory.received


def test_hedging(laboratory: Laboratory, connect: Any) -> None:
    """A duplicate request is sent if the function may run twice, and only then."""
    policy = RetryPolicy(max_attempts=2, hedge_after=0.1, budget=None)
    with connect(laboratory.url) as client:
        laboratory.play(faults.SUCCESS)
        client.call(PLAIN, 1)  # what a first call makes takes longer than the pause before a hedge

        laboratory.play(faults.SILENT, faults.SUCCESS)
        client.call(IDEMPOTENT, 1, retry=policy, timeout=3)
        assert 2 == laboratory.received

        laboratory.play(faults.SILENT, faults.SUCCESS)
        with pytest.raises(CallTimeoutError):
            client.call(PLAIN, 1, retry=policy, timeout=0.5)
        assert 1 == laboratory.received


def test_retry_after_beyond_the_deadline(laboratory: Laboratory, client: LambdaClient) -> None:
    """The call fails immediately."""
    laboratory.play(service_error("TooManyRequestsException", 429, Retry_After="9"))

    with pytest.raises(DeadlineExceededError) as caught:
        client.call(PLAIN, 1, timeout=5)

    assert isinstance(caught.value.__cause__, ThrottledError)
    assert (1, Execution.NOT_EXECUTED) == (len(caught.value.attempts), caught.value.execution)


def test_retry_after_beyond_max_delay(laboratory: Laboratory, client: LambdaClient) -> None:
    """The call is not retried, with or without a deadline."""
    laboratory.play(service_error("TooManyRequestsException", 429, Retry_After="86400"))

    with pytest.raises(ThrottledError) as caught:
        client.call(PLAIN, 1)

    assert (1, 86400.0) == (len(caught.value.attempts), caught.value.retry_after)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ServiceException", 500),
        ("ServiceUnavailableException", 503),
        ("InternalFailure", 502),
        ("ResourceConflictException", 409),
        ("EC2ThrottledException", 502),
        ("ThrottlingException", 400),
    ],
)
@pytest.mark.parametrize(
    "hint",
    [
        {"Retry_After": "86400"},
        {"Retry_After": "9" * 400},
        {"x_amz_retry_after": "86400000"},
        {"Date": "Tue, 25 Nov 2025 12:00:00 GMT", "Retry_After": "Tue, 25 Nov 2025 12:01:00 GMT"},
        {"Retry_After": "Fri, 31 Dec 9999 23:59:59 GMT"},
    ],
    ids=["seconds", "digits without end", "milliseconds", "a date", "a date far off"],
)
def test_retry_after_applies_to_every_status(
    laboratory: Laboratory, client: LambdaClient, code: str, status: int, hint: dict[str, str]
) -> None:
    """To everything that is retried; beyond ``max_delay``, nothing is."""
    laboratory.play(service_error(code, status, **hint), faults.SUCCESS)

    with pytest.raises(CallError) as caught:
        client.call(IDEMPOTENT, 1)

    assert (1, 1) == (laboratory.received, len(caught.value.attempts))


@pytest.mark.parametrize(
    "hint",
    [
        "-1",
        "NaN",
        "1e308",
        "inf",
        "",
        "soon",
        "12:00",
        "Tue, 99 Nov 2025 99:00:00 GMT",
        "0",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_an_invalid_or_past_retry_after_is_ignored(laboratory: Laboratory, client: LambdaClient, hint: str) -> None:
    """The call is retried as without it."""
    laboratory.play(service_error("ServiceUnavailableException", 503, Retry_After=hint), faults.SUCCESS)

    assert client.invoke(IDEMPOTENT, 1).attempts[-1].error is None
    assert laboratory.received == 2


@pytest.mark.parametrize("later", [THROTTLE, DENIAL, faults.CONNECTION_FAULTS[0]], ids=lambda fault: fault.name)
def test_doubt_outlives_later_attempts(laboratory: Laboratory, client: LambdaClient, later: Fault) -> None:
    """If the first attempt may have run, the call may have run, regardless of what later ones report."""
    laboratory.play(BROKEN, later)

    with pytest.raises(OutcomeUnknownError) as caught:
        client.call(IDEMPOTENT, 1)

    assert Execution.UNKNOWN is caught.value.execution
    assert 1 == laboratory.executions


def test_knowledge_outlives_later_attempts(laboratory: Laboratory, client: LambdaClient) -> None:
    """If the first attempt ran, the call is never reported as not executed, and a later one may succeed."""
    laboratory.play(faults.BODY_FAULTS[0], THROTTLE, faults.SUCCESS)

    result = client.invoke(IDEMPOTENT, 1)

    assert ["ResponseError", "ThrottledError", None] == [attempt.error for attempt in result.attempts]
    assert 2 == laboratory.executions


@pytest.mark.parametrize(("way", "limit"), [("call", 6 * 1024 * 1024), ("fire", 1024 * 1024)])
def test_payload_of_the_largest_size(laboratory: Laboratory, client: LambdaClient, way: str, limit: int) -> None:
    """Lambda's maximum size is sent; with one more byte, nothing is."""
    laboratory.play(faults.SUCCESS)
    send: Callable[..., object] = getattr(client, way)

    send(PLAIN, "x" * (limit - 2))
    with pytest.raises(RequestTooLargeError) as caught:
        send(PLAIN, "x" * (limit - 1))

    assert (1, limit) == (laboratory.received, len(laboratory.requests[0].body))
    assert () == caught.value.attempts


@contextmanager
def _through(proxy: str) -> Iterator[LambdaClient]:
    session: Any = botocore.session.Session()
    session.set_credentials("AKIATESTTESTTESTTEST", "none")
    transport = BotoTransport(
        session=session,
        region="eu-west-1",
        endpoint_url="http://lambda.invalid",
        config=Config(proxies={"http": proxy}),
    )
    with LambdaClient(transport, retry=RetryPolicy(initial_delay=0.0002, budget=None)) as client:
        yield client


@pytest.mark.allow_real_invokes  # through a proxy on this machine
def test_proxy(laboratory: Laboratory) -> None:
    """A working proxy makes no difference."""
    laboratory.play(faults.SUCCESS)

    with _through(laboratory.url) as client:
        client.call(PLAIN, 1)

    assert 1 == laboratory.executions


@pytest.mark.allow_real_invokes  # through a proxy on this machine
def test_proxy_that_resets(laboratory: Laboratory) -> None:
    """A proxy that has read the request may have passed it on; botocore reports that like a refused connection."""
    laboratory.play(faults.CONNECTION_FAULTS[3])

    with _through(laboratory.url) as client, pytest.raises(ConnectionLostError) as caught:
        client.call(PLAIN, 1)

    assert (1, 1) == (len(caught.value.attempts), laboratory.executions)


@pytest.mark.allow_real_invokes  # through a proxy on this machine
def test_proxy_that_refuses() -> None:
    """A proxy that refuses the connection has passed nothing on."""
    with refusing() as url, _through(url) as client, pytest.raises(ConnectError) as caught:
        client.call(PLAIN, 1)

    assert (Execution.NOT_EXECUTED, 3) == (caught.value.execution, len(caught.value.attempts))


@pytest.mark.parametrize("retries", [None, {"mode": "standard"}, {"max_attempts": 2}, {"total_max_attempts": 3}])
def test_second_layer_of_retries(laboratory: Laboratory, retries: Any) -> None:
    """A client whose botocore would retry on its own is rejected."""
    session: Any = botocore.session.Session()
    config = Config(retries=retries)
    eager = session.create_client("lambda", region_name="eu-west-1", endpoint_url=laboratory.url, config=config)

    with pytest.raises(ContractError):
        BotoTransport(eager)


def test_interrupt(laboratory: Laboratory, client: LambdaClient) -> None:
    """Ctrl-C during a call is raised unchanged, and nothing is retried."""
    laboratory.play(faults.SILENT)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)

    try:
        with pytest.raises(KeyboardInterrupt):
            client.call(IDEMPOTENT, 1, timeout=10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    laboratory.settle()
    assert 1 == laboratory.received
