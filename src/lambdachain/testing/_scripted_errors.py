"""Which of Lambda's answers an error comes of: what ``Stub.raises`` lets a function, or Lambda before it, do."""

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
from lambdachain._lambda_api import responses as answers
from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._lambda_api.responses import Answer, RefusedError, refusal
from lambdachain._transports.transport_override import StubError

from ._received_requests import Received
from ._runtime import report_of
from ._scripted_responses import Reply, denying, ended, failed, throttling, timing_out

_DEFAULT_TIMEOUT: Final = 3.0


def failing(contract: Contract[Any, Any], error: Any) -> tuple[Reply, bool]:
    """Fail as *error* says, and tell whether it is the function that does: Lambda itself also refuses an event.

    An error of the client's comes about by the answer, or the lack of one, that it stands for. Any other is raised by
    the function.

    Raises:
        ContractError: It is no exception, or one that nothing Lambda does amounts to.
        StubError: It is a domain error that the contract does not declare.
    """
    made: Any = error() if isinstance(error, type) else error
    if not isinstance(made, Exception):
        raise ContractError(f"raises() takes exceptions, not {error!r}")
    if type(made) in _FAILURES:
        return _FAILURES[type(made)](made), False
    if isinstance(made, RemoteError):
        _check_declared(contract, type(made))
    elif isinstance(made, CallError) and type(made) not in _REPORTS:
        raise ContractError(f"nothing that Lambda does amounts to a {type(made).__name__}: name one that it does")
    return _function_failing(made), True


def _check_declared(contract: Contract[Any, Any], error: type[RemoteError]) -> None:
    """Refuse what a contract's callers would not know; a plain name's callers know nothing in any case."""
    if error not in contract.errors and contract.request is not Any:
        raise StubError(
            f"{contract!r} does not declare {error.__name__}, so callers would get a plain FunctionError: "
            f"declare it, errors=[{error.__name__}]"
        )


def _function_failing(error: Exception) -> Reply:
    report = _REPORTS.get(type(error), report_of)
    return lambda received, _: failed(received, report(error, received.delivery.request_id))


def _throttled(error: Any) -> Reply:
    return throttling(error.reason, None if error.retry_after is None else round(error.retry_after))


def _refused(status: int, code: str, message: str, **members: str) -> Callable[[Exception], Reply]:
    """Refuse as Lambda does, in the error's own words if it has any."""

    def made(error: Exception) -> Reply:
        return _raising(lambda _: refusal(status, code, message=_words(error) or message, **members))

    return made


def _always(reply: Reply) -> Callable[[Exception], Reply]:
    return lambda _error: reply


def _raising(refuse: Callable[[Received], Exception]) -> Reply:
    def reply(received: Received, _request: Any) -> Answer:
        raise refuse(received)

    return reply


def _no_answer(words: str, progress: Progress) -> Callable[[Exception], Reply]:
    return _always(_raising(lambda _: NoAnswerError(words, progress=progress)))


def _too_large(received: Received) -> RefusedError:
    if received.kind is InvocationType.EVENT:
        return answers.event_too_large(len(received.delivery.payload))
    return answers.request_too_large()


def _not_found(received: Received) -> RefusedError:
    called = parse_target(received.arn)
    return answers.function_not_found(str(received.place.arn(called.name, called.qualifier or LATEST)))


_FAILURES: Final[dict[type[Exception], Callable[[Exception], Reply]]] = {
    ThrottledError: _throttled,
    FunctionNotReadyError: _refused(
        409, "ResourceConflictException", "The function is currently in the following state: Pending", Type="User"
    ),
    AccessDeniedError: _always(denying),
    CredentialsError: _refused(403, "UnrecognizedClientException", "The security token in the request is invalid."),
    FunctionNotFoundError: _always(_raising(_not_found)),
    FunctionMisconfiguredError: _refused(
        502, "KMSDisabledException", "Lambda couldn't decrypt the environment: the KMS key is disabled.", Type="User"
    ),
    RequestTooLargeError: _always(_raising(_too_large)),
    InvalidRequestError: _refused(400, "InvalidParameterValueException", "A parameter is invalid.", Type="User"),
    RecursiveInvocationError: _always(_raising(lambda received: answers.looped(received.arn))),
    ConnectError: _no_answer("no connection came about", Progress.NOTHING_SENT),
    CallTimeoutError: _always(timing_out),
    ConnectionLostError: _no_answer("the connection broke", Progress.PERHAPS_SENT),
    ServiceError: _refused(
        500, "ServiceException", "The Lambda service encountered an internal error.", Type="Service"
    ),
    ResponseError: _always(lambda received, _: ended(received, b"")),
}


def _words(error: Any) -> str:
    return str(error.args[0]) if error.args else ""


def _report(error_type: str, message: str, request_id: str, stack: Sequence[str] = ()) -> bytes:
    members = {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": [*stack]}
    return json.dumps(members).encode()


def _as_it_reported(error: Any, request_id: str) -> bytes:
    words = error.error_message or _words(error)
    return _report(error.error_type or "Exception", words, request_id, error.stack_trace)


def _as_it_rejected(error: Any, request_id: str) -> bytes:
    rejected = RequestRejectedError(errors=error.errors)  # one that was caught elsewhere reads otherwise
    return _report(RequestRejectedError.__name__, str(rejected), request_id)


_REPORTS: Final[dict[type[Exception], Callable[[Any, str], bytes]]] = {
    FunctionError: _as_it_reported,
    FunctionTimeoutError: lambda _, request_id: answers.timed_out(request_id, _DEFAULT_TIMEOUT),
    FunctionCrashedError: lambda _, request_id: answers.exited(request_id, 1),
    ResponseTooLargeError: lambda _, _request_id: answers.response_too_large(),
    # Python's runtime client sends an empty id with what happens before the first invocation.
    FunctionInitError: lambda error, _: _report(
        "Runtime.ImportModuleError", _words(error) or "Unable to import module 'app': No module named 'app'", ""
    ),
    RequestRejectedError: _as_it_rejected,
}
