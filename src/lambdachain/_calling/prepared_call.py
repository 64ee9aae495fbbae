"""A call made ready: a payload becomes an invocation, and nothing has been sent yet. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._contracts.contract import PlainContract
from lambdachain._core.client_context import encode_client_context, enveloped
from lambdachain._core.current_invocation import CurrentInvocation, earlier_deadline
from lambdachain._core.errors import (
    InvalidRequestError,
    NotInvokedError,
    RecursiveInvocationError,
    RequestTooLargeError,
)
from lambdachain._core.invocation import MAX_EVENT_BYTES, MAX_REQUEST_BYTES, Invocation, InvocationType, JsonText
from lambdachain._core.metadata import MAX_DEPTH, Metadata, new_id
from lambdachain._json.codec import codec_of, type_name
from lambdachain._json.payload_validation import PayloadValidationError

from .options import CallOptions, checked_context, checked_key, checked_text, seconds, wants_log_tail
from .retry import RetryPolicy
from .target import Target

if TYPE_CHECKING:
    from lambdachain._contracts.s3_offload import S3Offload

    from .classify import CallSemantics

_TEXTS: Final[Any] = (str, bytes, bytearray, memoryview)

DEPTH_LIMIT: Final = MAX_DEPTH
_DEFAULT_POLICY: Final = RetryPolicy()

_LIMITS: Final = {InvocationType.REQUEST_RESPONSE: MAX_REQUEST_BYTES, InvocationType.EVENT: MAX_EVENT_BYTES}
_VERBS: Final = {InvocationType.REQUEST_RESPONSE: "call", InvocationType.EVENT: "fire"}


Stow = Callable[["S3Offload", bytes], dict[str, Any]]
"""Puts a payload where it is kept, and returns the reference that travels in its place."""


class Moment(NamedTuple):
    """A point in time by both clocks, in seconds: the monotonic one, and the one that tells the date."""

    monotonic: float
    epoch: float


class PreparedCall(NamedTuple):
    """A call that is ready to be sent.

    Attributes:
        callee: What is called and where.
        kind: How the function is invoked.
        payload: The event as JSON.
        policy: When it may be sent again.
        deadline: Until when, by the monotonic clock; ``None`` for as long as a function may run.
        told: What travels in the ClientContext, but for what changes from attempt to attempt; ``None`` where nothing
            travels.
        custom: The user's own texts for the ClientContext.
        repeatable: Whether running it twice does no harm: the contract or the call says so.
        log_tail: Whether the end of the function's log is asked for.
        tenant_id: The tenant, for a function with tenant isolation.
        durable_name: Lambda's own deduplication, for durable functions.
    """

    callee: Target
    kind: InvocationType
    payload: bytes
    policy: RetryPolicy
    deadline: float | None = None
    told: Metadata | None = None
    custom: Mapping[str, str] = {}
    repeatable: bool = False
    log_tail: bool = False
    tenant_id: str | None = None
    durable_name: str | None = None

    @property
    def invocation(self) -> Invocation:
        """The request, but for what changes from attempt to attempt."""
        return self._invocation(None)

    @property
    def expected(self) -> CallSemantics:
        """What caller and callee agree on about errors and repetition."""
        from .classify import CallSemantics

        return CallSemantics(self.callee.contract.errors, self.repeatable)

    @property
    def hedge_after(self) -> float | None:
        """After how many seconds the call is sent once more beside itself; ``None`` for never."""
        waits = self.kind is InvocationType.REQUEST_RESPONSE
        return self.policy.hedge_after if waits and self.repeatable else None

    def time_left(self, now: float) -> float | None:
        """Return how many seconds are left at *now*."""
        return None if self.deadline is None else self.deadline - now

    def attempt(self, number: int, left: float | None) -> Invocation:
        """Return the request of attempt *number*, which knows that *left* seconds remain."""
        if self.told is None:
            return self._invocation(None)
        told = self.told._replace(attempt=number, budget_ms=None if left is None else int(left * 1000))
        return self._invocation(encode_client_context(told, self.custom, self.callee.address))

    def _invocation(self, client_context: str | None) -> Invocation:
        function, qualifier = self.callee.function, self.callee.qualifier
        asked = self.log_tail, self.tenant_id, self.durable_name
        return Invocation(function, self.kind, self.payload, qualifier, client_context, *asked)

    def __repr__(self) -> str:
        return f"Plan({self.invocation!r})"


def plan(
    callee: Target,
    payload: object,
    kind: InvocationType,
    options: CallOptions,
    *,
    within: CurrentInvocation | None,
    now: Moment,
    stow: Stow | None = None,
) -> PreparedCall:
    """Make a call ready, or refuse it.

    Args:
        callee: What is called and where.
        payload: What the function gets.
        kind: How it is invoked.
        options: What the call says about itself.
        within: The invocation that the call is made in.
        now: The time.
        stow: Puts a payload into S3, or where a test keeps it; into S3 if not given.

    Raises:
        InvalidRequestError: The payload does not fit the contract, or an option is not what Lambda takes.
        RequestTooLargeError: The payload or the ClientContext is larger than Lambda takes.
        RecursiveInvocationError: The call is the last of a chain that is too long.
        DeadlineExceededError: The timeout leaves no time.
    """
    function = callee.address
    key = checked_key(options.get("idempotency_key"), kind, callee.contract.envelope, function)
    durable_name = checked_text("durable_name", options.get("durable_name"), function)
    deadline = _deadline(seconds(options.get("timeout"), function), within, now)
    told = _told(key, within, _until(deadline, now), callee)
    return PreparedCall(
        callee=callee,
        kind=kind,
        payload=_payload(callee, payload, kind, told, stow),
        policy=options.get("retry") or _DEFAULT_POLICY,
        deadline=deadline,
        told=told if kind is InvocationType.REQUEST_RESPONSE else None,
        custom=checked_context(options.get("client_context"), kind, function),
        repeatable=callee.contract.idempotent or key is not None or durable_name is not None,
        log_tail=wants_log_tail(options.get("log_tail", False), kind, function),
        tenant_id=checked_text("tenant_id", options.get("tenant_id"), function),
        durable_name=durable_name,
    )


def _deadline(timeout: float | None, within: CurrentInvocation | None, now: Moment) -> float | None:
    """Return the earliest: the call's own timeout, what is left of this invocation, what its caller still waits."""
    own = None if timeout is None else now.monotonic + timeout
    return earlier_deadline(own, within.deadline if within else None)


