"""The tree of errors: what went wrong with a call, whether the function ran, and whether calling again is safe.

::

    LambdaChainError
    ├── CallError                         a call, fire or can_invoke did not succeed
    │   ├── NotInvokedError               the function did not run
    │   │   ├── ThrottledError
    │   │   ├── FunctionNotReadyError
    │   │   ├── AccessDeniedError
    │   │   │   └── CredentialsError
    │   │   ├── FunctionNotFoundError
    │   │   ├── FunctionMisconfiguredError
    │   │   ├── RequestTooLargeError
    │   │   ├── InvalidRequestError
    │   │   ├── RecursiveInvocationError
    │   │   ├── DeadlineExceededError
    │   │   └── ConnectError
    │   ├── OutcomeUnknownError           it may have run
    │   │   ├── CallTimeoutError
    │   │   ├── ConnectionLostError
    │   │   └── ServiceError
    │   ├── FunctionError                 it ran and failed
    │   │   ├── FunctionTimeoutError
    │   │   ├── FunctionCrashedError
    │   │   ├── ResponseTooLargeError
    │   │   ├── FunctionInitError
    │   │   ├── RequestRejectedError
    │   │   └── RemoteError               and every declared domain error (module _remote_error)
    │   └── ResponseError                 it ran, and its answer cannot be used
    ├── ContractError(TypeError)          a wrong declaration
    └── InvalidArnError(ValueError)

No message, repr or pickle holds a payload, a ClientContext or a credential.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, TypedDict, Unpack, cast

_MAX_MESSAGE: Final = 4000
_MAX_NAME: Final = 300


class Execution(StrEnum):
    """Whether the function ran: the first question to ask of a failed call."""

    NOT_EXECUTED = "not executed"
    UNKNOWN = "unknown"
    EXECUTED = "executed"


class Attempt(NamedTuple):
    """One request that was sent for a call, as the log and the results tell it.

    Attributes:
        error: The class name of the error it ended with, or ``None`` for a success.
        status: The HTTP status of the answer, or ``None`` where none came.
        request_id: Lambda's id of the request, or ``None`` where none came.
        elapsed: Seconds from sending to the end of the answer.
    """

    error: str | None
    status: int | None
    request_id: str | None
    elapsed: float


class ErrorDetail(TypedDict):
    """One thing that does not fit a contract: where, which rule, and in words; never the value itself.

    ``loc`` is the way to the value: field names and list positions; a mapping's keys are data and show as ``*``.
    ``type`` is pydantic's name of the rule (``"missing"``, ``"int_parsing"``), ``msg`` says it in words.
    """

    loc: tuple[str | int, ...]
    type: str
    msg: str


def describe_details(details: Sequence[ErrorDetail], *, shown: int = 5) -> str:
    """Put the first *shown* details into one line."""
    lines = [f"{'.'.join(map(str, detail['loc'])) or '(whole)'}: {detail['msg']}" for detail in details[:shown]]
    if len(details) > shown:
        lines.append(f"and {len(details) - shown} more")
    return "; ".join(lines)


class LambdaChainError(Exception):
    """Base of everything that lambdachain raises."""


class ContractError(LambdaChainError, TypeError):
    """A declaration is wrong: a contract, a handler or an error that cannot work; found at import."""


class InvalidArnError(LambdaChainError, ValueError):
    """A text is no function name, ARN or qualifier that Lambda accepts; the message says which part is wrong."""


class CallFacts(TypedDict, total=False):
    """What every ``CallError`` may be told when it is made."""

    function: str
    request_id: str | None
    execution: Execution
    retryable: bool
    asked_wait: float | None


class FunctionErrorFacts(CallFacts, total=False):
    """What every ``FunctionError`` may be told when it is made."""

    error_type: str | None
    error_message: str | None
    stack_trace: Sequence[str]
    log_tail: str | None


class CallError(LambdaChainError):
    """A call, a fire or a permission check did not succeed.

    Its text is one line without control characters and of bounded length, whatever a callee says; its attributes have
    what the callee said as it was.

    Attributes:
        function: The function as it was addressed; empty in an error that was raised by hand.
        request_id: Lambda's id of the (last) request, to search the logs for; ``None`` where no answer came.
        attempts: A record of each request that was sent.
        execution: Whether the function ran.
        retryable: Whether the same call may be sent again without running the function twice against its contract.
        elapsed: Seconds that the whole call took.
        received_bytes: Bytes of the answer that a stream had given before it failed; 0 of a call.
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
        self._asked_wait = facts.get("asked_wait")

    def __str__(self) -> str:
        return described(self, str(self.args[0]) if self.args else "")


