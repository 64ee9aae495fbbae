"""The record of each completed invocation that an endpoint passes to its observer, for logs and tests."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import unquote

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import InvalidArnError
from lambdachain._core.invocation import InvocationType
from lambdachain._lambda_api.delivery import InvocationResult, InvokeRequest
from lambdachain._lambda_api.records import parse_error_type
from lambdachain._lambda_api.responses import ApiError


@dataclass(frozen=True, slots=True)
class LocalInvocation:
    """A completed invocation or a rejected call; an event is reported at each delivery.

    Attributes:
        function: The function's name, as far as the request could be parsed.
        version: The version that ran; ``None`` if none did.
        request_id: Lambda's id of the invocation: the same at each delivery of an event.
        invocation_type: RequestResponse, Event or DryRun.
        status: The HTTP status of the response; for a delivery, the one that a call would have received.
        error: The error type: of the function's exception, of a runtime error such as a timeout, or of the rejection.
        duration: Seconds that the invocation took, without the start of a process.
        init: Seconds that the process took to start (cold); ``None`` if it was running already (warm).
        caller: The name of the calling function; ``None`` if the caller is not one of the endpoint's functions.
        attempt: The number of the delivery of an event, from 1.
    """

    function: str
    version: str | None
    request_id: str
    invocation_type: InvocationType
    status: int
    error: str | None
    duration: float
    init: float | None = None
    caller: str | None = None
    attempt: int = 1

    @property
    def cold(self) -> bool:
        """Whether a process was started for this invocation."""
        return self.init is not None


Observer: TypeAlias = Callable[[LocalInvocation], None]


def invocation_from_ending(
    invoke: InvokeRequest, version: str | None, ending: InvocationResult | None, caller: str | None
) -> LocalInvocation:
    """Create the record of a call that got a response; without an ending, of a dry run."""
    return LocalInvocation(
        function=invoke.function,
        version=version,
        request_id=invoke.delivery.request_id,
        invocation_type=invoke.invocation_type,
        status=200 if ending else 204,
        error=get_error_type(ending) if ending else None,
        duration=ending.duration if ending else 0.0,
        init=ending.init if ending else None,
        caller=caller,
    )


def invocation_from_error(invoke: InvokeRequest, error: ApiError, caller: str | None) -> LocalInvocation:
    """Create the record of a call that was rejected."""
    invocation = invocation_from_ending(invoke, None, None, caller)
    return replace(invocation, status=error.response.status, error=str(error))


def invocation_from_bad_request(target: str, request_id: str, error: ApiError, caller: str | None) -> LocalInvocation:
    """Create the record of a request that could not be parsed: no such function, a body that is not valid JSON."""
    try:
        # The target is percent-encoded, as in the URL.
        function = parse_target(unquote(target)).name
    except InvalidArnError:
        function = unquote(target)
    return LocalInvocation(
        function=function,
        version=None,
        request_id=request_id,
        invocation_type=InvocationType.REQUEST_RESPONSE,
        status=error.response.status,
        error=str(error),
        duration=0.0,
        caller=caller,
    )


def get_error_type(ending: InvocationResult) -> str | None:
    """Return the error type of a failed function, or ``None`` if it succeeded."""
    return parse_error_type(ending.body) or "Unhandled" if ending.failed else None


LocalInvocation.__module__ = "lambdachain.local"
