"""The errors of lambdachain. This module is the one list of them: ``__all__``.

Every error of a call belongs to one of four families, by what is known about the function: ``NotInvokedError`` (it
did not run), ``OutcomeUnknownError`` (it may have run), ``FunctionError`` (it ran and failed) and ``ResponseError`` (it
ran, and its response cannot be used). ``docs/reference/errors.md`` shows the tree. Three errors are defined elsewhere:
``RemoteError``, the base of declared errors, ``OffloadError`` and ``NoAnswerError``.

To add an error, add its class here and its name to ``__all__``. ``lambdachain`` exports it, at run time and to type
checkers, and the tests of the docs, the exit statuses and ``Stub.raises`` fail until they cover it.

No message, repr or pickle holds a payload, a ClientContext or a credential.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, TypedDict, Unpack, cast

__all__ = [
    "AccessDeniedError",
    "CallError",
    "CallTimeoutError",
    "ConnectError",
    "ConnectionLostError",
    "ContractError",
    "CredentialsError",
    "DeadlineExceededError",
    "FunctionCrashedError",
    "FunctionError",
    "FunctionInitError",
    "FunctionMisconfiguredError",
    "FunctionNotFoundError",
    "FunctionNotReadyError",
    "FunctionTimeoutError",
    "InvalidArnError",
    "InvalidRequestError",
    "LambdaChainError",
    "NotInvokedError",
    "OutcomeUnknownError",
    "RecursiveInvocationError",
    "RequestRejectedError",
    "RequestTooLargeError",
    "ResponseError",
    "ResponseTooLargeError",
    "ServiceError",
    "ThrottledError",
]

_MAX_MESSAGE: Final = 4000
_MAX_NAME: Final = 300


class Execution(StrEnum):
    """Whether the function ran: the first question about a failed call."""

    NOT_EXECUTED = "not executed"
    UNKNOWN = "unknown"
    EXECUTED = "executed"


class Attempt(NamedTuple):
    """One request that was sent for a call, as it appears in the log and the results.

    Attributes:
        error: The class name of the error it ended with, or ``None`` for a success.
        status: The HTTP status of the response, or ``None`` without a response.
        request_id: Lambda's id of the request, or ``None`` without a response.
        elapsed: Seconds from sending the request to the end of the response.
    """

    error: str | None
    status: int | None
    request_id: str | None
    elapsed: float


class ErrorDetail(TypedDict):
    """One value that does not fit a contract: where, which rule, and a message; never the value itself.

    ``loc`` is the path to the value: field names and list positions; a mapping's keys are data and show as ``*``.
    ``type`` is pydantic's name of the rule (``"missing"``, ``"int_parsing"``), ``msg`` its message.
    """

    loc: tuple[str | int, ...]
    type: str
    msg: str


def describe_details(details: Sequence[ErrorDetail], *, shown: int = 5) -> str:
    """Format the first *shown* details on one line."""
    lines = [f"{'.'.join(map(str, detail['loc'])) or '(whole)'}: {detail['msg']}" for detail in details[:shown]]
    if len(details) > shown:
        lines.append(f"and {len(details) - shown} more")
    return "; ".join(lines)


class LambdaChainError(Exception):
    """Base of everything that lambdachain raises."""


class ContractError(LambdaChainError, TypeError):
    """A declaration is invalid: a contract, a handler or an error class that cannot work; raised at import."""


class InvalidArnError(LambdaChainError, ValueError):
    """A string is not a function name, ARN or qualifier that Lambda accepts; the message names the invalid part."""


class CallFacts(TypedDict, total=False):
    """The keyword arguments of every ``CallError``."""

    function: str
    request_id: str | None
    execution: Execution
    retryable: bool
    requested_wait: float | None


class FunctionErrorFacts(CallFacts, total=False):
    """The keyword arguments of every ``FunctionError``."""

    error_type: str | None
    error_message: str | None
    stack_trace: Sequence[str]
    log_tail: str | None


class CallError(LambdaChainError):
    """A call, a fire or a permission check failed.

    ``str()`` is one line of bounded length, without control characters; the attributes have the callee's strings
    unchanged.

    Attributes:
        function: The function as it was addressed; empty in an error that user code raises.
        request_id: Lambda's id of the (last) request, to search the logs for; ``None`` without a response.
        attempts: A record of each request that was sent.
        execution: Whether the function ran.
        retryable: Whether the call may be retried without running the function twice against its contract.
        elapsed: Seconds that the whole call took.
        received_bytes: Bytes of a streamed response that were received before it failed; 0 for a call.
    """

    _execution = Execution.UNKNOWN
    received_bytes: int = 0

    def __init__(self, message: str = "", **facts: Unpack[CallFacts]) -> None:
        super().__init__(message)
        self.function = facts.get("function", "")
        self.request_id = facts.get("request_id")
        self.attempts: tuple[Attempt, ...] = ()
        self.execution = facts.get("execution") or self._execution
        self.retryable = facts.get("retryable", False)
        self.elapsed = 0.0
        self._requested_wait = facts.get("requested_wait")

    def __str__(self) -> str:
        return format_error(self, str(self.args[0]) if self.args else "")


def format_error(error: CallError, message: str) -> str:
    """Format an error on one line: parts of the message are the callee's, and are escaped."""
    # Loaded here: a cold start that has no error needs no escaping.
    from .escaping import printable

    message = printable(message, _MAX_MESSAGE)
    if not error.function:
        return message
    facts = [str(error.execution)]
    if error.retryable:
        facts.append("safe to retry")
    if error.request_id:
        facts.append(f"request {printable(error.request_id, _MAX_NAME)}")
    return f"{printable(error.function, _MAX_NAME)}: {message} [{', '.join(facts)}]"


