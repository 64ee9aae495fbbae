"""What an endpoint tells of each invocation that has ended, for logs and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lambdachain._invocation import InvocationType


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
