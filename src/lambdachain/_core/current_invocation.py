"""The invocation that code runs in: how long it has left, and what its caller said about it."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, cast

from lambdachain._core.type_guards import is_mapping

from . import clock
from .metadata import Metadata, bounded, bounded_trace, is_plain_text, new_id, read_metadata, read_trace

# What a function keeps of its own time to answer, log and clean up after its last call.
MARGIN: Final = 0.2
# Two machines' clocks disagree; a deadline by the caller's clock is believed only beyond this.
_CLOCK_SKEW: Final = 1.0


class CurrentInvocation(NamedTuple):
    """The invocation that is being handled, as its caller and Lambda describe it.

    Attributes:
        request_id: Lambda's id of this invocation; ``None`` outside Lambda.
        correlation_id: The same for all that one outermost call sets off; this invocation's own id if it is the first.
        depth: How many lambdachain calls led here: 0 for an invocation that none did.
        attempt: Which attempt of its caller's call this is, from 1.
        idempotency_key: What the caller gave to tell repetitions by; ``None`` if it gave none.
        trace: W3C trace context that came with the call.
    """

    request_id: str | None
    correlation_id: str
    depth: int = 0
    attempt: int = 1
    idempotency_key: str | None = None
    trace: Mapping[str, str] = {}
    deadline: float | None = None
    offload: bool = False

    def __repr__(self) -> str:
        told = f"correlation_id={self.correlation_id!r}, depth={self.depth}, attempt={self.attempt}"
        return f"CurrentInvocation(request_id={self.request_id!r}, {told})"

    def remaining_time(self) -> float | None:
        """Return how many seconds are left for calls: of this function's time less a margin, or of its caller's
        patience.

        ``None`` where nothing bounds it; never less than 0.
        """
        return None if self.deadline is None else max(0.0, self.deadline - clock.monotonic())


_current: ContextVar[CurrentInvocation | None] = ContextVar("lambdachain_invocation", default=None)


def current_invocation() -> CurrentInvocation | None:
    """Return the invocation that is being handled; ``None`` outside a handler and ``invocation_scope``."""
    return _current.get()


def invocation_scope(
    context: Any, *, metadata: Metadata | None = None
) -> AbstractContextManager[CurrentInvocation, None]:
    """Bound every call made inside by what is left of an invocation; handlers made by ``remote`` do it themselves.

    A scope inside another never outlives it; one without a context of its own changes nothing.

    >>> class Context:
    ...     aws_request_id = "8f5e"
    ...     def get_remaining_time_in_millis(self) -> int:
    ...         return 3000
    >>> with invocation_scope(Context()) as invocation:
    ...     2.0 < invocation.remaining_time() < 3.0
    True

    Args:
        context: The context that Lambda gives the handler; ``None`` outside Lambda.
        metadata: What the caller said, where it came with the event and not with the context.
    """
    return _Scope(context, metadata)


class _Scope:
    # Made by contextlib.contextmanager, it would take a tenth of what a handler's every call costs.
    __slots__ = ("_context", "_metadata", "_token")

    def __init__(self, context: Any, metadata: Metadata | None) -> None:
        self._context = context
        self._metadata = metadata

    def __enter__(self) -> CurrentInvocation:
        invocation = _entered(self._context, self._metadata, _current.get())
        self._token = _current.set(invocation)
        return invocation

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def _entered(context: Any, metadata: Metadata | None, outer: CurrentInvocation | None) -> CurrentInvocation:
    if outer is not None and context is None and metadata is None:
        return outer
    inner = read_invocation(context, metadata, monotonic=clock.monotonic(), epoch=clock.epoch())
    return inner if outer is None else inner._replace(deadline=earlier(inner.deadline, outer.deadline))


def read_invocation(context: Any, metadata: Metadata | None, *, monotonic: float, epoch: float) -> CurrentInvocation:
    """Read an invocation off Lambda's context, at a time given by both clocks, in seconds."""
    custom = _custom(context)
    told = metadata or read_metadata(custom)
    told = bounded(told, epoch) if told else None
    given_id = getattr(context, "aws_request_id", None)
    request_id = given_id if is_plain_text(given_id) else None
    left = [seconds for seconds in (_own_time(context), *_callers_patience(told, epoch)) if seconds is not None]
    return CurrentInvocation(
        request_id=request_id,
        correlation_id=(told.correlation_id if told else "") or request_id or new_id(),
        depth=told.depth if told else 0,
        attempt=told.attempt if told else 1,
        idempotency_key=told.idempotency_key if told else None,
        trace=_w3c(context) or (told.trace if told else bounded_trace(read_trace(custom))),
        deadline=monotonic + min(left) if left else None,
        offload=told.offload if told else False,
    )


def earlier(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two ends; ``None`` is none."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _own_time(context: Any) -> float | None:
    tell = cast("Callable[[], object] | None", getattr(context, "get_remaining_time_in_millis", None))
    remaining = tell() if callable(tell) else None
    # of a test's mock, it is another mock
    return remaining / 1000 - MARGIN if isinstance(remaining, int | float) and math.isfinite(remaining) else None


def _callers_patience(told: Metadata | None, epoch: float) -> Iterator[float | None]:
    """Yield how long the caller still waits: by the time it gave, and by its clock, which sees a slow start too."""
    if told is not None and told.budget_ms is not None:
        yield told.budget_ms / 1000
    if told is not None and told.deadline_ms is not None:
        yield told.deadline_ms / 1000 - epoch + _CLOCK_SKEW


def _custom(context: Any) -> Mapping[str, Any]:
    custom = getattr(getattr(context, "client_context", None), "custom", None)
    return custom if custom is not None and is_mapping(custom) else {}


def _w3c(context: Any) -> Mapping[str, str]:
    read = getattr(context, "w3c", None)
    if not callable(read):
        return {}
    found = read()
    return bounded_trace(read_trace(found)) if is_mapping(found) else {}


CurrentInvocation.__module__ = "lambdachain"
current_invocation.__module__ = "lambdachain"
invocation_scope.__module__ = "lambdachain"
