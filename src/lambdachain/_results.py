"""What a call gives back beside the function's answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ._errors import Attempt

Resp_co = TypeVar("Resp_co", covariant=True)


@dataclass(frozen=True, slots=True)
class InvokeResult(Generic[Resp_co]):
    """A function's answer with what Lambda said about it.

    Attributes:
        value: The answer, as the contract types it.
        request_id: Lambda's id of the request that succeeded.
        executed_version: The version that ran: for an alias, the one it led to.
        log_tail: The end of the function's log (at most 4 KB), if the call asked for it.
        attempts: A record of each request that was sent.
        duration: Seconds that the whole call took.
    """

    value: Resp_co = field(repr=False)
    request_id: str | None
    executed_version: str
    log_tail: str | None = field(repr=False)
    attempts: tuple[Attempt, ...]
    duration: float
