"""Encode call metadata for the wire: in the ClientContext of a call, or in an envelope around an event."""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _text
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping

from .errors import RequestTooLargeError
from .invocation import MAX_CLIENT_CONTEXT_BYTES
from .metadata import DROPPED_FIRST, TRACE_NAMES, Metadata, merge_custom, read_metadata

ENVELOPE: Final = "__lambdachain__"
_BEFORE_TRACE: Final = DROPPED_FIRST[: DROPPED_FIRST.index("traceparent")]
_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def encode_client_context(metadata: Metadata, custom: Mapping[str, str], function: str) -> str:
    """Encode metadata and the user's own strings as Lambda's ClientContext: JSON in base64.

    The user's strings, the idempotency key and the metadata of interceptors are never dropped or replaced; where the
    3,583 bytes are not enough, other metadata is dropped, in the order of ``DROPPED_FIRST``.

    Raises:
        RequestTooLargeError: What is never dropped exceeds Lambda's limit.
    """
    texts = metadata.texts()
    encoded = _encode_custom(merge_custom(texts, custom))
    if len(encoded) <= MAX_CLIENT_CONTEXT_BYTES:
        return encoded
    # Encoded again after each one: only then is the size in base64 known.
    for name in DROPPED_FIRST if metadata.idempotency_key or metadata.extra else (*DROPPED_FIRST, "lc-v"):
        texts.pop(name, None)
        encoded = _encode_custom(merge_custom(texts, custom))
        if len(encoded) <= MAX_CLIENT_CONTEXT_BYTES:
            return encoded
    what = "client_context and the metadata of interceptors are" if metadata.extra else "client_context is"
    raise RequestTooLargeError(
        f"{what} {len(encoded):,} bytes in base64; Lambda accepts at most {MAX_CLIENT_CONTEXT_BYTES:,}",
        function=function,
    )


def add_trace(encoded: str | None, injected: Mapping[str, str], passed_on: Mapping[str, str]) -> str | None:
    """Add the trace that instrumentation has *injected* to a ClientContext, in place of the one that is *passed_on*.

    Returns:
        The new ClientContext, or ``None`` to leave it as it is: the user's own trace, a ClientContext that is not ours,
        and one without room for the trace are not changed.
    """
    try:
        context: Any = {} if encoded is None else json.loads(a2b_base64(encoded))
    except (ValueError, RecursionError):
        return None
    custom = context.get("custom", {}) if is_mapping(context) else None
    if not is_mapping(custom):
        return None
    # A trace is replaced as a whole: a tracestate of one trace means nothing next to the traceparent of another.
    theirs = custom.get("traceparent")
    is_users = theirs is not None and theirs != passed_on.get("traceparent")
    added = {name: text for name, text in injected.items() if name in TRACE_NAMES or name not in custom}
    if is_users:
        added = {name: text for name, text in added.items() if name not in TRACE_NAMES}
    elif "traceparent" in added:
        custom = {name: text for name, text in custom.items() if name not in TRACE_NAMES}
    # If it does not fit: first without what is neither ours nor a trace, then without ever more of our own metadata.
    foreign = [name for name in added if name not in TRACE_NAMES]
    for left_out in ([], foreign, *([name] for name in _BEFORE_TRACE)):
        added, custom = ({name: old[name] for name in old if name not in left_out} for old in (added, custom))
        written = _encode_json({**context, "custom": {**custom, **added}})
        if added and len(written) <= MAX_CLIENT_CONTEXT_BYTES:
            return written
    return None


def wrap_in_envelope(data: bytes, metadata: Metadata) -> bytes:
    """Wrap an event's JSON in an envelope that carries metadata, for contracts with ``envelope=True``.

    Lambda passes no ClientContext with an event.
    """
    metadata_json = _json(metadata.texts()).encode()
    return b'{"%b":%b,"data":%b}' % (ENVELOPE.encode(), metadata_json, data)


def unwrap_envelope(event: Any) -> tuple[Any, Metadata | None]:
    """Return an event without its envelope, if it has one, and the metadata in that."""
    if is_mapping(event) and ENVELOPE in event and set(event) == {ENVELOPE, "data"} and is_mapping(event[ENVELOPE]):
        return event["data"], read_metadata(event[ENVELOPE])
    return event, None


def _encode_json(context: Mapping[str, Any]) -> str:
    return b2a_base64(_json(context).encode(), newline=False).decode()


def _encode_custom(custom: Mapping[str, str]) -> str:
    # Three times as fast as a JSONEncoder for strings alone, and this runs for every attempt.
    members = ",".join([f"{_text(name)}:{_text(text)}" for name, text in custom.items()])
    return b2a_base64(f'{{"custom":{{{members}}}}}'.encode(), newline=False).decode()
