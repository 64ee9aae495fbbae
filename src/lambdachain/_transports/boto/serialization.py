"""An invocation as the parameters of boto3's methods, and what boto3 gives back as an ``Outcome``."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from lambdachain._core.invocation import Invocation, Outcome, Progress
from lambdachain._transports.socket_options import has_end, is_from_lambda, retry_after

OPERATIONS: Final = ("Invoke", "InvokeWithResponseStream")


def parameters(invocation: Invocation) -> dict[str, Any]:
    """Write an invocation as boto3 takes it."""
    optional = {
        "Qualifier": invocation.qualifier,
        "ClientContext": invocation.client_context,
        "TenantId": invocation.tenant_id,
        "DurableExecutionName": invocation.durable_name,
        "LogType": "Tail" if invocation.log_tail else None,
    }
    return {
        "FunctionName": invocation.function_name,
        "InvocationType": invocation.invocation_type.value,
        "Payload": invocation.payload,
        **{name: str(value) for name, value in optional.items() if value is not None},
    }


def answered(response: Mapping[str, Any], payload: bytes | None, *, carried: bool) -> Outcome:
    """Read a success.

    Args:
        response: What boto3 gives.
        payload: Its body; ``None`` for an event stream, whose last event says that it is whole.
        carried: Whether it may have come over a connection, on which others can cut it or answer in Lambda's place.
    """
    status = response.get("StatusCode") or _metadata(response).get("HTTPStatusCode")
    status = status if isinstance(status, int) else 0
    headers = headers_of(response) if carried else None
    # Headers that break off look like few of them, and are told by their end: then neither length nor body follows, and
    # nothing says that the connection is all that ends the body.
    closes = "close" in (headers or {}).get("connection", "").lower()
    cut = status == HTTPStatus.OK and payload == b"" and not has_end(headers or {}) and not closes
    return Outcome(
        status=status,
        payload=payload or b"",
        function_error=response.get("FunctionError"),
        executed_version=response.get("ExecutedVersion"),
        log_result=response.get("LogResult"),
        durable_execution_arn=response.get("DurableExecutionArn"),
        request_id=request_id(response),
        complete=headers is None or payload is None or has_end(headers),
        from_lambda=bool(status) and (headers is None or cut or is_from_lambda(headers)),
    )


def refused(response: Mapping[str, Any]) -> Outcome:
    """Read the response of a ``ClientError``."""
    metadata = _metadata(response)
    headers = headers_of(response)
    error = response.get("Error", {})
    return Outcome(
        status=metadata.get("HTTPStatusCode", 400),
        request_id=metadata.get("RequestId"),
        error_code=error.get("Code"),
        error_message=error.get("Message"),
        error_reason=response.get("Reason"),
        retry_after=retry_after(headers or {}),
        from_lambda=headers is None or is_from_lambda(headers) or not str(error.get("Code") or "0").isdigit(),
    )


def begun(response: Mapping[str, Any]) -> Progress:
    """Return how far a request got whose answer breaks off: to Lambda, if its headers are Lambda's."""
    headers = headers_of(response)
    return Progress.ANSWER_BEGUN if headers is None or is_from_lambda(headers) else Progress.PERHAPS_SENT


def request_id(response: Mapping[str, Any]) -> str | None:
    """Return the service's id of a request."""
    found: str | None = _metadata(response).get("RequestId")
    return found


def _metadata(response: Mapping[str, Any]) -> Mapping[str, Any]:
    return response.get("ResponseMetadata") or {}


def headers_of(response: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the headers, with names in lower case; ``None`` where no HTTP was spoken, as with botocore's stubber."""
    found: Mapping[str, str] | None = _metadata(response).get("HTTPHeaders")
    return found
