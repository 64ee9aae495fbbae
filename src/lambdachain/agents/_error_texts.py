"""What a language model reads about a failed call: what happened, and whether it may call the tool again.

A model repeats what looks like a failure. So each text begins with what is known about the function, and ends with what
to do: only where nothing ran may the call be repeated. No text has a payload, an address or the message of an error
that the contract does not declare: models show what they read to their users.
"""

from __future__ import annotations

from typing import Final

from lambdachain._contracts.remote_error import RemoteError
from lambdachain._core.errors import (
    AccessDeniedError,
    CallError,
    ErrorDetail,
    Execution,
    FunctionError,
    FunctionInitError,
    FunctionMisconfiguredError,
    FunctionNotFoundError,
    InvalidRequestError,
    RecursiveInvocationError,
    RequestRejectedError,
    RequestTooLargeError,
    ResponseError,
    ThrottledError,
    requested_wait,
)
from lambdachain._core.escaping import printable

_MAX_DETAILS: Final = 20
_MAX_TEXT: Final = 300

_NOTHING_DONE: Final = "The function did not run, and nothing was done"
_REPEAT: Final = "You may repeat the call with the same arguments"
_HOPELESS: Final = "Repeating the call does not help: tell the user that the tool is not available."
_DO_NOT_REPEAT: Final = "DO NOT call the tool again for this request"
_UNKNOWN: Final = (
    f"The outcome is unknown: the function may have run and done its work, but no response arrived. {_DO_NOT_REPEAT}: "
    "it could be carried out twice. Find out with another tool whether it was done, or tell the user that the outcome "
    "is unknown."
)
_FAILED: Final = (
    f"It may have done a part of its work. {_DO_NOT_REPEAT}, unless you know that nothing was done; tell the user that "
    "it failed."
)
# Their causes are permissions, deployments and configuration, which a repetition does not change.
_HOPELESS_ERRORS: Final = (
    AccessDeniedError,
    FunctionInitError,
    FunctionMisconfiguredError,
    FunctionNotFoundError,
    InvalidRequestError,
    RecursiveInvocationError,
)


def describe_error_for_model(error: CallError) -> str:
    r"""Describe a failed call to a language model: what happened, and whether it may call again.

    A declared error is its class and its fields. A request that does not fit the contract is described by locations,
    never by its values, so that the model can correct it. An unknown outcome asks the model not to repeat the call,
    also for an idempotent contract: another tool call is another call, with another idempotency key, and the client
    has already made the retries that are safe.

    >>> from lambdachain import ConnectionLostError, RemoteError, ThrottledError
    >>> class CardDeclined(RemoteError):
    ...     reason: str
    >>> describe_error_for_model(CardDeclined(reason="limit"))
    'The function reported an error: CardDeclined {"reason":"limit"}'
    >>> print(describe_error_for_model(ThrottledError(retry_after=2.0)).replace(". ", ".\n"))
    The function did not run, and nothing was done (ThrottledError).
    You may repeat the call with the same arguments, in 2 seconds.
    >>> print(describe_error_for_model(ConnectionLostError()).replace(". ", ".\n"))
    The outcome is unknown: the function may have run and done its work, but no response arrived.
    DO NOT call the tool again for this request: it could be carried out twice.
    Find out with another tool whether it was done, or tell the user that the outcome is unknown.
    """
    if isinstance(error, RemoteError):
        return f"The function reported an error: {type(error).__name__} {error}"
    if error.execution is Execution.UNKNOWN:
        return _UNKNOWN
    if is_correctable(error):
        return _describe_refusal(error)
    if error.execution is Execution.NOT_EXECUTED:
        return _describe_without_run(error)
    if isinstance(error, ResponseError):
        return f"The function ran, but its response cannot be used. Its work is done. {_DO_NOT_REPEAT}."
    return f"The function ran and failed ({_error_name(error)}). {_FAILED}"


def is_correctable(error: CallError) -> bool:
    """Check whether a call was refused because of its arguments, so that the model can correct them."""
    if error.execution is Execution.UNKNOWN:
        return False
    return bool(_get_details(error)) or isinstance(error, RequestTooLargeError)


def _get_details(error: CallError) -> tuple[ErrorDetail, ...]:
    return error.errors if isinstance(error, InvalidRequestError | RequestRejectedError) else ()


def _describe_refusal(error: CallError) -> str:
    if isinstance(error, RequestTooLargeError):
        return f"{_NOTHING_DONE}: the arguments are too large. Call the tool again with less."
    details = _get_details(error)
    lines = [_describe_detail(detail) for detail in details[:_MAX_DETAILS]]
    if len(details) > _MAX_DETAILS:
        lines.append(f"- and {len(details) - _MAX_DETAILS} more")
    return "\n".join([f"{_NOTHING_DONE}: the arguments do not fit. Correct them and call the tool again:", *lines])


def _describe_detail(detail: ErrorDetail) -> str:
    location = ".".join(map(str, detail["loc"])) or "(all arguments)"
    # Details of a RequestRejectedError are the callee's text.
    return f"- {printable(location, _MAX_TEXT)}: {printable(detail['msg'], _MAX_TEXT)}"


def _describe_without_run(error: CallError) -> str:
    happened = f"{_NOTHING_DONE} ({type(error).__name__})."
    if isinstance(error, _HOPELESS_ERRORS):
        return f"{happened} {_HOPELESS}"
    wait = requested_wait(error)
    if isinstance(error, ThrottledError) and wait is None:
        return f"{happened} {_REPEAT}, after a pause."
    return f"{happened} {_REPEAT}." if wait is None else f"{happened} {_REPEAT}, in {wait:g} seconds."


def _error_name(error: CallError) -> str:
    name = error.error_type if isinstance(error, FunctionError) else None
    return printable(name or type(error).__name__, _MAX_TEXT)
