"""What a call, a fire and a permission check give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
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


@dataclass(frozen=True, slots=True)
class Receipt:
    """Lambda has queued the event; there is no result to wait for.

    Attributes:
        request_id: The id that the function's logs and destinations will carry.
        attempts: A record of each request that was sent.
    """

    request_id: str | None
    attempts: tuple[Attempt, ...]


class PermissionReason(StrEnum):
    """Why a function can or cannot be invoked."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NO_SUCH_FUNCTION = "no such function"
    NO_SUCH_QUALIFIER = "no such qualifier"


@dataclass(frozen=True, slots=True)
class Permission:
    """Lambda's answer to "may I invoke this?"; true or false by itself.

    >>> if not Permission(allowed=False, reason=PermissionReason.DENIED, message="no policy allows it"):
    ...     print("denied")
    denied

    Attributes:
        allowed: Whether an invocation would be let through.
        reason: Why, or why not.
        message: What AWS said; empty where it allowed the invocation.
    """

    allowed: bool
    reason: PermissionReason
    message: str = ""

    def __bool__(self) -> bool:
        return self.allowed
