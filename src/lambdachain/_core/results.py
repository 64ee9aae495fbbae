"""What a call gives back beside the function's answer."""

from typing import Generic, NamedTuple, TypeVar

from .errors import Attempt

Resp_co = TypeVar("Resp_co", covariant=True)


class InvokeResult(NamedTuple, Generic[Resp_co]):
    """A function's answer with what Lambda said about it.

    Attributes:
        value: The answer, as the contract types it.
        request_id: Lambda's id of the request that succeeded.
        executed_version: The version that ran: for an alias, the one it led to.
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
        told = f"executed_version={self.executed_version!r}, attempts={self.attempts!r}, duration={self.duration!r}"
        return f"InvokeResult(request_id={self.request_id!r}, {told})"


InvokeResult.__module__ = "lambdachain"
