"""Prepare a call: a payload becomes an invocation, and nothing is sent yet. Pure functions, but for payloads in S3."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._contracts.contract import PlainContract
from lambdachain._core.client_context import encode_client_context, wrap_in_envelope
from lambdachain._core.current_invocation import CurrentInvocation, earlier_deadline
from lambdachain._core.errors import (
    InvalidRequestError,
    NotInvokedError,
    RecursiveInvocationError,
    RequestTooLargeError,
)
from lambdachain._core.invocation import (
    MAX_EVENT_BYTES,
    MAX_REQUEST_BYTES,
    Invocation,
    InvocationType,
    JsonText,
    construct,
)
from lambdachain._core.metadata import MAX_DEPTH, MAX_EXTRA_BYTES, TRACE_NAMES, Metadata, encode_extra, new_id
from lambdachain._json.codec import type_name
from lambdachain._json.payload_validation import PayloadValidationError

from .compiled_call import CompiledCall

if TYPE_CHECKING:
    from lambdachain._contracts.s3_offload import S3Offload

    from .attempt_recorder import AttemptRecorder
    from .classify import CallSemantics

_TEXTS: Final[Any] = (str, bytes, bytearray, memoryview)

DEPTH_LIMIT: Final = MAX_DEPTH
_LIMITS: Final = {InvocationType.REQUEST_RESPONSE: MAX_REQUEST_BYTES, InvocationType.EVENT: MAX_EVENT_BYTES}
_VERBS: Final = {InvocationType.REQUEST_RESPONSE: "call", InvocationType.EVENT: "fire"}


StorePayload = Callable[["S3Offload", bytes], dict[str, Any]]
"""Store a payload in S3; return the reference that is sent instead."""


class Moment(NamedTuple):
    """A point in time by both clocks, in seconds: the monotonic one, and the wall clock."""

    monotonic: float
    epoch: float


class PreparedCall(NamedTuple):
    """A call that is validated, encoded and ready to be sent.

    Attributes:
        compiled: What it has in common with the other calls of its target.
        payload: The event as JSON.
        deadline: The end, by the monotonic clock; ``None`` for as long as a function may run.
        metadata: What the ClientContext carries, except what differs between attempts; ``None`` if it is not sent.
        recorder: Records the attempts, for the interceptors of the call; ``None`` if it has none.
        is_stream: Whether the response is read in chunks.
    """

    compiled: CompiledCall
    payload: bytes
    deadline: float | None = None
    metadata: Metadata | None = None
    recorder: AttemptRecorder | None = None
    is_stream: bool = False

    @property
    def invocation(self) -> Invocation:
        """The request, except what differs between attempts."""
        return self._invocation(None)

    @property
    def semantics(self) -> CallSemantics:
        """What caller and callee agree on about errors and idempotency."""
        from .classify import CallSemantics

        return CallSemantics(self.compiled.target.contract.errors, self.compiled.repeatable)

    def time_left(self, now: float) -> float | None:
        """Return the seconds that are left at *now*; ``None`` without a deadline."""
        return None if self.deadline is None else self.deadline - now

    def invocation_for_attempt(self, number: int, left: float | None) -> Invocation:
        """Return the request of attempt *number*, whose metadata has its number and the *left* seconds."""
        if self.metadata is None:
            return self._invocation(None)
        compiled = self.compiled
        budget = None if left is None or compiled.durable_name is not None else int(left * 1000)
        metadata = self.metadata.for_attempt(number, budget)
        return self._invocation(encode_client_context(metadata, compiled.custom, compiled.address))

    def _invocation(self, client_context: str | None) -> Invocation:
        compiled = self.compiled
        return construct(
            Invocation,
            function_name=compiled.target.function,
            invocation_type=compiled.kind,
            payload=self.payload,
            qualifier=compiled.target.qualifier,
            client_context=client_context,
            log_tail=compiled.log_tail,
            tenant_id=compiled.tenant_id,
            durable_name=compiled.durable_name,
        )

    def __repr__(self) -> str:
        return f"PreparedCall({self.invocation!r})"


def prepare(
    compiled: CompiledCall,
    payload: object,
    *,
    within: CurrentInvocation | None,
    now: Moment,
    store: StorePayload | None = None,
    added: Mapping[str, str] | None = None,
    is_awaited: bool = False,
) -> PreparedCall:
    """Encode the payload of a call, and work out its deadline and its metadata.

    Args:
        compiled: The target and its options, validated.
        payload: The request, not encoded yet.
        within: The invocation that the call is made in.
        now: The time.
        store: Stores a payload that is offloaded; in S3 by default.
        added: The metadata that interceptors have added.
        is_awaited: Whether an event's sender waits for its result, so that the envelope carries a deadline.

    Raises:
        InvalidRequestError: The payload does not fit the contract.
        RequestTooLargeError: The payload or the ClientContext is larger than Lambda accepts.
        RecursiveInvocationError: The chain of calls that led here is too long.
    """
    deadline = _deadline(compiled.timeout, within, now)
    # An execution that has a name goes on without its first caller: another one may wait for the result.
    limit = None if compiled.durable_name is not None else _to_epoch_ms(deadline, now)
    metadata = _metadata_for(compiled, within, limit)
    if added:
        metadata = _add_metadata(metadata, added, compiled.address)
    data = _payload(compiled, payload, metadata, store, is_awaited=is_awaited)
    # Lambda passes a ClientContext to the function for RequestResponse only.
    sent = metadata if compiled.kind is InvocationType.REQUEST_RESPONSE else None
    return PreparedCall(compiled, data, deadline, sent)


def _deadline(timeout: float | None, within: CurrentInvocation | None, now: Moment) -> float | None:
    """Return the earliest end: of the call's timeout, of this invocation, of the time that its caller waits."""
    own = None if timeout is None else now.monotonic + timeout
    return earlier_deadline(own, within.deadline if within else None)


