"""Invariants under random scripts of faults over real sockets.

``LAMBDACHAIN_SOAK=10000`` runs that many scripts instead of a seeded few; so does ``make soak``.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lambdachain import (
    CallError,
    Contract,
    Execution,
    LambdaChainError,
    LambdaClient,
    Permission,
    RemoteError,
    ResponseError,
    RetryPolicy,
)
from tests.support import faults
from tests.support.faults import bare_status, function_error, service_error, unexpected_status
from tests.support.laboratory import EPSILON, Fault, Laboratory, Request
from tests.support.responses import http_response

PAYLOAD, ANSWERED, CONTEXT, KEY = "canary-payload", "canary-answer", "canary-context", "canary-key"
CANARIES = (PAYLOAD, ANSWERED, CONTEXT, KEY, "secret-canary")


class Charged(BaseModel):
    charge_id: str


class CardDeclined(RemoteError):
    reason: str


PLAIN = Contract("billing-charge", request=dict[str, Any], response=Charged, errors=[CardDeclined])
IDEMPOTENT = Contract("billing-charge", request=dict[str, Any], response=Charged, idempotent=True, envelope=True)


def _echo(code: str, status: int, message: str) -> Fault:
    body = f'{{"message":"{message}"}}'.encode()
    return Fault(f"{code} that echoes", faults.send(http_response(f"{status} Error", body, {"x-amzn-ErrorType": code})))


_LEAKING = http_response("200 OK", f'{{"charge_id":{{"no":"{ANSWERED}"}}}}'.encode(), {"X-Amz-Executed-Version": "1"})
PROMPT = (
    faults.SUCCESS,
    *faults.CONNECTION_FAULTS,
    *faults.HEADER_FAULTS,
    *faults.BODY_FAULTS,
    *faults.UNUSABLE_RESPONSES,
    faults.RESET_ON_ACCEPT,
    faults.BODY_RESET,
    Fault("an answer that does not fit", faults.send(_LEAKING), runs=True),
    _echo("ValidationException", 400, f"1 validation error detected: Value '{PAYLOAD}' at 'tenantId' failed"),
    _echo("InvalidSignatureException", 403, f"The Canonical String for this request should have been '{CONTEXT}'"),
    *(unexpected_status(status) for status in (200, 202, 204)),
    *(bare_status(status, runs=status >= 500) for status in (301, 400, 403, 404, 429, 500, 503, 509)),
    *(service_error("TooManyRequestsException", 429, reason=reason) for reason in ("CallerRateLimitExceeded", "New")),
    service_error("TooManyRequestsException", 429, Retry_After="1"),
    service_error("TooManyRequestsException", 429, x_amz_retry_after="7"),
    service_error("EC2ThrottledException", 502),
    service_error("KMSDisabledException", 502),
    service_error("ResourceConflictException", 409),
    service_error("ExpiredTokenException", 403),
    service_error("AccessDeniedException", 403),
    service_error("ResourceNotFoundException", 404),
    function_error("a declared error", {"errorType": "CardDeclined", "errorMessage": '{"reason":"limit"}'}),
    function_error("an error", {"errorType": "KeyError", "errorMessage": "no", "requestId": "8f5e"}),
    function_error("an exit", {"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"}),
    function_error("a failed sandbox", {"errorType": "Sandbox.Failure"}),
)
# Drawn more often than the others, so that many scripts get beyond their first fault.
RETRIED = (
    service_error("TooManyRequestsException", 429),
    service_error("ENINotReadyException", 502),
    service_error("ServiceException", 500, runs=True),
)
ENDLESS = (faults.SILENT, faults.TRICKLED_HEADERS, *faults.ENDLESS_BODIES)

MANY = int(os.environ.get("LAMBDACHAIN_SOAK", "0"))

FEW = 400


def _bound_examples(usual: int) -> settings:
    """Run a seeded few examples, or proportionally more if a soak run requests that many scripts."""
    return settings(
        max_examples=max(usual, MANY * usual // FEW),
        derandomize=not MANY,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Script:
    """A call and the faults of its attempts."""

    method: str
    idempotent: bool
    keyed: bool
    max_attempts: int
    timeout: float | None
    kept_alive: bool
    faults: tuple[Fault, ...]

    @property
    def repeatable(self) -> bool:
        return self.idempotent or self.keyed or self.method == "can_invoke"

    def play(self, client: LambdaClient) -> object:
        """Make the call; return its result or error."""
        contract = IDEMPOTENT if self.idempotent else PLAIN
        options: dict[str, Any] = {"timeout": self.timeout, "retry": self._policy()}
        if self.keyed:
            options["idempotency_key"] = KEY
        if self.method == "can_invoke":
            return _result(lambda: client.can_invoke(contract, **options))
        if self.method == "fire":
            return _result(lambda: client.fire(contract, {"card": PAYLOAD}, **options))
        options["client_context"] = {"who": CONTEXT}
        return _result(lambda: client.invoke(contract, {"card": PAYLOAD}, **options))

    def _policy(self) -> RetryPolicy:
        return RetryPolicy(max_attempts=self.max_attempts, initial_delay=0.0002, max_delay=1.5, budget=None)


def _result(call: Callable[[], object]) -> object:
    """Return what a call returns, or the lambdachain error that it raises."""
    try:
        return call()
    except LambdaChainError as exc:
        return exc


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Generate a call and its faults; without a deadline, no endless ones."""
    timeout = draw(st.sampled_from([None, None, 0.05, 0.1, 0.2]))
    pool = (*PROMPT, *RETRIED * 8) if timeout is None else (*PROMPT, *RETRIED * 8, *ENDLESS * 3)
    method = draw(st.sampled_from(["call", "call", "fire", "can_invoke"]))
    idempotent = draw(st.booleans())
    return Script(
        method=method,
        idempotent=idempotent,
        keyed=draw(st.booleans()) and (method != "fire" or idempotent),
        max_attempts=draw(st.integers(1, 5)),
        timeout=timeout,
        kept_alive=draw(st.booleans()),
        faults=(*draw(st.lists(st.sampled_from(pool), max_size=5)), faults.SUCCESS),
    )


