"""What a fire and a permission check give back."""

from dataclasses import dataclass
from enum import StrEnum

from .errors import Attempt


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


Permission.__module__ = "lambdachain"
PermissionReason.__module__ = "lambdachain"
Receipt.__module__ = "lambdachain"