def described(error: CallError, message: str) -> str:
    """Write an error in one line: parts of it are the callee's, and end no line and command no terminal."""
    from .text import printable

    message = printable(message, _MAX_MESSAGE)
    if not error.function:
        return message
    facts = [str(error.execution)]
    if error.retryable:
        facts.append("safe to retry")
    if error.request_id:
        facts.append(f"request {printable(error.request_id, _MAX_NAME)}")
    return f"{printable(error.function, _MAX_NAME)}: {message} [{', '.join(facts)}]"


def wait_asked_for(error: CallError) -> float | None:
    """Return how many seconds the service asks to wait before the call is sent again; ``None`` if it did not say."""
    return error.retry_after if isinstance(error, ThrottledError) else vars(error).get("_asked_wait")


class NotInvokedError(CallError):
    """The function did not run."""

    _execution = Execution.NOT_EXECUTED


class ThrottledError(NotInvokedError):
    """Lambda had no capacity for the call, or a quota forbids it.

    Attributes:
        reason: Lambda's word for the limit, such as ``"ConcurrentInvocationLimitExceeded"``; ``None`` if it gave none.
        retry_after: Seconds that Lambda asks to wait; ``None`` if it did not say.
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
    """The function cannot run just now: pending, network interface, SnapStart or file-system mounts not ready."""


class AccessDeniedError(NotInvokedError):
    """The caller may not invoke this function; ``lambda:InvokeFunction`` is missing on one side."""


class CredentialsError(AccessDeniedError):
    """The caller's credentials are missing, expired, or not accepted."""


class FunctionNotFoundError(NotInvokedError):
    """There is no such function, version or alias in that account and region."""


class FunctionMisconfiguredError(NotInvokedError):
    """The function cannot start as it is set up (KMS, VPC, image, runtime): no retry mends it."""


class RequestTooLargeError(NotInvokedError):
    """The request is larger than Lambda takes: payload 6 MiB (``fire``: 1 MiB), ClientContext 3,583 bytes of base64."""


class InvalidRequestError(NotInvokedError):
    """The payload or an option does not fit the contract or Lambda's rules.

    Attributes:
        errors: What does not fit, where the contract found it; empty where Lambda did.
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
    """No time was left to send the call, or to send it again."""


class ConnectError(NotInvokedError):
    """No connection to Lambda came about: no region, name not resolved, refused, TLS not set up."""


class OutcomeUnknownError(CallError):
    """The function may have run: only an idempotent one may be called again unasked."""


class CallTimeoutError(OutcomeUnknownError):
    """The time for the call passed after it was sent."""


class ConnectionLostError(OutcomeUnknownError):
    """The connection broke after the call was, or may have been, sent."""


class ServiceError(OutcomeUnknownError):
    """Lambda itself, or something before it, failed (500, 502, 503, 504)."""


class FunctionError(CallError):
    """The function ran and failed.

    Attributes:
        error_type: The callee's name of the error, such as ``"KeyError"``; ``None`` if it gave none.
        error_message: The callee's message, whole; ``None`` if it gave none.
        stack_trace: The callee's stack, a line or frame an item.
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
    """The function ran into its own timeout; Lambda stopped it midway."""


class FunctionCrashedError(FunctionError):
    """The function's process ended before it answered: an exit, a signal, no memory left."""


class ResponseTooLargeError(FunctionError):
    """The function ran to its end, and its answer is larger than Lambda carries (6 MiB)."""


class FunctionInitError(FunctionError):
    """The function's module failed before the handler ran: an import, a syntax error, a wrong handler setting."""

    _execution = Execution.NOT_EXECUTED


class RequestRejectedError(FunctionError):
    """The callee's contract refused the request.

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
        # Raised in a callee, the text is what the runtime sends: JSON, for the caller to read the details from.
        return super().__str__() if self.function else json.dumps({"errors": self.errors})

    @staticmethod
    def details_from_wire(text: str) -> list[ErrorDetail] | None:
        """Read the details from an ``errorMessage``; ``None`` if another kind of text is called the same."""
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
    """The function ran, and its answer does not fit the contract or was cut short.

    Where the answer does not come from Lambda, ``execution`` is ``UNKNOWN``.

    Attributes:
        errors: What did not fit, if the answer could be read at all.
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
for _public in (
    *(AccessDeniedError, Attempt, CallError, CallTimeoutError, ConnectError, ConnectionLostError, ContractError),
    *(CredentialsError, DeadlineExceededError, ErrorDetail, Execution, FunctionCrashedError, FunctionError),
    *(FunctionInitError, FunctionMisconfiguredError, FunctionNotFoundError, FunctionNotReadyError),
    *(FunctionTimeoutError, InvalidArnError, InvalidRequestError, LambdaChainError, NotInvokedError),
    *(OutcomeUnknownError, RecursiveInvocationError, RequestRejectedError, RequestTooLargeError, ResponseError),
    *(ResponseTooLargeError, ServiceError, ThrottledError),
):
    _public.__module__ = "lambdachain"
