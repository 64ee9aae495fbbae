"""Scripted errors: the response of Lambda, or of a function, that makes a client raise the error of ``Stub.raises``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from lambdachain._contracts.contract import Contract
from lambdachain._contracts.remote_error import RemoteError
from lambdachain._core.arn import parse_target
from lambdachain._core.errors import (
    AccessDeniedError,
    CallError,
    CallTimeoutError,
    ConnectError,
    ConnectionLostError,
    ContractError,
    CredentialsError,
    FunctionCrashedError,
    FunctionError,
    FunctionInitError,
    FunctionMisconfiguredError,
    FunctionNotFoundError,
    FunctionNotReadyError,
    FunctionTimeoutError,
    InvalidRequestError,
    RecursiveInvocationError,
    RequestRejectedError,
    RequestTooLargeError,
    ResponseError,
    ResponseTooLargeError,
    ServiceError,
    ThrottledError,
)
from lambdachain._core.invocation import InvocationType, NoAnswerError, Progress
from lambdachain._lambda_api import responses
from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._lambda_api.responses import ApiError, ApiResponse, api_error
from lambdachain._transports.transport_override import StubError

from ._received_requests import ReceivedRequest
from ._runtime import to_report
from ._scripted_responses import (
    Reply,
    function_error,
    function_response,
    reply_denied,
    reply_throttled,
    reply_timed_out,
)

_DEFAULT_TIMEOUT: Final = 3.0


def reply_with_error(contract: Contract[Any, Any], error: Any) -> tuple[Reply, bool]:
    """Return the reply that makes a client raise *error*, and whether it is the function that fails.

    For an error of the client, the reply is the response that the client raises it for, or no response; Lambda sends
    such responses to events, too. Any other exception is raised by the function.

    Raises:
        ContractError: *error* is not an exception, or Lambda never causes it.
        StubError: The contract does not declare a domain error.
    """
    instance: Any = error() if isinstance(error, type) else error
    if not isinstance(instance, Exception):
        raise ContractError(f"raises() takes exceptions, not {error!r}")
    # By exact type: a subclass of an error would reach the caller as its base class.
    if type(instance) in _REPLIES:
        return _REPLIES[type(instance)](instance), False
    if isinstance(instance, RemoteError):
        _raise_if_undeclared(contract, type(instance))
    elif isinstance(instance, CallError) and type(instance) not in _REPORTS:
        raise ContractError(f"raises() cannot simulate {type(instance).__name__}: Lambda never produces it")
    return _reply_with_function_error(instance), True


def _raise_if_undeclared(contract: Contract[Any, Any], error: type[RemoteError]) -> None:
    """Raise for a domain error that callers could not decode; a plain name has no contract to declare it."""
    if error not in contract.errors and contract.request is not Any:
        raise StubError(
            f"{contract!r} does not declare {error.__name__}, so callers would get a plain FunctionError: "
            f"add errors=[{error.__name__}] to the contract"
        )


def _reply_with_function_error(error: Exception) -> Reply:
    # Errors that Lambda reports for a function have reports of their own; any other is what the handler raised.
    report = _REPORTS.get(type(error), to_report)
    return lambda received, _: function_error(received, report(error, received.delivery.request_id))


def _to_throttle(error: Any) -> Reply:
    return reply_throttled(error.reason, None if error.retry_after is None else round(error.retry_after))


def _reject_with(status: int, code: str, message: str, **members: str) -> Callable[[Exception], Reply]:
    """Reject as Lambda does, with the message of the error if it has one."""

    def to_reply(error: Exception) -> Reply:
        return _reply_raising(lambda _: api_error(status, code, message=_message_from(error) or message, **members))

    return to_reply


def _always(reply: Reply) -> Callable[[Exception], Reply]:
    return lambda _error: reply


def _reply_raising(refuse: Callable[[ReceivedRequest], Exception]) -> Reply:
    def reply(received: ReceivedRequest, _request: Any) -> ApiResponse:
        raise refuse(received)

    return reply


def _lose_response(message: str, progress: Progress) -> Callable[[Exception], Reply]:
    return _always(_reply_raising(lambda _: NoAnswerError(message, progress=progress)))


def _too_large(received: ReceivedRequest) -> ApiError:
    if received.invocation_type is InvocationType.EVENT:
        return responses.event_too_large(len(received.delivery.payload))
    return responses.request_too_large()


def _not_found(received: ReceivedRequest) -> ApiError:
    called = parse_target(received.arn)
    return responses.function_not_found(str(received.location.arn(called.name, called.qualifier or LATEST)))


_REPLIES: Final[dict[type[Exception], Callable[[Exception], Reply]]] = {
    ThrottledError: _to_throttle,
    FunctionNotReadyError: _reject_with(
        409, "ResourceConflictException", "The function is currently in the following state: Pending", Type="User"
    ),
    AccessDeniedError: _always(reply_denied),
    CredentialsError: _reject_with(403, "UnrecognizedClientException", "The security token in the request is invalid."),
    FunctionNotFoundError: _always(_reply_raising(_not_found)),
    FunctionMisconfiguredError: _reject_with(
        502, "KMSDisabledException", "Lambda couldn't decrypt the environment: the KMS key is disabled.", Type="User"
    ),
    RequestTooLargeError: _always(_reply_raising(_too_large)),
    InvalidRequestError: _reject_with(400, "InvalidParameterValueException", "A parameter is invalid.", Type="User"),
    RecursiveInvocationError: _always(_reply_raising(lambda received: responses.looped(received.arn))),
    ConnectError: _lose_response("connection failed", Progress.NOTHING_SENT),
    CallTimeoutError: _always(reply_timed_out),
    ConnectionLostError: _lose_response("connection lost", Progress.PERHAPS_SENT),
    ServiceError: _reject_with(
        500, "ServiceException", "The Lambda service encountered an internal error.", Type="Service"
    ),
    ResponseError: _always(lambda received, _: function_response(received, b"")),
}


def _message_from(error: Any) -> str:
    message: object = error.args[0] if error.args else ""
    return message if isinstance(message, str) else ""  # the args of a declared error are its fields


def _report(error_type: str, message: str, request_id: str, stack: Sequence[str] = ()) -> bytes:
    members = {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": [*stack]}
    return json.dumps(members).encode()


def _to_function_report(error: Any, request_id: str) -> bytes:
    words = error.error_message or _message_from(error)
    return _report(error.error_type or "Exception", words, request_id, error.stack_trace)


def _to_rejection_report(error: Any, request_id: str) -> bytes:
    rejected = RequestRejectedError(
        errors=error.errors
    )  # an error that a client raised has another message than the callee's
    return _report(RequestRejectedError.__name__, str(rejected), request_id)


_REPORTS: Final[dict[type[Exception], Callable[[Any, str], bytes]]] = {
    FunctionError: _to_function_report,
    FunctionTimeoutError: lambda _, request_id: responses.timed_out(request_id, _DEFAULT_TIMEOUT),
    FunctionCrashedError: lambda _, request_id: responses.exited(request_id, 1),
    ResponseTooLargeError: lambda _, _request_id: responses.response_too_large(),
    # Python's runtime client sends an empty id with what happens before the first invocation.
    FunctionInitError: lambda error, _: _report(
        "Runtime.ImportModuleError", _message_from(error) or "Unable to import module 'app': No module named 'app'", ""
    ),
    RequestRejectedError: _to_rejection_report,
}
