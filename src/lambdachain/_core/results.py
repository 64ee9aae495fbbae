"""What a call returns besides the function's response."""

from typing import Generic, NamedTuple, TypeVar

from .errors import Attempt

Resp_co = TypeVar("Resp_co", covariant=True)


class InvokeResult(NamedTuple, Generic[Resp_co]):
    """A function's response with Lambda's metadata.

    Attributes:
        value: The response, of the contract's type.
        request_id: Lambda's id of the request that succeeded.
        executed_version: The version that ran: for an alias, the one that it pointed to.
        log_tail: The end of the function's log (at most 4 KB), if the call asked for it.
        attempts: A record of each request that was sent.
        duration: Seconds that the whole call took.
    """

    value: Resp_co
    request_id: str | None
    executed_version: str
    log_tail: str | None
    attempts: tuple[Attempt, ...]
    duration: float

    def __repr__(self) -> str:
        fields = f"executed_version={self.executed_version!r}, attempts={self.attempts!r}, duration={self.duration!r}"
        return f"InvokeResult(request_id={self.request_id!r}, {fields})"


InvokeResult.__module__ = "lambdachain"
