"""The interface between a client and a transport: ``Invocation`` in, ``Outcome`` out; the ``Transport`` protocols."""

from dataclasses import field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar

from .arn import FunctionArn, parse_target
from .errors import LambdaChainError
from .lean_dataclass import dataclass

MAX_REQUEST_BYTES: Final = 6 * 1024 * 1024
MAX_EVENT_BYTES: Final = 1024 * 1024
MAX_CLIENT_CONTEXT_BYTES: Final = 3583
# A runtime client ends its process over headers of more than 100 KiB; a trace header is a few hundred bytes.
MAX_TRACE_HEADER: Final = 4096


T = TypeVar("T")


def construct(frozen: type[T], /, **fields: Any) -> T:
    """Create a frozen dataclass without slots as its constructor does, for a quarter of the cost.

    A constructor writes each field by itself, past the guard of a frozen class. A field with a default may be left out:
    its class has the value.
    """
    made = object.__new__(frozen)
    object.__setattr__(made, "__dict__", fields)
    return made


class InvocationType(StrEnum):
    """How Lambda invokes the function: wait for the response, queue an event, or only check the permission."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


@dataclass(frozen=True)
class Invocation:
    """One Invoke request: a field for each of Lambda's parameters.

    Attributes:
        function_name: A name, partial ARN or ARN, without qualifier.
        invocation_type: RequestResponse, Event or DryRun.
        payload: The event as JSON in UTF-8.
        qualifier: A version or alias.
        client_context: JSON in base64, as in the header; at most 3,583 characters.
        log_tail: Request the last 4 KB of the function's log (``LogType=Tail``).
        tenant_id: The tenant, for a function with tenant isolation.
        durable_name: ``DurableExecutionName``: Lambda's own deduplication, for durable functions.
    """

    function_name: str
    invocation_type: InvocationType = InvocationType.REQUEST_RESPONSE
    payload: bytes = field(default=b"", repr=False)
    qualifier: str | None = None
    client_context: str | None = field(default=None, repr=False)
    log_tail: bool = False
    tenant_id: str | None = None
    durable_name: str | None = None

    @property
    def function(self) -> str:
        """The function with its qualifier, for errors and logs."""
        return f"{self.function_name}:{self.qualifier}" if self.qualifier else self.function_name

    @property
    def region(self) -> str | None:
        """The region in the address, or ``None`` for the caller's own."""
        return _find_region(self.function_name)


@lru_cache(maxsize=1024)
def _find_region(function_name: str) -> str | None:
    target = parse_target(function_name)
    return target.region if isinstance(target, FunctionArn) else None


@dataclass(frozen=True)
class Outcome:
    """Lambda's response to Invoke, of any status: a field for each part of it.

    Attributes:
        status: The HTTP status.
        payload: The body, read to its end.
        function_error: ``X-Amz-Function-Error``; its presence, not its value, means that the function failed.
        executed_version: ``X-Amz-Executed-Version``.
        log_result: The log tail in base64, as in the header.
        durable_execution_arn: ``X-Amz-Durable-Execution-Arn``.
        request_id: ``x-amzn-RequestId``.
        error_code: The name of the service's error, such as ``"TooManyRequestsException"``.
        error_message: The service's message.
        error_reason: The service's ``Reason`` for throttling.
        retry_after: Seconds that the service asks to wait.
        complete: Whether the payload is known to be whole: by its length, its chunks, or the end of an event stream.
        from_lambda: Whether the response has a header that Lambda sends and nothing on the way to it does.
        refused_keys: A hash of the credentials that AWS rejected as expired; ``None`` if it did not, or if unknown.
    """

    status: int
    payload: bytes = field(default=b"", repr=False)
    function_error: str | None = None
    executed_version: str | None = None
    log_result: str | None = field(default=None, repr=False)
    durable_execution_arn: str | None = None
    request_id: str | None = None
    error_code: str | None = None
    error_message: str | None = field(default=None, repr=False)
    error_reason: str | None = None
    retry_after: float | None = None
    complete: bool = True
    from_lambda: bool = True
    refused_keys: int | None = field(default=None, repr=False)


class Progress(StrEnum):
    """How far a request without a response got."""

    NOTHING_SENT = "nothing sent"
    PERHAPS_SENT = "perhaps sent"
    ANSWER_BEGUN = "answer begun"


class Trouble(StrEnum):
    """Why there is no response."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    CREDENTIALS = "credentials"
    REQUEST = "request"
    SETUP = "setup"


class NoAnswerError(LambdaChainError):
    """Raised by a transport when there is no response; a client converts it to a ``CallError``.

    Attributes:
        progress: How far the request got.
        trouble: Why there is no response. ``SETUP`` is an invalid setting (no region, an untrusted certificate), and
            ``REQUEST`` a request that cannot be sent: a retry helps against neither.
        request_id: The service's id of the request, if that part of the response arrived.
    """

    def __init__(
        self,
        message: str = "",
        *,
        progress: Progress = Progress.PERHAPS_SENT,
        trouble: Trouble = Trouble.CONNECTION,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.progress = progress
        self.trouble = trouble


class Transport(Protocol):
    """Carries invocations. It neither retries nor classifies, so that every transport leads to the same errors."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send *invocation* once and return the response, of any status.

        Args:
            invocation: The request.
            timeout: Seconds to wait for the response; ``None`` for as long as a function may run.

        Raises:
            NoAnswerError: There is no response; the error says how far the request got.
        """
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


class AsyncTransport(Protocol):
    """The same as ``Transport``, for event loops; one object may serve several loops."""

    async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109 - as Transport
        """Send *invocation* once and return the response, of any status; see ``Transport.send``.

        If cancelled, it closes the connection that the request is on, and the cancellation passes unchanged.

        Raises:
            NoAnswerError: There is no response; the error says how far the request got.
        """
        ...

    async def close(self) -> None:
        """Close every connection, of all loops."""
        ...


class JsonText(bytes):
    """A payload that is JSON already and is sent unchanged after a check; as a response type, the JSON as received."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.any_schema()


AsyncTransport.__module__ = "lambdachain"
Invocation.__module__ = "lambdachain"
InvocationType.__module__ = "lambdachain"
NoAnswerError.__module__ = "lambdachain"
Outcome.__module__ = "lambdachain"
Progress.__module__ = "lambdachain"
Transport.__module__ = "lambdachain"
Trouble.__module__ = "lambdachain"