def requested_wait(error: CallError) -> float | None:
    """Return how many seconds the service asks to wait before a retry; ``None`` if it does not state a time."""
    return error.retry_after if isinstance(error, ThrottledError) else vars(error).get("_requested_wait")


class NotInvokedError(CallError):
    """The function did not run."""

    _execution = Execution.NOT_EXECUTED


class ThrottledError(NotInvokedError):
    """Lambda had no capacity for the call, or a quota was exceeded.

    Attributes:
        reason: Lambda's name of the limit, such as ``"ConcurrentInvocationLimitExceeded"``; ``None`` if it sent none.
        retry_after: Seconds that Lambda asks to wait; ``None`` if it does not state a time.
    """

    def __init__(
        self,
        message: str = "",
        *,
        reason: str | None = None,
        retry_after: float | None = None,
        **facts: Unpack[CallFacts],
    ) -> None:
        super().__init__(message, **facts)
        self.reason = reason
        self.retry_after = retry_after


class FunctionNotReadyError(NotInvokedError):
    """The function cannot run yet: pending, or its network interface, SnapStart or file-system mounts are not ready."""


class AccessDeniedError(NotInvokedError):
    """The caller may not invoke this function; ``lambda:InvokeFunction`` is missing on one side."""


class CredentialsError(AccessDeniedError):
    """The caller's credentials are missing, expired, or not accepted."""


class FunctionNotFoundError(NotInvokedError):
    """There is no such function, version or alias in that account and region."""


class FunctionMisconfiguredError(NotInvokedError):
    """The function cannot start because of its configuration (KMS, VPC, image, runtime): a retry does not help."""


class RequestTooLargeError(NotInvokedError):
    """The request exceeds a limit of Lambda: payload 6 MiB (``fire``: 1 MiB), ClientContext 3,583 bytes of base64."""


class InvalidRequestError(NotInvokedError):
    """The payload or an option does not fit the contract or Lambda's rules.

    Attributes:
        errors: What does not fit, if the contract found it; empty if Lambda did.
    """

    def __init__(
        self,
        message: str = "",
        *,
        errors: Sequence[ErrorDetail] = (),
        **facts: Unpack[CallFacts],
    ) -> None:
        super().__init__(message, **facts)
        self.errors = tuple(errors)


