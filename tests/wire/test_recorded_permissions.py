"""Responses of AWS to a dry run, as on the wire, and what ``can_invoke`` returns for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

import lambdachain as lc
from lambdachain import Execution, LambdaClient, Permission, PermissionReason
from tests.support.responses import http_response


class Recorded(NamedTuple):
    """A response: status line, body, headers in addition to the common ones."""

    status: str
    body: bytes = b""
    headers: Mapping[str, str | None] = {}


def error_response(status: str, error_type: str, body: bytes = b"") -> Recorded:
    """Return an error response of the service."""
    return Recorded(status, body, {"x-amzn-ErrorType": error_type})


NO_CONTENT = Recorded("204 No Content", b"", {"Content-Length": None})
MISSING = error_response(
    "404 Not Found", "ResourceNotFoundException", b'{"Message":"Function not found: x","Type":"User"}'
)
FORBIDDEN = error_response("403 Forbidden", "AccessDeniedException", b'{"Message":"User: x is not authorized"}')
NOT_FOUND_TEXT = "ResourceNotFoundException: Function not found: x"


@pytest.mark.parametrize(
    ("function", "recorded", "permission"),
    [
        pytest.param("billing", [NO_CONTENT], (True, PermissionReason.ALLOWED, ""), id="allowed"),
        pytest.param(
            "billing",
            [FORBIDDEN],
            (False, PermissionReason.DENIED, "AccessDeniedException: User: x is not authorized"),
            id="denied",
        ),
        pytest.param(
            "billing", [MISSING], (False, PermissionReason.NO_SUCH_FUNCTION, NOT_FOUND_TEXT), id="no such function"
        ),
        pytest.param(
            "billing:live",
            [MISSING, NO_CONTENT],
            (False, PermissionReason.NO_SUCH_QUALIFIER, NOT_FOUND_TEXT),
            id="no such alias",
        ),
        pytest.param(
            "billing:live",
            [MISSING, MISSING],
            (False, PermissionReason.NO_SUCH_FUNCTION, NOT_FOUND_TEXT),
            id="neither alias nor function",
        ),
    ],
)
def test_a_dry_run_says_whether_the_function_can_be_invoked_and_why_not(
    function: str,
    recorded: list[Recorded],
    permission: tuple[bool, PermissionReason, str],
    server: Any,
    client: LambdaClient,
) -> None:
    """A second dry run without the qualifier distinguishes a missing alias from a missing function."""
    server.respond(*(http_response(answer.status, answer.body, answer.headers) for answer in recorded))

    answer = client.can_invoke(function)

    assert Permission(*permission) == answer
    assert permission[0] is bool(answer)
    assert ["DryRun"] * len(recorded) == [request.headers["x-amz-invocation-type"] for request in server.requests]
    assert [b""] * len(recorded) == [request.body for request in server.requests]


@pytest.mark.parametrize(
    ("recorded", "error", "retryable"),
    [
        pytest.param(error_response("429 X", "TooManyRequestsException"), lc.ThrottledError, True, id="throttled"),
        pytest.param(Recorded("500 Internal Server Error"), lc.ServiceError, True, id="service trouble"),
        pytest.param(error_response("403 Forbidden", "ExpiredTokenException"), lc.CredentialsError, True, id="expired"),
        pytest.param(
            error_response("403 Forbidden", "InvalidSignatureException"), lc.CredentialsError, False, id="signature"
        ),
        pytest.param(
            error_response("400 Bad Request", "ValidationException"), lc.InvalidRequestError, False, id="invalid"
        ),
    ],
)
def test_a_dry_run_without_a_decision_raises(
    recorded: Recorded,
    error: type[lc.CallError],
    retryable: bool,
    server: Any,
    client: LambdaClient,
) -> None:
    """Throttles and other failures; nothing ran, so temporary ones may be retried."""
    server.respond(http_response(recorded.status, recorded.body, recorded.headers))

    with pytest.raises(error) as caught:
        client.can_invoke("billing")

    assert error is type(caught.value)
    assert (Execution.NOT_EXECUTED, retryable) == (caught.value.execution, caught.value.retryable)