@contextmanager
def records() -> Iterator[list[str]]:
    """Collect the log records of lambdachain."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(f"{record.getMessage()} {record.args!r}")  # type: ignore[method-assign]
    logger = logging.getLogger("lambdachain")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


@_bound_examples(FEW)
@given(script=scripts())
def test_any_script(laboratory: Laboratory, client: LambdaClient, script: Script) -> None:
    """No double run, attempt too many, late call, wrong statement or leaked canary, for any faults."""
    _check(laboratory, client, script)


@_bound_examples(FEW // 4)
@given(script=scripts())
def test_any_script_under_tls(tls_laboratory: Laboratory, tls_client: LambdaClient, script: Script) -> None:
    """The same over TLS."""
    _check(tls_laboratory, tls_client, script)


def _check(laboratory: Laboratory, client: LambdaClient, script: Script) -> None:
    laboratory.play(*script.faults, keep_connections=script.kept_alive)
    began = time.monotonic()

    with records() as said:
        done = script.play(client)
    took = time.monotonic() - began
    laboratory.settle()

    event(type(done).__name__)
    _check_runs(laboratory, script)
    _check_time(script, took)
    _check_soundness(laboratory, done)
    _check_attempts(laboratory.requests, script, done)
    _check_canaries(done, said)


def _check_runs(laboratory: Laboratory, script: Script) -> None:
    assert laboratory.executions <= (script.max_attempts if script.repeatable else 1)
    assert laboratory.received <= script.max_attempts
    assert not (script.method == "can_invoke" and laboratory.executions)


def _check_time(script: Script, took: float) -> None:
    assert script.timeout is None or took <= script.timeout + EPSILON


def _check_soundness(laboratory: Laboratory, done: object) -> None:
    if isinstance(done, CallError):
        assert done.execution is not Execution.NOT_EXECUTED or laboratory.executions == 0
        assert done.execution is not Execution.EXECUTED or laboratory.executions >= 1
    else:
        assert isinstance(done, Permission) or laboratory.executions >= 1


def _check_attempts(requests: list[Request], script: Script, done: object) -> None:
    attempts = getattr(done, "attempts", ())
    assert len(attempts) <= script.max_attempts
    assert not isinstance(done, CallError) or all(attempt.error for attempt in attempts)
    with_metadata = [request for request in requests if request.metadata]
    assert len(with_metadata) == (len(requests) if script.method == "call" else 0)
    numbers = [request.attempt for request in with_metadata]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= script.max_attempts for number in numbers)
    assert {request.idempotency_key for request in with_metadata} <= {KEY if script.keyed else None}
    assert len({request.metadata["lc-id"] for request in with_metadata}) <= 1


def _check_canaries(done: object, said: list[str]) -> None:
    texts = list(said)
    if isinstance(done, BaseException):
        texts += ["".join(traceback.format_exception(done)), *_text_of_chain(done)]
        again = pickle.loads(pickle.dumps(done))
        assert (type(done), str(done)) == (type(again), str(again))
        texts.append(pickle.dumps(done).decode("latin-1"))
    else:
        texts.append(repr(done))
    assert [] == [(canary, text) for text in texts for canary in CANARIES if canary in text]


def _text_of_chain(exc: BaseException | None) -> Iterator[str]:
    """Return the text of an exception and of those behind it."""
    while exc is not None:
        yield f"{exc!r} {exc} {exc.args!r} {vars(exc)!r}"
        exc = exc.__cause__ or exc.__context__


def test_distinct_calls(laboratory: Laboratory, client: LambdaClient) -> None:
    """Two calls outside any invocation have different correlation ids, and each keeps its own over its attempts."""
    refusal = service_error("ServiceException", 500, runs=True)
    laboratory.play(refusal, faults.SUCCESS, refusal, faults.SUCCESS)

    for key in ("k-1", "k-2"):
        client.call(PLAIN, {}, idempotency_key=key)

    assert [("k-1", 1), ("k-1", 2), ("k-2", 1), ("k-2", 2)] == [
        (r.idempotency_key, r.attempt) for r in laboratory.requests
    ]
    ids = [request.metadata["lc-id"] for request in laboratory.requests]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert {"k-1": 2, "k-2": 2} == laboratory.executions_by_key


RECORDED = {
    "with a length": faults.SUCCESSFUL["RequestResponse"],
    "in chunks": http_response(
        "200 OK",
        b"7\r\n" + faults.RESULT[:7] + b"\r\nc\r\n" + faults.RESULT[7:] + b"\r\n0\r\n\r\n",
        {"X-Amz-Executed-Version": "$LATEST", "Content-Length": None, "Transfer-Encoding": "chunked"},
    ),
    "of a function that failed": http_response(
        "200 OK",
        b'{"errorType":"KeyError","errorMessage":"no"}',
        {"X-Amz-Executed-Version": "1", "X-Amz-Function-Error": "Unhandled"},
    ),
}


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED.keys())
def test_every_cut_point(laboratory: Laboratory, client: LambdaClient, recorded: bytes) -> None:
    """A response that is cut after any byte is never a success, and never reported as not executed."""
    # A last chunk of size 0 ends the response; the empty lines after it carry no data.
    whole = len(recorded.removesuffix(b"\r\n\r\n"))

    for cut in range(whole):
        laboratory.play(Fault("cut", faults.send(recorded[:cut], then=faults.close), runs=True))
        with pytest.raises(CallError) as caught:
            client.call(PLAIN, {})
        assert caught.value.execution is not Execution.NOT_EXECUTED, recorded[:cut]
        assert (1, 1) == (laboratory.executions, len(caught.value.attempts))


@_bound_examples(60)
@given(
    error=st.tuples(st.from_regex(r"[A-Z][A-Za-z]{0,30}(Exception)?", fullmatch=True), st.integers(300, 599)),
    said=st.dictionaries(st.text(max_size=9), st.none() | st.integers() | st.text() | st.lists(st.text())),
    reason=st.from_regex(r"[A-Za-z]{1,40}", fullmatch=True),
)
def test_unknown_errors(
    laboratory: Laboratory, client: LambdaClient, error: tuple[str, int], said: dict[str, Any], reason: str
) -> None:
    """An unknown error in any form is a lambdachain error, and runs nothing twice."""
    code, status = error
    body = json.dumps({**said, "Reason": reason}).encode()
    act = faults.send(http_response(f"{status} Error", body, {"x-amzn-ErrorType": code}))
    laboratory.play(Fault("unknown", act, runs=status >= 500), faults.SUCCESS)

    done = _result(lambda: client.call(PLAIN, {}))
    laboratory.settle()

    assert laboratory.executions <= 1
    _check_soundness(laboratory, done)


@_bound_examples(25)
@given(trace=st.from_regex(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}(;[A-Z][a-z]+=[!-+\--:<-~]{1,40}){0,4}", fullmatch=True))
def test_trace_header(laboratory: Laboratory, client: LambdaClient, trace: str) -> None:
    """The trace header from Lambda is sent unchanged on every attempt: loop detection depends on it."""
    laboratory.play(service_error("TooManyRequestsException", 429), faults.SUCCESS)

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders-place")
        environment.setenv("_X_AMZN_TRACE_ID", trace)
        client.call(PLAIN, {})

    sent = [request.headers["x-amzn-trace-id"] for request in laboratory.requests]
    assert [True, True] == [trace in (header, unquote(header)) for header in sent]  # botocore encodes it, we need not


def test_response_error_does_not_quote_the_response(laboratory: Laboratory, client: LambdaClient) -> None:
    """An invalid response is described without its content."""
    laboratory.play(Fault("leaking", faults.send(_LEAKING), runs=True))

    with pytest.raises(ResponseError) as caught:
        client.call(PLAIN, {})

    assert ANSWERED not in "".join(_text_of_chain(caught.value))
