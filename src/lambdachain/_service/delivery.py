"""The values that pass between the Invoke API and what runs a function."""

from __future__ import annotations

from dataclasses import dataclass, field

from lambdachain._invocation import InvocationType


@dataclass(frozen=True, slots=True)
class Body:
    """A body: its bytes, cut short where *size*, its true length, is over the limit it was read with."""

    content: bytes = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a function is given to work on: the fields of the Runtime API's next invocation."""

    request_id: str
    invoked_arn: str
    trace_id: str
    payload: bytes = field(repr=False)
    client_context: str | None = field(default=None, repr=False)
    tenant_id: str | None = None


@dataclass(frozen=True, slots=True)
class InvokeRequest:
    """One checked request of the Invoke API."""

    function: str
    invocation_type: InvocationType
    log_tail: bool
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Ending:
    """How an invocation ended: *body* is the function's result, or the description of its failure where *failed*."""

    body: bytes = field(repr=False)
    failed: bool
    log_tail: bytes = field(repr=False)