def _to_epoch_ms(deadline: float | None, now: Moment) -> int | None:
    return None if deadline is None else int((now.epoch + deadline - now.monotonic) * 1000)


def _metadata_for(compiled: CompiledCall, within: CurrentInvocation | None, until_ms: int | None) -> Metadata:
    depth = (within.depth if within else 0) + 1
    if depth > DEPTH_LIMIT:
        raise RecursiveInvocationError(
            f"this would be call {depth} of a chain (correlation id {within.correlation_id if within else ''}), and "
            f"{DEPTH_LIMIT} are allowed: check whether functions call each other in a loop",
            function=compiled.address,
        )
    return Metadata(
        correlation_id=within.correlation_id if within else new_id(),
        depth=depth,
        idempotency_key=compiled.idempotency_key,
        deadline_ms=until_ms,
        trace=within.trace if within else {},
        offload=compiled.target.contract.offload is not None,
    )


def _add_metadata(metadata: Metadata, added: Mapping[str, str], function: str) -> Metadata:
    """Add the texts of interceptors. A trace is replaced as a whole: parts of two traces mean nothing together."""
    trace = {name: added[name] for name in TRACE_NAMES if name in added}
    if "traceparent" not in trace:
        trace = {**metadata.trace, **trace}
    extra = {name: text for name, text in added.items() if name not in TRACE_NAMES}
    size = len(encode_extra(extra)) if extra else 0
    if size > MAX_EXTRA_BYTES:
        names = ", ".join(sorted(extra, key=lambda name: -len(extra[name]))[:3])
        message = f"the metadata of interceptors is {size:,} bytes of JSON; the limit is {MAX_EXTRA_BYTES:,}"
        raise RequestTooLargeError(
            f"{message} (the longest: {names}): send long texts in the payload", function=function
        )
    return metadata._replace(trace=trace, extra=extra)


def _payload(
    compiled: CompiledCall, payload: Any, metadata: Metadata, store: StorePayload | None, *, is_awaited: bool
) -> bytes:
    kind, contract = compiled.kind, compiled.target.contract
    if kind is InvocationType.DRY_RUN:
        return b""  # nothing runs that could read it
    data = _encode(compiled, payload)
    offload = contract.offload
    if offload is not None and offload.takes(len(data), event=kind is InvocationType.EVENT):
        data = _offload_payload(offload, data, compiled.address, store)
    if kind is InvocationType.EVENT and contract.envelope:
        # Usually without a deadline: an event may run long after its caller has ended.
        data = wrap_in_envelope(data, metadata if is_awaited else metadata._replace(deadline_ms=None))
    # Checked last: the envelope counts, and what is offloaded has become a short reference.
    if len(data) > _LIMITS[kind]:
        limit = f"Lambda accepts at most {_LIMITS[kind]:,} for {_VERBS[kind]}()"
        remedy = "send a reference to it instead, or declare Contract(..., offload=S3Offload(...))"
        message = f"the payload is {len(data):,} bytes of JSON; {limit}: {remedy}"
        raise RequestTooLargeError(message, function=compiled.address)
    return data


def _offload_payload(offload: S3Offload, data: bytes, function: str, store: StorePayload | None) -> bytes:
    """Store a payload in S3; return the reference to it, encoded."""
    from lambdachain._contracts.s3_offload import OffloadError, encode_reference

    try:
        return encode_reference(store(offload, data) if store is not None else offload.put(data))
    except OffloadError as exc:
        raise NotInvokedError(str(exc), function=function) from exc


def _encode(compiled: CompiledCall, payload: object) -> bytes:
    contract = compiled.target.contract
    # One check for the usual payload, which is a model: only text can be JSON already.
    if isinstance(payload, _TEXTS):
        if isinstance(payload, JsonText):
            return bytes(payload)
        if isinstance(contract, PlainContract):
            _reject_json_text(payload, compiled.address)
    try:
        return compiled.request_codec.encode(payload)
    except PayloadValidationError as exc:
        request = contract.request
        fit = "cannot be serialized to JSON" if request is Any else f"does not fit {type_name(request)}"
        error = InvalidRequestError(f"the payload {fit}: {exc}", function=compiled.address, errors=exc.details)
    raise error


def _reject_json_text(payload: object, function: str) -> None:
    """Raise for bytes, and text that is JSON, as boto3 takes it: here the function would receive a string."""
    exception = "a Contract with request=str sends text as it is"
    if not isinstance(payload, str):
        remedy = f"pass the object itself, json.loads(payload); {exception}"
        raise InvalidRequestError(f"the payload is {type(payload).__name__}, not a value: {remedy}", function=function)
    if _is_json_text(payload):
        remedy = f"pass the object itself, json.loads(payload), or the function receives a string; {exception}"
        raise InvalidRequestError(f"the payload is the text of a JSON object or array: {remedy}", function=function)


def _is_json_text(text: str) -> bool:
    """Check whether a text is a JSON object or array."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
