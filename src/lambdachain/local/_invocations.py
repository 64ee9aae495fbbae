"""What an endpoint tells of each invocation that has ended, for logs and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import unquote

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import InvalidArnError
from lambdachain._core.invocation import InvocationType
from lambdachain._lambda_api.delivery import Ending, InvokeRequest
from lambdachain._lambda_api.records import error_type_of
from lambdachain._lambda_api.responses import RefusedError


@dataclass(frozen=True, slots=True)
class LocalInvocation:
    """An invocation that has ended, or a call that was refused; an event is told of at each delivery.

    Attributes:
        function: The function's name, as far as it could be read from the request.
        version: The version that ran; ``None`` where none did.
        request_id: Lambda's id of the invocation: the same at each delivery of an event.
        invocation_type: RequestResponse, Event or DryRun.
        status: The HTTP status of the answer; of a delivery, what a call would have got.
        error: The class of the failure: of the function's exception, of Lambda's own, or of the refusal.
        duration: Seconds that the invocation took, the start of a process not among them.
        init: Seconds that the process took to start; ``None`` where it was there already (warm).
        caller: The function that called; ``None`` for anybody else.
        attempt: Which delivery of an event it was, from 1.
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
        """Whether a process was started for it."""
        return self.init is not None


Observer: TypeAlias = Callable[[LocalInvocation], None]


def invocation_from_ending(
    invoke: InvokeRequest, version: str | None, ending: Ending | None, caller: str | None
) -> LocalInvocation:
    """Report a call that was answered; without an ending, of a dry run."""
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


def invocation_from_refusal(invoke: InvokeRequest, error: RefusedError, caller: str | None) -> LocalInvocation:
    """Report a call that was refused."""
    invocation = invocation_from_ending(invoke, None, None, caller)
    return replace(invocation, status=error.answer.status, error=str(error))


def invocation_from_bad_request(
    target: str, request_id: str, error: RefusedError, caller: str | None
) -> LocalInvocation:
    """Report a call that was refused before it could be read as one: no such function, a body that is no JSON."""
    try:
        function = parse_target(unquote(target)).name
    except InvalidArnError:
        function = unquote(target)
    return LocalInvocation(
        function=function,
        version=None,
        request_id=request_id,
        invocation_type=InvocationType.REQUEST_RESPONSE,
        status=error.answer.status,
        error=str(error),
        duration=0.0,
        caller=caller,
    )


def get_error_type(ending: Ending) -> str | None:
    """Name the class of a function's failure; ``None`` for a success."""
    return error_type_of(ending.body) or "Unhandled" if ending.failed else None