class RecursiveInvocationError(NotInvokedError):
    """Lambda's loop detection stopped the call: a function called itself through others."""


class DeadlineExceededError(NotInvokedError):
    """No time was left to send the call, or to retry it."""


class ConnectError(NotInvokedError):
    """The connection to Lambda failed: no region, name not resolved, connection refused, TLS not set up."""


class OutcomeUnknownError(CallError):
    """The function may have run: only an idempotent call may be retried automatically."""


class CallTimeoutError(OutcomeUnknownError):
    """The call timed out after it was sent."""


class ConnectionLostError(OutcomeUnknownError):
    """The connection was lost after the call was, or may have been, sent."""


class ServiceError(OutcomeUnknownError):
    """Lambda itself, or something between it and the caller, failed (500, 502, 503, 504)."""


class FunctionError(CallError):
    """The function ran and failed.

    Attributes:
        error_type: The callee's name of the error, such as ``"KeyError"``; ``None`` if it sent none.
        error_message: The callee's message, whole; ``None`` if it sent none.
        stack_trace: The callee's stack trace, one line or frame per item.
        log_tail: The end of the callee's log (at most 4 KB), if the call asked for it.
    """

    _execution = Execution.EXECUTED

    def __init__(self, message: str = "", **facts: Unpack[FunctionErrorFacts]) -> None:
        super().__init__(message, **cast("CallFacts", facts))
        self.error_type = facts.get("error_type")
        self.error_message = facts.get("error_message")
        self.stack_trace = tuple(facts.get("stack_trace", ()))
        self.log_tail = facts.get("log_tail")


class FunctionTimeoutError(FunctionError):
    """The function exceeded its own timeout, and Lambda stopped it."""


class FunctionCrashedError(FunctionError):
    """The function's process ended before it responded: it exited, received a signal or ran out of memory."""


class ResponseTooLargeError(FunctionError):
    """The function ran, and its response is larger than Lambda returns (6 MiB)."""


class FunctionInitError(FunctionError):
    """The function's module failed before the handler ran: an import, a syntax error, a wrong handler setting."""

    _execution = Execution.NOT_EXECUTED


class RequestRejectedError(FunctionError):
    """The callee's contract rejected the request.

    Attributes:
        errors: What did not fit: ``loc``, ``type`` and ``msg`` of each problem, never the input.
    """

    def __init__(
        self,
        message: str = "",
        *,
        errors: Sequence[ErrorDetail] = (),
        **facts: Unpack[FunctionErrorFacts],
    ) -> None:
        super().__init__(message, **facts)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        # Raised in a callee, str() is what the runtime sends: JSON, from which the caller reads the details.
        return super().__str__() if self.function else json.dumps({"errors": self.errors})

    @staticmethod
    def details_from_wire(text: str) -> list[ErrorDetail] | None:
        """Parse the details from an ``errorMessage``; ``None`` if it has another form."""
        try:
            return [
                ErrorDetail(loc=_steps(error["loc"]), type=str(error["type"]), msg=str(error["msg"]))
                for error in json.loads(text)["errors"]
            ]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None


def _steps(loc: Sequence[object]) -> tuple[str | int, ...]:
    return tuple(step if isinstance(step, str | int) else str(step) for step in loc)


class ResponseError(CallError):
    """The function ran, and its response does not fit the contract or is incomplete.

    If the response does not come from Lambda, ``execution`` is ``UNKNOWN``.

    Attributes:
        errors: What does not fit, if the response could be parsed.
    """

    _execution = Execution.EXECUTED

    def __init__(
        self,
        message: str = "",
        *,
        errors: Sequence[ErrorDetail] = (),
        **facts: Unpack[CallFacts],
    ) -> None:
        super().__init__(message, **facts)
        self.errors = tuple(errors)


# Tracebacks, help() and pickles then show each public name where users import it from; a pickle outlives a move.
for _public in (*__all__, "Attempt", "ErrorDetail", "Execution"):
    globals()[_public].__module__ = "lambdachain"
