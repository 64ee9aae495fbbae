"""The matrix: every fault, idempotent or not, with and without deadline, for call, fire and can_invoke.

Each cell is the expected error, what it says about the function, and how often the function really ran.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from lambdachain import (
    AccessDeniedError,
    CallError,
    CallTimeoutError,
    ConnectError,
    ConnectionLostError,
    Contract,
    CredentialsError,
    DeadlineExceededError,
    Execution,
    FunctionCrashedError,
    FunctionError,
    FunctionInitError,
    FunctionMisconfiguredError,
    FunctionNotFoundError,
    FunctionNotReadyError,
    FunctionTimeoutError,
    InvalidRequestError,
    LambdaClient,
    RecursiveInvocationError,
    RequestTooLargeError,
    ResponseError,
    ResponseTooLargeError,
    ServiceError,
    ThrottledError,
)
from lambdachain._transports.socket_options import CONNECT_TIMEOUT
from tests.support import faults
from tests.support.faults import bare_status, function_error, service_error, unexpected_status
from tests.support.growing_timeouts import check_with_growing_timeouts
from tests.support.laboratory import Fault, Laboratory, refusing, unreachable
from tests.support.responses import DATE

MAX_ATTEMPTS = 3
AMPLE = 15.0
SCANT = 0.4


class Charged(BaseModel):
    charge_id: str


PLAIN = Contract("billing-charge", request=dict[str, int], response=Charged)
IDEMPOTENT = Contract("billing-charge", request=dict[str, int], response=Charged, idempotent=True)


class Verdict(NamedTuple):
    """The expected error of a fault.

    ``again``: who sends the call again: "all", "idempotent" (a permission check does no harm either) or "none".
    """

    error: type[CallError]
    execution: Execution
    again: str


def _not_run(error: type[CallError], again: str = "none") -> Verdict:
    return Verdict(error, Execution.NOT_EXECUTED, again)


NOT_CONNECTED = _not_run(ConnectError, "all")
WRONG_SETTING = _not_run(ConnectError)
THROTTLED = _not_run(ThrottledError, "all")
OVER_QUOTA = _not_run(ThrottledError)
NOT_READY = _not_run(FunctionNotReadyError, "all")
MISCONFIGURED = _not_run(FunctionMisconfiguredError)
REFUSED = _not_run(InvalidRequestError)
TOO_LARGE = _not_run(RequestTooLargeError)
DENIED = _not_run(AccessDeniedError)
BAD_CREDENTIALS = _not_run(CredentialsError)
NOT_FOUND = _not_run(FunctionNotFoundError)
RECURSIVE = _not_run(RecursiveInvocationError)
INIT_FAILED = _not_run(FunctionInitError)
UNREADABLE = _not_run(FunctionError)
NO_TIME = _not_run(DeadlineExceededError)
LOST = Verdict(ConnectionLostError, Execution.UNKNOWN, "idempotent")
SERVICE_FAILED = Verdict(ServiceError, Execution.UNKNOWN, "idempotent")
SANDBOX_FAILED = Verdict(FunctionError, Execution.UNKNOWN, "idempotent")
CUT_SHORT = Verdict(ResponseError, Execution.EXECUTED, "idempotent")
STRANGE = Verdict(ResponseError, Execution.UNKNOWN, "idempotent")
UNUSABLE = Verdict(ResponseError, Execution.EXECUTED, "none")
FAILED = Verdict(FunctionError, Execution.EXECUTED, "none")
TIMED_OUT = Verdict(FunctionTimeoutError, Execution.EXECUTED, "none")
CRASHED = Verdict(FunctionCrashedError, Execution.EXECUTED, "none")
ANSWER_TOO_LARGE = Verdict(ResponseTooLargeError, Execution.EXECUTED, "none")
NO_ANSWER_IN_TIME = Verdict(CallTimeoutError, Execution.UNKNOWN, "none")
NO_BODY_IN_TIME = Verdict(CallTimeoutError, Execution.EXECUTED, "none")

THROTTLE_REASONS = (
    "ConcurrentInvocationLimitExceeded",
    "ReservedFunctionConcurrentInvocationLimitExceeded",
    "FunctionInvocationRateLimitExceeded",
    "ReservedFunctionInvocationRateLimitExceeded",
    "CallerRateLimitExceeded",
    "ConcurrentSnapshotCreateLimitExceeded",
    "AReasonThatNobodyKnowsYet",
)

SERVICE_ERRORS = {
    THROTTLED: "429 TooManyRequestsException, 400 ThrottlingException, "
    "429 ThrottlingException, 429 AFutureThrottleException",
    OVER_QUOTA: "402 ServiceQuotaExceededException",
    NOT_READY: "502 EC2ThrottledException, 502 ENINotReadyException, 502 EC2UnexpectedException, "
    "408 EFSMountConnectivityException, "
    "408 EFSMountTimeoutException, 408 S3FilesMountConnectivityException, 408 S3FilesMountTimeoutException, "
    "408 SnapStartTimeoutException, 502 ResourceNotReadyException, 409 ResourceConflictException, "
    "409 SnapStartNotReadyException, 409 CodeArtifactUserPendingException, 409 CodeArtifactUserDeletedException, "
    "502 ENILimitReachedException, 502 SubnetIPAddressLimitReachedException",
    NOT_CONNECTED: "400 RequestTimeoutException",
    MISCONFIGURED: "403 EFSMountFailureException, 403 S3FilesMountFailureException, 400 SnapStartException, "
    "409 SnapStartRegenerationFailureException, 409 CodeArtifactUserFailedException, 409 RuntimeAliasDeletedException, "
    "409 RuntimeVersionDeletedException, 502 KMSAccessDeniedException, 502 KMSDisabledException, "
    "502 KMSInvalidStateException, 502 KMSNotFoundException, 502 EC2AccessDeniedException, "
    "502 InvalidSecurityGroupIDException, 502 InvalidSubnetIDException, 502 InvalidRuntimeException, "
    "502 InvalidZipFileException",
    RECURSIVE: "400 RecursiveInvocationException",
    TOO_LARGE: "413 RequestTooLargeException, 413 SerializedRequestEntityTooLargeException, "
    "413 RequestEntityTooLargeException",
    REFUSED: "415 UnsupportedMediaTypeException, 400 InvalidRequestContentException, "
    "400 InvalidParameterValueException, 400 ModeNotSupportedException, 400 ValidationException, "
    "400 MalformedHttpRequestException, 409 DurableExecutionAlreadyStartedException, 404 UnknownOperationException, "
    "400 AFutureException, 409 AFutureException",
    NOT_FOUND: "404 ResourceNotFoundException, 400 NoPublishedVersionException",
    DENIED: "403 AccessDeniedException, 401 NotAuthorized, 403 OptInRequired",
    BAD_CREDENTIALS: "403 UnrecognizedClientException, 403 IncompleteSignature, 403 InvalidSignatureException, "
    "400 RequestExpired",
}
SERVICE_FAILURES = (
    "500 ServiceException, 410 EFSIOException, 500 InternalFailure, 503 ServiceUnavailable, "
    "400 RequestAbortedException, 500 AFutureException, 504 AFutureException, 509 AFutureException"
)

FUNCTION_ERRORS: dict[Verdict, dict[str, object]] = {
    FAILED: {
        "Python": {"errorMessage": "no", "errorType": "KeyError", "requestId": "8f5e", "stackTrace": ["  File ..."]},
        "Python 3.8": {"errorMessage": "no", "errorType": "Exception", "stackTrace": []},
        "Node.js": {"errorType": "Error", "errorMessage": "no", "trace": ["Error: no", "    at handler"]},
        "Java": {"errorMessage": "no", "errorType": "java.lang.RuntimeException", "stackTrace": None},
        "Go": {"errorMessage": "no", "errorType": "errorString", "stackTrace": [{"path": "a.go", "line": 3}]},
        ".NET": {"errorType": "Exception", "errorMessage": "no", "stackTrace": ["at X"], "cause": {}, "causes": [{}]},
        "Ruby": {"errorMessage": "no", "errorType": "Function<RuntimeError>", "stackTrace": ["a.rb:1"]},
        "Rust": {"errorType": "&alloc::boxed::Box<dyn core::error::Error>", "errorMessage": 'Error: "no"'},
        "an answer that cannot be JSON": {"errorType": "Runtime.MarshalError", "errorMessage": "Unable to marshal"},
        "no type": {"errorMessage": "Exception exceeded maximum payload size of 256KB."},
        "no object": ["no"],
        "no text": {"errorType": 7, "errorMessage": None, "stackTrace": "x"},
        "no JSON": b"Task failed",
        "nothing": b"",
        "a long trace": {"errorType": "E", "errorMessage": "no", "stackTrace": ["x" * 1000] * 1000},
    },
    TIMED_OUT: {
        "timeout": {
            "errorType": "Sandbox.Timedout",
            "errorMessage": "RequestId: 8f5e Error: Task timed out after 1.00 seconds",
        },
        "timeout of old": {"errorMessage": "2024-04-08T12:00:00.000Z 8f5e Task timed out after 1.00 seconds"},
    },
    CRASHED: {
        "exit": {"errorType": "Runtime.ExitError", "errorMessage": "RequestId: 8f5e Error: exit status 127"},
        "out of memory": {"errorType": "Runtime.OutOfMemory", "errorMessage": "signal: killed"},
    },
    ANSWER_TOO_LARGE: {
        "answer too large": {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded",
        },
    },
    INIT_FAILED: {
        "import": {"errorType": "Runtime.ImportModuleError", "errorMessage": "no", "requestId": "", "stackTrace": []},
        "raised at import": {"errorType": "Exception", "errorMessage": "no", "requestId": "", "stackTrace": []},
    },
    UNREADABLE: {"bad event": {"errorType": "Runtime.UnmarshalError", "errorMessage": "no"}},
    SANDBOX_FAILED: {"sandbox": {"errorType": "Sandbox.Failure", "errorMessage": "no"}},
}


class Row(NamedTuple):
    """A fault and its expected results for each kind of call; ``on_http`` where that transport knows more."""

    fault: Fault
    verdict: Verdict
    ways: tuple[str, ...] = ("call", "fire", "can_invoke")
    on_http: Verdict | None = None

    @property
    def on_aiohttp(self) -> Verdict | None:
        """The result where aiohttp has parsed a whole piece before it reports the status line."""
        return LOST if self.fault.name in _UNSEEN_BY_AIOHTTP else None


# A complete status line shows that it ran; botocore reads all headers together, or none of them.
# There a fault in the first piece hides the status line of a success: the function ran, but that is unknown.
_UNSEEN_BY_AIOHTTP = (
    "headers cut before the version",
    "headers cut after the version",
    "bad chunk size",
    "Content-Length is not a number",
    "length too short",
    "bad TLS record in the body",
)
_READ_FROM_THE_STATUS = {"endless header": CUT_SHORT}


def _find_fault(codes: str) -> Iterator[tuple[str, int]]:
    for entry in codes.split(", "):
        status, code = entry.split(" ")
        yield code, int(status)


def _rows() -> Iterator[Row]:
    call = ("call",)
    yield from (Row(fault, LOST, on_http=_READ_FROM_THE_STATUS.get(fault.name)) for fault in faults.CONNECTION_FAULTS)
    yield from (Row(fault, CUT_SHORT, call) for fault in (*faults.HEADER_FAULTS, *faults.BODY_FAULTS))
    yield from (Row(fault, STRANGE, ("call", "fire")) for fault in faults.UNIDENTIFIED_RESPONSES)
    yield from (Row(fault, UNUSABLE, call) for fault in faults.UNUSABLE_RESPONSES)
    yield from _service_rows()
    for verdict, bodies in FUNCTION_ERRORS.items():
        yield from (Row(function_error(name, body), verdict, call) for name, body in bodies.items())
    yield Row(unexpected_status(202), CUT_SHORT, call)
    yield Row(unexpected_status(204), CUT_SHORT, ("call", "fire"))
    yield Row(unexpected_status(200), CUT_SHORT, ("fire", "can_invoke"))
    yield Row(bare_status(301, runs=False), REFUSED)


def _service_rows() -> Iterator[Row]:
    for verdict, codes in SERVICE_ERRORS.items():
        ways = ("call", "fire") if verdict in (DENIED, NOT_FOUND) else ("call", "fire", "can_invoke")
        yield from (Row(service_error(code, status), verdict, ways) for code, status in _find_fault(codes))
    yield from (
        Row(service_error(code, status, runs=True), SERVICE_FAILED) for code, status in _find_fault(SERVICE_FAILURES)
    )
    yield from (Row(service_error("TooManyRequestsException", 429, reason=r), THROTTLED) for r in THROTTLE_REASONS)
    for value in ("0", "soon", DATE, ""):
        yield Row(service_error("TooManyRequestsException", 429, Retry_After=value), THROTTLED)
    yield Row(service_error("TooManyRequestsException", 429, x_amz_retry_after="15"), THROTTLED)
    yield Row(bare_status(429, runs=False), THROTTLED)
    for status, body in product((408, 500, 502, 503, 504), (b"", b"<html>", b'{"no":1}', b"[1]", b"\xff")):
        yield Row(bare_status(status, body, runs=True), SERVICE_FAILED)


ENDLESS_ROWS = (
    Row(faults.SILENT, NO_ANSWER_IN_TIME, ("call", "fire")),
    Row(faults.TRICKLED_HEADERS, NO_ANSWER_IN_TIME, ("call",), on_http=NO_BODY_IN_TIME),
    # The headers were received, and status 200 shows that it ran.
    *(Row(fault, NO_BODY_IN_TIME, ("call",)) for fault in faults.ENDLESS_BODIES),
    # Nothing runs, so nothing is in doubt when time is up.
    *(Row(fault, NO_TIME, ("can_invoke",)) for fault in (faults.SILENT, faults.TRICKLED_HEADERS)),
    # No connection, no request; botocore alone calls this a read timeout, which may mean that it ran.
    Row(faults.SILENT_HANDSHAKE, NO_TIME),
)

TLS_ROWS = (
    # A failed handshake proves that nothing was sent; botocore alone could not know, and the call is retried.
    *(Row(fault, NOT_CONNECTED) for fault in faults.HANDSHAKE_FAULTS),
    Row(faults.NO_TLS, WRONG_SETTING),
    Row(faults.BAD_RECORD, LOST),
    Row(faults.BAD_RECORD_IN_BODY, CUT_SHORT, ("call",)),
    *(
        Row(fault, LOST, on_http=_READ_FROM_THE_STATUS.get(fault.name))
        for fault in faults.CONNECTION_FAULTS
        if fault.runs
    ),
    *(Row(fault, CUT_SHORT, ("call",)) for fault in faults.BODY_FAULTS),
)


class Case(NamedTuple):
    """A cell of the matrix."""

    row: Row
    way: str
    idempotent: bool
    timeout: float | None
    or_else: Verdict | None = None

    def over(self, transport: str) -> Case:
        """Return the expected verdict over *transport*."""
        if transport == "async boto3":
            return self._replace(or_else=self.row.on_aiohttp)
        more = self.row.on_http if transport.endswith("http") else None
        return self if more is None else self._replace(row=self.row._replace(verdict=more))

    @property
    def attempts(self) -> int:
        again = self.row.verdict.again
        harmless = self.idempotent or (self.way == "can_invoke" and self.row.verdict is not CUT_SHORT)
        return MAX_ATTEMPTS if again == "all" or (again == "idempotent" and harmless) else 1

    @property
    def execution(self) -> Execution:
        if self.way != "can_invoke":
            return self.row.verdict.execution
        # A server that responds to a dry run as to a call may have run the function.
        return Execution.UNKNOWN if self.row.verdict is CUT_SHORT else Execution.NOT_EXECUTED


def _cases(rows: Iterable[Row], *timeouts: float | None) -> list[Any]:
    return [
        pytest.param(
            Case(row, way, idempotent, timeout), id=f"{row.fault.name}-{way}{'-idempotent' * idempotent}-{timeout}"
        )
        for row in rows
        for way, idempotent, timeout in product(row.ways, (False, True), timeouts)
    ]


def _send(client: LambdaClient, case: Case) -> object:
    contract = IDEMPOTENT if case.idempotent else PLAIN
    if case.way == "can_invoke":
        return client.can_invoke(contract, timeout=case.timeout)
    send: Callable[..., object] = client.call if case.way == "call" else client.fire
    return send(contract, {"cents": 500}, timeout=case.timeout)


def _check(laboratory: Laboratory, client: LambdaClient, case: Case) -> None:
    fault = case.row.fault
    laboratory.play(fault)

    with pytest.raises(CallError) as caught:
        _send(client, case)
    laboratory.settle()

    error = caught.value
    if case.or_else is not None and type(error) is case.or_else.error:
        case = case._replace(row=case.row._replace(verdict=case.or_else))
    verdict = case.row.verdict
    assert (verdict.error, case.execution, case.attempts) == (type(error), error.execution, len(error.attempts))
    assert (case.attempts if fault.runs and case.way != "can_invoke" else 0) == laboratory.executions
    assert case.idempotent or laboratory.executions <= 1


@pytest.mark.parametrize("case", _cases(_rows(), None, AMPLE))
def test_fault(laboratory: Laboratory, client: LambdaClient, over: str, case: Case) -> None:
    """Each fault is one error that is right about whether the function ran, after the right number of attempts."""
    _check(laboratory, client, case.over(over))


@pytest.mark.parametrize("case", _cases(TLS_ROWS, None, AMPLE))
def test_tls_fault(tls_laboratory: Laboratory, tls_client: LambdaClient, over: str, case: Case) -> None:
    """Over TLS, too, a request that was not sent is distinguished from one that may have been."""
    _check(tls_laboratory, tls_client, case.over(over))


@pytest.mark.parametrize("case", _cases(ENDLESS_ROWS, SCANT))
def test_endless_fault(tls_laboratory: Laboratory, tls_client: LambdaClient, over: str, case: Case) -> None:
    """It ends at the deadline, and is not retried."""
    expected = case.over(over)
    check_with_growing_timeouts(lambda timeout: _check(tls_laboratory, tls_client, expected._replace(timeout=timeout)))


@pytest.mark.parametrize("case", _cases((Row(faults.SUCCESS, FAILED),), None, AMPLE))
def test_success(laboratory: Laboratory, client: LambdaClient, case: Case) -> None:
    """Without faults the function runs once, and a permission check does not run it."""
    laboratory.play(faults.SUCCESS)

    _send(client, case)

    assert (1, 0 if case.way == "can_invoke" else 1) == (laboratory.received, laboratory.executions)


@pytest.mark.parametrize("case", _cases((Row(faults.SUCCESS, NOT_CONNECTED),), None, AMPLE))
def test_refused(connect: Callable[[str], LambdaClient], case: Case) -> None:
    """A port that refuses connections has received nothing, so every call may be retried."""
    with refusing() as url, connect(url) as client, pytest.raises(ConnectError) as caught:
        _send(client, case)

    assert (Execution.NOT_EXECUTED, MAX_ATTEMPTS) == (caught.value.execution, len(caught.value.attempts))


@pytest.mark.parametrize("case", _cases((Row(faults.SUCCESS, NO_TIME),), SCANT))
def test_unreachable(connect: Callable[[str], LambdaClient], case: Case) -> None:
    """Without a connection, the deadline ends the call long before connecting times out."""

    def send() -> DeadlineExceededError:
        with unreachable() as url, connect(url) as client, pytest.raises(DeadlineExceededError) as caught:
            _send(client, case)
        return caught.value

    # A machine that stalls delays a call, but not each one.
    failed = next((failed for failed in (send() for _ in range(3)) if failed.elapsed < CONNECT_TIMEOUT), None)
    assert failed is not None
    assert Execution.NOT_EXECUTED is failed.execution


@pytest.mark.parametrize("case", _cases((Row(faults.SUCCESS, WRONG_SETTING),), None))
def test_untrusted_certificate(tls_laboratory: Laboratory, connect: Callable[[str], LambdaClient], case: Case) -> None:
    """It is a wrong configuration, which a retry does not fix."""
    tls_laboratory.play(faults.SUCCESS)

    with connect(tls_laboratory.url) as client, pytest.raises(ConnectError) as caught:
        _send(client, case)

    assert (Execution.NOT_EXECUTED, 1, 0) == (
        caught.value.execution,
        len(caught.value.attempts),
        tls_laboratory.received,
    )
