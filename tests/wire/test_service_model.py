"""Every error that botocore declares for ``Invoke``, the others that AWS documents, and unknown ones.

The tables are written down from AWS's documentation and the service model's own words, apart from the package's.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

import botocore.session
import pytest

import lambdachain as lc
from lambdachain import Contract, Execution, LambdaClient
from lambdachain._calling.error_table import SERVICE_ERRORS
from tests.support.responses import http_response

SAFE, IF_IDEMPOTENT, NEVER = (True, True), (False, True), (False, False)
DID_NOT_RUN, UNKNOWN = Execution.NOT_EXECUTED, Execution.UNKNOWN


class Expected(NamedTuple):
    """The status of an error and what it becomes; ``retryable`` without and with idempotency."""

    status: int
    error: type[lc.CallError]
    execution: Execution
    retryable: tuple[bool, bool]


def row(status: int, error: type[lc.CallError], retryable: tuple[bool, bool]) -> Expected:
    """Return a row; a call that may have run may be retried by an idempotent contract only."""
    return Expected(status, error, UNKNOWN if retryable is IF_IDEMPOTENT else DID_NOT_RUN, retryable)


DECLARED = {
    "TooManyRequestsException": row(429, lc.ThrottledError, SAFE),
    "EC2ThrottledException": row(502, lc.FunctionNotReadyError, SAFE),
    "ENINotReadyException": row(502, lc.FunctionNotReadyError, SAFE),
    "EC2UnexpectedException": row(502, lc.FunctionNotReadyError, SAFE),
    "EFSMountConnectivityException": row(408, lc.FunctionNotReadyError, SAFE),
    "EFSMountTimeoutException": row(408, lc.FunctionNotReadyError, SAFE),
    "S3FilesMountConnectivityException": row(408, lc.FunctionNotReadyError, SAFE),
    "S3FilesMountTimeoutException": row(408, lc.FunctionNotReadyError, SAFE),
    "SnapStartTimeoutException": row(408, lc.FunctionNotReadyError, SAFE),
    "ResourceNotReadyException": row(502, lc.FunctionNotReadyError, SAFE),
    "ResourceConflictException": row(409, lc.FunctionNotReadyError, SAFE),
    "SnapStartNotReadyException": row(409, lc.FunctionNotReadyError, SAFE),
    "CodeArtifactUserPendingException": row(409, lc.FunctionNotReadyError, SAFE),
    "CodeArtifactUserDeletedException": row(409, lc.FunctionNotReadyError, SAFE),
    "ENILimitReachedException": row(502, lc.FunctionNotReadyError, SAFE),
    "SubnetIPAddressLimitReachedException": row(502, lc.FunctionNotReadyError, SAFE),
    "ServiceException": row(500, lc.ServiceError, IF_IDEMPOTENT),
    "EFSIOException": row(410, lc.ServiceError, IF_IDEMPOTENT),
    "EFSMountFailureException": row(403, lc.FunctionMisconfiguredError, NEVER),
    "S3FilesMountFailureException": row(403, lc.FunctionMisconfiguredError, NEVER),
    "SnapStartException": row(400, lc.FunctionMisconfiguredError, NEVER),
    "SnapStartRegenerationFailureException": row(409, lc.FunctionMisconfiguredError, NEVER),
    "CodeArtifactUserFailedException": row(409, lc.FunctionMisconfiguredError, NEVER),
    "RuntimeAliasDeletedException": row(409, lc.FunctionMisconfiguredError, NEVER),
    "RuntimeVersionDeletedException": row(409, lc.FunctionMisconfiguredError, NEVER),
    "KMSAccessDeniedException": row(502, lc.FunctionMisconfiguredError, NEVER),
    "KMSDisabledException": row(502, lc.FunctionMisconfiguredError, NEVER),
    "KMSInvalidStateException": row(502, lc.FunctionMisconfiguredError, NEVER),
    "KMSNotFoundException": row(502, lc.FunctionMisconfiguredError, NEVER),
    "EC2AccessDeniedException": row(502, lc.FunctionMisconfiguredError, NEVER),
    "InvalidSecurityGroupIDException": row(502, lc.FunctionMisconfiguredError, NEVER),
    "InvalidSubnetIDException": row(502, lc.FunctionMisconfiguredError, NEVER),
    "InvalidRuntimeException": row(502, lc.FunctionMisconfiguredError, NEVER),
    "InvalidZipFileException": row(502, lc.FunctionMisconfiguredError, NEVER),
    "ServiceQuotaExceededException": row(402, lc.ThrottledError, NEVER),
    "RecursiveInvocationException": row(400, lc.RecursiveInvocationError, NEVER),
    "RequestTooLargeException": row(413, lc.RequestTooLargeError, NEVER),
    "SerializedRequestEntityTooLargeException": row(413, lc.RequestTooLargeError, NEVER),
    "UnsupportedMediaTypeException": row(415, lc.InvalidRequestError, NEVER),
    "InvalidRequestContentException": row(400, lc.InvalidRequestError, NEVER),
    "InvalidParameterValueException": row(400, lc.InvalidRequestError, NEVER),
    "ModeNotSupportedException": row(400, lc.InvalidRequestError, NEVER),
    "NoPublishedVersionException": row(400, lc.FunctionNotFoundError, NEVER),
    "ResourceNotFoundException": row(404, lc.FunctionNotFoundError, NEVER),
    "DurableExecutionAlreadyStartedException": row(409, lc.InvalidRequestError, NEVER),
}

UNDECLARED = [
    ("ThrottlingException", row(400, lc.ThrottledError, SAFE)),
    ("ThrottlingException", row(429, lc.ThrottledError, SAFE)),
    ("ExpiredTokenException", row(403, lc.CredentialsError, SAFE)),
    ("RequestExpired", row(400, lc.CredentialsError, NEVER)),
    ("RequestTimeoutException", row(408, lc.ConnectError, SAFE)),
    ("RequestTimeoutException", row(400, lc.ConnectError, SAFE)),
    ("RequestAbortedException", row(400, lc.ServiceError, IF_IDEMPOTENT)),
    ("InternalFailure", row(500, lc.ServiceError, IF_IDEMPOTENT)),
    ("ServiceUnavailable", row(503, lc.ServiceError, IF_IDEMPOTENT)),
    ("AccessDeniedException", row(403, lc.AccessDeniedError, NEVER)),
    ("UnrecognizedClientException", row(403, lc.CredentialsError, NEVER)),
    ("IncompleteSignature", row(403, lc.CredentialsError, NEVER)),
    ("InvalidSignatureException", row(403, lc.CredentialsError, NEVER)),
    ("OptInRequired", row(403, lc.AccessDeniedError, NEVER)),
    ("NotAuthorized", row(401, lc.AccessDeniedError, NEVER)),
    ("ValidationError", row(400, lc.InvalidRequestError, NEVER)),
    ("ValidationException", row(400, lc.InvalidRequestError, NEVER)),
    ("MalformedHttpRequestException", row(400, lc.InvalidRequestError, NEVER)),
    ("RequestEntityTooLarge", row(413, lc.RequestTooLargeError, NEVER)),
    ("RequestEntityTooLargeException", row(413, lc.RequestTooLargeError, NEVER)),
    ("UnknownOperationException", row(404, lc.InvalidRequestError, NEVER)),
    # Codes of a future year: classify by their status.
    ("PersonOfNextYearException", row(429, lc.ThrottledError, SAFE)),
    ("PersonOfNextYearException", row(500, lc.ServiceError, IF_IDEMPOTENT)),
    ("PersonOfNextYearException", row(502, lc.ServiceError, IF_IDEMPOTENT)),
    ("PersonOfNextYearException", row(400, lc.InvalidRequestError, NEVER)),
    ("PersonOfNextYearException", row(403, lc.AccessDeniedError, NEVER)),
    ("PersonOfNextYearException", row(404, lc.FunctionNotFoundError, NEVER)),
    ("PersonOfNextYearException", row(409, lc.InvalidRequestError, NEVER)),
    ("PersonOfNextYearException", row(413, lc.RequestTooLargeError, NEVER)),
]

STATUSES = [
    *(row(status, lc.ServiceError, IF_IDEMPOTENT) for status in (500, 502, 503, 504, 509, 599, 408)),
    row(429, lc.ThrottledError, SAFE),
    row(401, lc.AccessDeniedError, NEVER),
    row(403, lc.AccessDeniedError, NEVER),
    row(404, lc.FunctionNotFoundError, NEVER),
    row(413, lc.RequestTooLargeError, NEVER),
    *(row(status, lc.InvalidRequestError, NEVER) for status in (300, 301, 302, 304, 307, 308, 400, 405, 406, 418, 451)),
]

BODIES = [
    pytest.param(b"", id="empty"),
    pytest.param(b"<html><head><title>Trouble</title></head></html>", id="HTML"),
    pytest.param(b"404 page not found\n", id="text"),
    pytest.param(b"<p>caf\xe9</p>", id="no UTF-8"),
    pytest.param(b"\x1f\x8b\x08\x00garbage", id="compressed garbage"),
    pytest.param(b'{"message": "cut sho', id="JSON cut short"),
    pytest.param(b"[]", id="a list"),
    pytest.param(b'"Bad Gateway"', id="a text in quotes"),
    pytest.param(b"null", id="null"),
    pytest.param(b'{"message": {"a": 1}, "Type": 5, "code": [], "__type": 7, "Reason": null}', id="strange members"),
    pytest.param(b"[" * 9_000, id="nested beyond reading"),
]


@cache
def declared_errors() -> dict[str, int]:
    """Read from the installed botocore which errors ``Invoke`` declares, and their HTTP status."""
    model = botocore.session.Session().get_service_model("lambda").operation_model("Invoke")
    return {shape.name: int(shape.metadata["error"]["httpStatusCode"]) for shape in model.error_shapes}


def classify(client: LambdaClient, send: str, idempotent: bool) -> tuple[type, Execution, bool]:
    """Call, and return the attributes of the error."""
    contract = Contract("billing", request=dict[str, int], response=int, idempotent=idempotent)
    with pytest.raises(lc.CallError) as caught:
        getattr(client, send)(contract, {"cents": 5})
    return type(caught.value), caught.value.execution, caught.value.retryable


def test_the_error_table_has_every_error_that_botocore_declares() -> None:
    """A new error in botocore's model fails here until it is classified."""
    missing = sorted(set(declared_errors()) - set(SERVICE_ERRORS))

    assert missing == []


