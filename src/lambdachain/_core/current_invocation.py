"""The invocation being handled: its remaining time, and the metadata that its caller sent."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, cast

from lambdachain._core.type_guards import is_mapping

from . import clock
from .metadata import (
    MAX_ID_CHARACTERS,
    Metadata,
    drop_invalid,
    drop_invalid_trace,
    is_plain_text,
    new_id,
    read_metadata,
    read_trace,
)

# What a function keeps of its own time, to respond, log and clean up after its last call.
MARGIN: Final = 0.2
# Two machines' clocks differ: a deadline by the caller's clock counts only when it is exceeded by more than this.
_CLOCK_SKEW: Final = 1.0


class CurrentInvocation(NamedTuple):
    """The invocation that is being handled, as its caller and Lambda describe it.

    Attributes:
        request_id: Lambda's id of this invocation; ``None`` outside Lambda.
        correlation_id: The same for all calls that one outermost call leads to; this invocation's own id if it is the
            first.
        depth: How many lambdachain calls led here: 0 if none did.
        attempt: Which attempt of its caller's call this is, from 1.
        idempotency_key: The caller's key to detect duplicates by; ``None`` if it sent none.
        trace: The W3C trace context that came with the call.
        metadata: The texts that the caller's interceptors sent, with the trace context among them.
    """

    request_id: str | None
    correlation_id: str
    depth: int = 0
    attempt: int = 1
    idempotency_key: str | None = None
    trace: Mapping[str, str] = {}
    deadline: float | None = None
    offload: bool = False
    extra: Mapping[str, str] = {}
    # Of a durable execution, which outlives the invocation: until when its caller waits.
    caller_deadline: float | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        """The texts that the caller's interceptors sent, with the trace context among them."""
        # Imported here: most functions never ask for it.
        from .redacted_texts import RedactedTexts

        return RedactedTexts({**self.extra, **self.trace})

    def __repr__(self) -> str:
        sent = f"correlation_id={self.correlation_id!r}, depth={self.depth}, attempt={self.attempt}"
        return f"CurrentInvocation(request_id={self.request_id!r}, {sent})"

    def remaining_time(self) -> float | None:
        """Return how many seconds are left for calls: of this function's time less a margin, or of its caller's.

        ``None`` without a limit; never less than 0.
        """
        return None if self.deadline is None else max(0.0, self.deadline - clock.monotonic())


_current: ContextVar[CurrentInvocation | None] = ContextVar("lambdachain_invocation", default=None)


def current_invocation() -> CurrentInvocation | None:
    """Return the invocation being handled; ``None`` outside a handler and ``invocation_scope``."""
    return _current.get()


def invocation_scope(
    context: Any, *, metadata: Metadata | None = None
) -> AbstractContextManager[CurrentInvocation, None]:
    """Bound every call made inside by the remaining time of an invocation; ``remote`` handlers do so by themselves.

    A nested scope never outlives the outer one; one without a context of its own changes nothing.

    >>> class Context:
    ...     aws_request_id = "8f5e"
    ...     def get_remaining_time_in_millis(self) -> int:
    ...         return 3000
    >>> with invocation_scope(Context()) as invocation:
    ...     2.0 < invocation.remaining_time() < 3.0
    True

    Args:
        context: The context that Lambda passes to the handler; ``None`` outside Lambda. The context of a durable
            function, or the scope of an ASGI request that Mangum has made, is read for the one that it holds.
        metadata: The caller's metadata, where it came with the event and not with the context.
    """
    return _Scope(context, metadata)


class _Scope:
    # A class: contextlib.contextmanager would cost a tenth of what every call of a handler costs.
    __slots__ = ("_context", "_metadata", "_token")

    def __init__(self, context: Any, metadata: Metadata | None) -> None:
        self._context = context
        self._metadata = metadata

    def __enter__(self) -> CurrentInvocation:
        invocation = _enter(self._context, self._metadata, _current.get())
        self._token = _current.set(invocation)
        return invocation

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def _enter(context: Any, metadata: Metadata | None, outer: CurrentInvocation | None) -> CurrentInvocation:
    if outer is not None and context is None and metadata is None:
        return outer
    inner = read_invocation(context, metadata, monotonic=clock.monotonic(), epoch=clock.epoch())
    if outer is None:
        return inner
    # The same invocation again, whose metadata came with the event: they are not in its context.
    is_same = metadata is None and inner.depth == 0 and inner.request_id == outer.request_id is not None
    # A scope inside another never outlives it.
    return (outer if is_same else inner)._replace(deadline=earlier_deadline(inner.deadline, outer.deadline))


