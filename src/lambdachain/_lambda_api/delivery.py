"""The values that the Invoke API and the runner of a function exchange."""

from __future__ import annotations

from dataclasses import dataclass, field

from lambdachain._core.invocation import InvocationType


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body: its bytes, truncated if *size*, its real length, is over the limit it was read with."""

    content: bytes = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a function is invoked with: the fields of the Runtime API's next invocation."""

    request_id: str
    invoked_arn: str
    trace_id: str
    payload: bytes = field(repr=False)
    client_context: str | None = field(default=None, repr=False)
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class InvokeRequest:
    """A validated request of the Invoke API; *qualifier* is the version or alias that it names."""

    function: str
    qualifier: str | None
    invocation_type: InvocationType
    log_tail: bool
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """How an invocation ended.

    Attributes:
        body: The function's result, or its error report if *failed*; empty if the response was streamed.
        failed: Whether it failed.
        log_tail: The end of its log.
        duration: Seconds that the invocation took.
        init: Seconds that its process took to start; ``None`` for a warm start.
    """

    body: bytes = field(repr=False)
    failed: bool
    log_tail: bytes = field(repr=False)
    duration: float = 0.0
    init: float | None = None
