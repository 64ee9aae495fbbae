"""What a fire and a permission check return."""

from enum import StrEnum

from .errors import Attempt
from .lean_dataclass import dataclass


@dataclass(frozen=True)
class Receipt:
    """The event has been queued by Lambda; there is no result to wait for.

    Attributes:
        request_id: Lambda's id of the request, which appears in the function's logs and destinations.
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


@dataclass(frozen=True)
class Permission:
    """The result of a permission check; its truth value is *allowed*.

    >>> if not Permission(allowed=False, reason=PermissionReason.DENIED, message="no policy allows it"):
    ...     print("denied")
    denied

    Attributes:
        allowed: Whether an invocation would be permitted.
        reason: Why, or why not.
        message: AWS's message; empty if the invocation is allowed.
    """

    allowed: bool
    reason: PermissionReason
    message: str = ""

    def __bool__(self) -> bool:
        return self.allowed


Permission.__module__ = "lambdachain"
PermissionReason.__module__ = "lambdachain"
Receipt.__module__ = "lambdachain"