def read_invocation(context: Any, metadata: Metadata | None, *, monotonic: float, epoch: float) -> CurrentInvocation:
    """Read an invocation from Lambda's context, at a time by both clocks, in seconds."""
    lambda_context = _to_lambda_context(context)
    execution = _execution_name(context) if lambda_context is not context else None
    if execution is not None:
        return _read_durable(execution, context, metadata, monotonic=monotonic, epoch=epoch)
    context = lambda_context
    custom = _custom(context)
    metadata = metadata or read_metadata(custom)
    metadata = drop_invalid(metadata, epoch) if metadata else None
    given_id = getattr(context, "aws_request_id", None)
    request_id = given_id if is_plain_text(given_id) else None
    left = [
        seconds
        for seconds in (_function_remaining(context), *_caller_remaining(metadata, epoch))
        if seconds is not None
    ]
    invocation = CurrentInvocation(
        request_id=request_id,
        correlation_id=(metadata.correlation_id if metadata else "") or request_id or new_id(),
        depth=metadata.depth if metadata else 0,
        attempt=metadata.attempt if metadata else 1,
        idempotency_key=metadata.idempotency_key if metadata else None,
        # Lambda's own propagation takes precedence over what the caller's client sent.
        trace=_w3c(context) or (metadata.trace if metadata else drop_invalid_trace(read_trace(custom))),
        deadline=monotonic + min(left) if left else None,
        offload=metadata.offload if metadata else False,
    )
    return invocation._replace(extra=metadata.extra) if metadata and metadata.extra else invocation


def _read_durable(
    execution: str, context: Any, metadata: Metadata | None, *, monotonic: float, epoch: float
) -> CurrentInvocation:
    """Read the invocation of a durable function, which Lambda invokes again for each part of one execution.

    What is the same in all of them counts: the caller's metadata, which came with the event or are recorded, and the
    execution's own name.
    """
    from .durable_execution import find_start, read_recorded

    lambda_context = context.lambda_context
    sent = metadata or read_recorded(context, _custom(lambda_context)) or Metadata("", 0)
    # Checked, and the time counted, from when the execution began: later, a deadline that has passed still counts.
    started = find_start(context) or epoch
    sent = drop_invalid(sent, started)
    left = [seconds for seconds in _caller_remaining(sent, started) if seconds is not None]
    caller_deadline = monotonic + started + min(left) - epoch if left else None
    unlimited = sent._replace(budget_ms=None, deadline_ms=None)
    invocation = read_invocation(lambda_context, unlimited, monotonic=monotonic, epoch=epoch)
    return invocation._replace(
        correlation_id=sent.correlation_id or execution,
        deadline=earlier_deadline(invocation.deadline, caller_deadline),
        caller_deadline=caller_deadline,
    )


def _execution_name(context: Any) -> str | None:
    """Return the end of a durable execution's ARN, its name and id; ``None`` for another context."""
    arn = getattr(getattr(context, "execution_context", None), "durable_execution_arn", None)
    # arn:aws:lambda:<region>:<account>:function:<name>:<version>/durable-execution/<execution name>/<id>
    name = arn.rpartition("/durable-execution/")[2] if isinstance(arn, str) else ""
    return name[-MAX_ID_CHARACTERS:] if name and is_plain_text(name[-MAX_ID_CHARACTERS:]) else None


def earlier_deadline(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two deadlines; ``None`` means no deadline."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _to_lambda_context(context: Any) -> Any:
    """Return Lambda's own context, which a durable function's context has, and an ASGI scope under ``aws.context``."""
    # Asked first: a mock of Lambda's context has every other attribute, too.
    if context is None or hasattr(context, "get_remaining_time_in_millis"):
        return context
    if is_mapping(context):
        return context.get("aws.context")
    return getattr(context, "lambda_context", None) or context


def _function_remaining(context: Any) -> float | None:
    get_remaining = cast("Callable[[], object] | None", getattr(context, "get_remaining_time_in_millis", None))
    remaining = get_remaining() if callable(get_remaining) else None
    # A test's mock returns another mock.
    return remaining / 1000 - MARGIN if isinstance(remaining, int | float) and math.isfinite(remaining) else None


def _caller_remaining(metadata: Metadata | None, epoch: float) -> Iterator[float | None]:
    """Yield how long the caller still waits: by the budget it sent, and by its clock, which includes a slow start."""
    if metadata is not None and metadata.budget_ms is not None:
        yield metadata.budget_ms / 1000
    if metadata is not None and metadata.deadline_ms is not None:
        yield metadata.deadline_ms / 1000 - epoch + _CLOCK_SKEW


def _custom(context: Any) -> Mapping[str, Any]:
    client_context = getattr(context, "client_context", None)
    custom = getattr(client_context, "custom", None)
    if custom is None and is_mapping(client_context):  # as the durable SDK's test runner passes it
        custom = client_context.get("custom")
    return custom if custom is not None and is_mapping(custom) else {}


def _w3c(context: Any) -> Mapping[str, str]:
    read = getattr(context, "w3c", None)
    if not callable(read):
        return {}
    found = read()
    return drop_invalid_trace(read_trace(found)) if is_mapping(found) else {}


CurrentInvocation.__module__ = "lambdachain"
current_invocation.__module__ = "lambdachain"
invocation_scope.__module__ = "lambdachain"
