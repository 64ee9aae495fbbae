"""An invocation as the parameters of boto3's methods, and boto3's responses as the reader of responses takes them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from lambdachain._core.invocation import Invocation, InvocationType, Outcome, Progress
from lambdachain._transports.invoke_response import is_from_lambda, read_error, read_invoke_response

OPERATIONS: Final = ("Invoke", "InvokeWithResponseStream")

# The members of a response, and the headers that botocore has parsed them from.
_MEMBER_HEADERS: Final = (
    ("FunctionError", "x-amz-function-error"),
    ("ExecutedVersion", "x-amz-executed-version"),
    ("LogResult", "x-amz-log-result"),
    ("DurableExecutionArn", "x-amz-durable-execution-arn"),
)


def to_parameters(invocation: Invocation) -> dict[str, Any]:
    """Convert an invocation to boto3's parameters, of which each is a header that takes botocore long to send."""
    is_default = invocation.invocation_type is InvocationType.REQUEST_RESPONSE
    optional = {
        "InvocationType": None if is_default else invocation.invocation_type.value,
        "Qualifier": invocation.qualifier,
        "ClientContext": invocation.client_context,
        "TenantId": invocation.tenant_id,
        "DurableExecutionName": invocation.durable_name,
        "LogType": "Tail" if invocation.log_tail else None,
    }
    return {
        "FunctionName": invocation.function_name,
        "Payload": invocation.payload,
        **{name: str(value) for name, value in optional.items() if value is not None},
    }


def read_response(response: Mapping[str, Any], payload: bytes | None, *, over_network: bool) -> Outcome:
    """Read boto3's response to a request that succeeded.

    Args:
        response: boto3's response.
        payload: Its body; ``None`` for an event stream, whose last event marks its end.
        over_network: Whether it may have come over a connection, where it can be cut short or come from a proxy; else
            a stub of botocore's has made it.
    """
    status = response.get("StatusCode") or _metadata(response).get("HTTPStatusCode")
    status = status if isinstance(status, int) else 0
    headers = get_headers(response) if over_network else None
    # Headers that were cut short look like a few headers, and show by what follows: no length, no body, and no
    # "Connection: close", the only way in which a body without a length may end.
    closes = "close" in (headers or {}).get("connection", "").lower()
    cut = status == HTTPStatus.OK and payload == b"" and not _delimits_body(headers or {}) and not closes
    return read_invoke_response(
        status,
        {**(headers or {}), **_members_as_headers(response)},
        payload or b"",
        complete=headers is None or payload is None or _delimits_body(headers),
        from_lambda=bool(status) and (headers is None or cut or is_from_lambda(headers)),
    )


def read_client_error(response: Mapping[str, Any]) -> Outcome:
    """Read the response of a ``ClientError``, whose body botocore has parsed."""
    headers = get_headers(response)
    error = response.get("Error", {})
    code = error.get("Code")
    as_headers = {"x-amzn-errortype": code, "x-amzn-requestid": get_request_id(response)}
    members = {"message": error.get("Message"), "Reason": response.get("Reason")}
    return read_error(
        _metadata(response).get("HTTPStatusCode", 400),
        {**(headers or {}), **_without_none(as_headers)},
        _without_none(members),
        from_lambda=headers is None or is_from_lambda(headers) or not str(code or "0").isdigit(),
    )


def _members_as_headers(response: Mapping[str, Any]) -> dict[str, str]:
    """Return boto3's members as headers again: a stub of botocore's has no others, and a user's hook may set them."""
    members = {header: response.get(member) for member, header in _MEMBER_HEADERS}
    return _without_none({**members, "x-amzn-requestid": get_request_id(response)})


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _delimits_body(headers: Mapping[str, str]) -> bool:
    """Check whether a response states where its body ends; else the end of the connection does, for any reason."""
    return "content-length" in headers or headers.get("transfer-encoding", "").lower() == "chunked"


def get_progress(response: Mapping[str, Any]) -> Progress:
    """Return how far a request got whose response breaks off: to Lambda, if its headers are Lambda's."""
    headers = get_headers(response)
    return Progress.ANSWER_BEGUN if headers is None or is_from_lambda(headers) else Progress.PERHAPS_SENT


def get_request_id(response: Mapping[str, Any]) -> str | None:
    """Return the service's id of the request."""
    request_id: str | None = _metadata(response).get("RequestId")
    return request_id


def _metadata(response: Mapping[str, Any]) -> Mapping[str, Any]:
    return response.get("ResponseMetadata") or {}


def get_headers(response: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the headers, with names in lower case; ``None`` where there was no HTTP, as with botocore's stubber."""
    headers: Mapping[str, str] | None = _metadata(response).get("HTTPHeaders")
    return headers