def test_every_declared_error_has_its_row_in_this_file() -> None:
    """With the status that the model has."""
    written_down = {name: expected.status for name, expected in DECLARED.items() if name in declared_errors()}

    assert declared_errors() == written_down


@pytest.mark.parametrize("send", ["call", "fire"])
@pytest.mark.parametrize("idempotent", [False, True], ids=["", "idempotent"])
@pytest.mark.parametrize(
    ("code", "expected"),
    [pytest.param(code, row, id=f"{code} {row.status}") for code, row in [*DECLARED.items(), *UNDECLARED]],
)
def test_an_error_of_the_service_is_classified_by_its_name(
    *,
    code: str,
    expected: Expected,
    idempotent: bool,
    send: str,
    server: Any,
    client: LambdaClient,
) -> None:
    """Class, execution and retryable follow from the name; from the status only for an unknown name."""
    body = json.dumps({"Type": "Service", "message": "trouble", "Message": "trouble"}).encode()
    server.respond(
        http_response(f"{expected.status} X", body, {"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/"})
    )

    seen = classify(client, send, idempotent)

    assert (expected.error, expected.execution, expected.retryable[idempotent]) == seen
    assert len(server.requests) == 1


@pytest.mark.parametrize("idempotent", [False, True], ids=["", "idempotent"])
@pytest.mark.parametrize("code", ["ServiceException", "com.amazonaws.lambda#ServiceException"])
def test_the_name_of_an_error_may_be_in_its_body(
    code: str, idempotent: bool, server: Any, client: LambdaClient
) -> None:
    """In ``__type``, if the header is missing."""
    server.respond(http_response("400 Bad Request", json.dumps({"__type": code}).encode()))

    seen = classify(client, "call", idempotent)

    assert (lc.ServiceError, UNKNOWN, idempotent) == seen


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("expected", STATUSES, ids=lambda expected: str(expected.status))
def test_a_response_without_a_name_is_classified_by_its_status(
    expected: Expected, body: bytes, server: Any, client: LambdaClient
) -> None:
    """With any body of a proxy or load balancer, the error is a lambdachain error."""
    headers = {"Location": "http://127.0.0.1:1/", "Content-Length": None if expected.status == 304 else str(len(body))}
    server.respond(http_response(f"{expected.status} X", b"" if expected.status == 304 else body, headers))

    seen = [classify(client, "call", idempotent) for idempotent in (False, True)]

    assert [(expected.error, expected.execution, retryable) for retryable in expected.retryable] == seen
    assert len(server.requests) == 2


@pytest.mark.parametrize("body", BODIES)
def test_a_named_error_keeps_its_name_with_any_body(body: bytes, server: Any, client: LambdaClient) -> None:
    """The header alone decides."""
    server.respond(http_response("502 Bad Gateway", body, {"x-amzn-ErrorType": "KMSDisabledException"}))

    seen = classify(client, "call", idempotent=True)

    assert (lc.FunctionMisconfiguredError, DID_NOT_RUN, False) == seen


def test_a_throttle_with_an_invalid_reason_is_a_throttle(server: Any, client: LambdaClient) -> None:
    """A reason that is not a string is ignored."""
    error_type = {"x-amzn-ErrorType": "TooManyRequestsException"}
    server.respond(http_response("429 X", b'{"Reason": {"a": 1}, "message": 7, "Type": []}', error_type))

    with pytest.raises(lc.ThrottledError) as caught:
        client.call("billing", None)

    assert caught.value.reason is None
