"""Every response of the Invoke API that is not the function's own: pure functions from facts to status, body, headers.

*Recorded* responses are AWS's own, from the validated snapshots of the archived LocalStack repository (2023 to 2026);
*published* ones were quoted in public issues; *assumed* ones follow the form of similar ones.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from .limits import MAX_CLIENT_CONTEXT, MAX_EVENT_REQUEST, MAX_HEADERS, MAX_REQUEST, MAX_RESPONSE

_SOURCE: Final = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response of the Invoke API, without the headers that every response has."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class ApiError(Exception):
    """The request is rejected with *response*; no function runs."""

    def __init__(self, response: ApiResponse) -> None:
        super().__init__(response.headers["x-amzn-ErrorType"])
        self.response = response


def api_error(status: int, error_type: str, **members: str) -> ApiError:
    """Build an error of the API: its class in a header, its members as the body."""
    return ApiError(ApiResponse(status, _json(members), {"x-amzn-ErrorType": error_type}))


def function_not_found(arn: str) -> ApiError:
    """No such function, version or alias (recorded 2025).

    Args:
        arn: It ends with the qualifier of the request; without one, Invoke adds ``:$LATEST``, and GetFunction does not.
    """
    return api_error(404, "ResourceNotFoundException", Type="User", Message=f"Function not found: {arn}")


def region_not_reachable(wanted: str, region: str) -> ApiError:
    """The ARN is in another region (recorded)."""
    message = f"Functions from '{wanted}' are not reachable in this region ('{region}')"
    return api_error(404, "ResourceNotFoundException", Type="User", Message=message)


def account_not_allowed(account_id: str, arn: str, action: str) -> ApiError:
    """The ARN is in another account, and no policy allows access (published)."""
    message = (
        f"User: arn:aws:iam::{account_id}:root is not authorized to perform: lambda:{action} on resource: {arn} "
        f"because no resource-based policy allows the lambda:{action} action"
    )
    return api_error(403, "AccessDeniedException", Message=message)


class Violation(NamedTuple):
    """A parameter that the service model does not allow; *constraint* is the sentence with the reason."""

    value: str
    member: str
    constraint: str


def constraints_violated(violations: Sequence[Violation]) -> ApiError:
    """Parameters violate the service model: all of them in one message (recorded, except their order)."""
    errors = "1 validation error" if len(violations) == 1 else f"{len(violations)} validation errors"
    found = "; ".join(
        f"Value '{v.value}' at '{v.member}' failed to satisfy constraint: {v.constraint}" for v in violations
    )
    return api_error(400, "ValidationException", message=f"{errors} detected: {found}")


def parameter_invalid(message: str) -> ApiError:
    """Parameters do not fit each other or the function (recorded for other operations)."""
    return api_error(400, "InvalidParameterValueException", Type="User", message=message)


def tenant_missing() -> ApiError:
    """The function isolates tenants, and the call names none (published)."""
    return parameter_invalid(
        "The invoked function is enabled with tenancy configuration. "
        "Add a valid tenant ID in your request and try again."
    )


def tenant_not_wanted() -> ApiError:
    """The function does not isolate tenants, and the call names one (documented; message assumed)."""
    return parameter_invalid(
        "The invoked function is not enabled with tenancy configuration. "
        "Remove the tenant ID from your request and try again."
    )


def body_not_json(reason: str, line: int, column: int) -> ApiError:
    """The payload is not JSON: the form is recorded, the reasons come from another parser than AWS's."""
    where = f"[Source: {_SOURCE}; line: {line}, column: {column}]"
    message = f"Could not parse request body into json: Could not parse payload into json: {reason}\n at {where}"
    return api_error(400, "InvalidRequestContentException", Type="User", message=message)


def client_context_too_large() -> ApiError:
    """The ClientContext header is over its limit (assumed)."""
    message = f"Client context must be no more than {MAX_CLIENT_CONTEXT} bytes when base64-encoded."
    return api_error(400, "InvalidRequestContentException", Type="User", message=message)


def client_context_not_base64() -> ApiError:
    """The ClientContext header cannot be decoded (assumed)."""
    message = "Client context must be a valid Base64-encoded JSON object."
    return api_error(400, "InvalidRequestContentException", Type="User", message=message)


def request_too_large() -> ApiError:
    """A synchronous payload is over 6 MB (published)."""
    message = f"Request must be smaller than {MAX_REQUEST} bytes for the InvokeFunction operation"
    return api_error(413, "RequestEntityTooLargeException", Type="User", message=message)