def _until(deadline: float | None, now: Moment) -> int | None:
    return None if deadline is None else int((now.epoch + deadline - now.monotonic) * 1000)


def _told(key: str | None, within: CurrentInvocation | None, until_ms: int | None, callee: Target) -> Metadata:
    depth = (within.depth if within else 0) + 1
    if depth > DEPTH_LIMIT:
        raise RecursiveInvocationError(
            f"it would be call {depth} of a chain ({within.correlation_id if within else ''}), and "
            f"{DEPTH_LIMIT} are allowed: do functions call each other in a circle?",
            function=callee.address,
        )
    return Metadata(
        correlation_id=within.correlation_id if within else new_id(),
        depth=depth,
        idempotency_key=key,
        deadline_ms=until_ms,
        trace=within.trace if within else {},
        offload=callee.contract.offload is not None,
    )


def _payload(callee: Target, payload: Any, kind: InvocationType, told: Metadata, stow: Stow | None) -> bytes:
    if kind is InvocationType.DRY_RUN:
        return b""
    data = _encoded(callee, payload)
    offload = callee.contract.offload
    if offload is not None and offload.takes(len(data), event=kind is InvocationType.EVENT):
        data = _stowed(offload, data, callee.address, stow)
    if kind is InvocationType.EVENT and callee.contract.envelope:
        data = enveloped(data, told._replace(deadline_ms=None))
    if len(data) > _LIMITS[kind]:
        limit = f"Lambda takes at most {_LIMITS[kind]:,} for {_VERBS[kind]}()"
        remedy = "send a reference to it instead, or declare Contract(..., offload=S3Offload(...))"
        message = f"the payload is {len(data):,} bytes of JSON; {limit}: {remedy}"
        raise RequestTooLargeError(message, function=callee.address)
    return data


def _stowed(offload: S3Offload, data: bytes, function: str, stow: Stow | None) -> bytes:
    """Put a payload into S3: the one thing in making a call ready that is no pure function."""
    from lambdachain._contracts.s3_offload import OffloadError, encode_reference

    try:
        return encode_reference(stow(offload, data) if stow is not None else offload.put(data))
    except OffloadError as exc:
        raise NotInvokedError(str(exc), function=function) from exc


def _encoded(callee: Target, payload: object) -> bytes:
    if isinstance(payload, _TEXTS):
        if isinstance(payload, JsonText):
            return bytes(payload)
        if isinstance(callee.contract, PlainContract):
            _check_no_json_text(payload, callee.address)
    request = callee.contract.request
    try:
        return codec_of(request).encode(payload)
    except PayloadValidationError as exc:
        fit = "cannot be JSON" if request is Any else f"does not fit {type_name(request)}"
        error = InvalidRequestError(f"the payload {fit}: {exc}", function=callee.address, errors=exc.details)
    raise error


def _check_no_json_text(payload: object, function: str) -> None:
    """Refuse what boto3 takes for Payload: as a value it would reach the function as text."""
    declared = "a Contract with request=str sends text as it is"
    if not isinstance(payload, str):
        remedy = f"pass the object itself, json.loads(payload); {declared}"
        raise InvalidRequestError(f"the payload is {type(payload).__name__}, not a value: {remedy}", function=function)
    if _holds_json(payload):
        remedy = f"pass the object itself, json.loads(payload), for it would arrive as text; {declared}"
        raise InvalidRequestError(f"the payload is the text of a JSON object or array: {remedy}", function=function)


def _holds_json(text: str) -> bool:
    """Check whether a text is a JSON object or array."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