def head_too_large(size: int) -> ApiError:
    """The request line and the headers exceed Lambda's limit (with another message on AWS)."""
    message = f"{size} byte request line and headers exceeded the {MAX_HEADERS} byte limit"
    return api_error(413, "RequestEntityTooLargeException", Type="User", message=message)


def event_too_large(size: int) -> ApiError:
    """The payload of an event is over 1 MB (published)."""
    message = f"{size} byte payload is too large for the Event invocation type (limit {MAX_EVENT_REQUEST} bytes)"
    return api_error(413, "RequestEntityTooLargeException", Type="User", message=message)


def throttled(
    reason: str = "ReservedFunctionConcurrentInvocationLimitExceeded", retry_after: int | None = None
) -> ApiError:
    """Lambda has no capacity: by default, the function's reserved concurrency is in use (recorded).

    Args:
        reason: Lambda's name of the limit.
        retry_after: Seconds to wait, in the header that the service model has for it.
    """
    error = api_error(429, "TooManyRequestsException", Reason=reason, Type="User", message="Rate Exceeded.")
    if retry_after is None:
        return error
    return ApiError(replace(error.response, headers={**error.response.headers, "Retry-After": str(retry_after)}))


def looped(arn: str) -> ApiError:
    """Lambda's loop detection stopped a chain of functions that call each other (assumed)."""
    message = f"Lambda detected that {arn} was invoked in a recursive loop, and stopped the invocation."
    return api_error(400, "RecursiveInvocationException", Type="User", Message=message)


def denied(arn: str, account_id: str) -> ApiError:
    """The caller's policy does not allow it (recorded)."""
    message = (
        f"User: arn:aws:sts::{account_id}:assumed-role/caller/caller is not authorized to perform: "
        f"lambda:InvokeFunction on resource: {arn} because no identity-based policy allows the "
        "lambda:InvokeFunction action"
    )
    return api_error(403, "AccessDeniedException", Message=message)


def request_rejected(reason: str) -> ApiError:
    """The request comes from a web page, or is for another host; not a response of Lambda, which has no such check."""
    message = (
        f"The request was rejected: {reason}. The endpoint accepts requests from programs, and from pages served by "
        "this machine. To allow a host name, use 'lambdachain serve --allow-host NAME' or "
        "LocalEndpoint(allowed_hosts=...)."
    )
    return api_error(403, "AccessDeniedException", Message=message)


def unknown_operation(method: str, path: str) -> ApiError:
    """The endpoint does not serve this operation (with another message on AWS: this one lists what is served)."""
    message = (
        f"unknown operation {method} {path}: only Invoke, InvokeWithResponseStream, GetFunction, "
        "GetFunctionConfiguration and ListFunctions are served"
    )
    return api_error(404, "UnknownOperationException", message=message)


def sandbox_not_started(reason: str) -> ApiError:
    """This machine could not start a process for the function."""
    message = f"the function's process could not be started: {reason}"
    return api_error(500, "ServiceException", Type="Service", Message=message)


def event_not_queued() -> ApiError:
    """Lambda could not queue an event: the function will not run (documented; words assumed)."""
    message = "Lambda was unable to queue the event: an internal error occurred. The function was not invoked."
    return api_error(500, "ServiceException", Type="Service", Message=message)


def timed_out(request_id: str, timeout: float) -> bytes:
    """Build the function error of an invocation that timed out (recorded 2025)."""
    return _platform_error("Sandbox.Timedout", f"RequestId: {request_id} Error: {timeout_text(timeout)}")


def timeout_text(timeout: float) -> str:
    """Format the timeout of *timeout* seconds as in the response and the log."""
    return f"Task timed out after {timeout:.2f} seconds"


def exited(request_id: str, returncode: int) -> bytes:
    """Build the function error of a process that ended before it responded (recorded for exit codes 0 and 127)."""
    return _platform_error("Runtime.ExitError", f"RequestId: {request_id} Error: {exit_text(returncode)}")


def exit_text(returncode: int) -> str:
    """Describe how a process ended: *returncode* is its exit status, or negative for a signal."""
    if returncode == 0:
        return "Runtime exited without providing a reason"
    if returncode > 0:
        return f"Runtime exited with error: exit status {returncode}"
    return f"Runtime exited with error: signal: {(signal.strsignal(-returncode) or str(-returncode)).lower()}"


def response_too_large() -> bytes:
    """Build the function error of a response over 6 MB and 100 bytes (recorded)."""
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
    return _json({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"})


def _platform_error(error_type: str, message: str) -> bytes:
    return _json({"errorType": error_type, "errorMessage": message})


def _json(members: Mapping[str, str]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()
