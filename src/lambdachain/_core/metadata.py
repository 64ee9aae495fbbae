"""What travels with a payload: flat strings in ``ClientContext.custom``, which every runtime passes to its function.

Names are lower case and start with ``lc-``; W3C trace context keeps its own names, as in OpenTelemetry's JavaScript
instrumentation. A callee without lambdachain is not affected.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from lambdachain._core.type_guards import is_mapping

from .fork_hooks import register_fork_hooks

VERSION: Final = "1"
TRACE_NAMES: Final = ("traceparent", "tracestate", "baggage")

# What is dropped first where the 3,583 bytes are not enough; the idempotency key never is.
DROPPED_FIRST: Final = (
    "baggage",
    "tracestate",
    "lc-deadline-ms",
    "lc-attempt",
    "traceparent",
    "lc-id",
    "lc-budget-ms",
    "lc-offload",
    "lc-depth",
)

# Limits of what is accepted from any sender. Lambda's own loop detection ends a chain after about 16 invocations; this
# limit is lower, because its error lists who called whom.
MAX_DEPTH: Final = 12
MAX_ID_CHARACTERS: Final = 255
# Bytes of the JSON of the texts that interceptors add: they share the 3,583 bytes of a ClientContext with all else.
MAX_EXTRA_BYTES: Final = 2048
# More seconds than any call can take, and still accepted by every clock and socket.
LONGEST_TIMEOUT: Final = 1_000_000.0
_MAX_ATTEMPT: Final = 1_000_000
# A function starts while its caller still waits, or soon after; no function runs for longer than 15 minutes.
_MAX_LATENESS: Final = 900.0
_CONTROL_CHARACTERS: Final = "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
_ABSENT: Final[Mapping[str, Any]] = {
    "correlation_id": "",
    "depth": 0,
    "attempt": 1,
    "idempotency_key": None,
    "budget_ms": None,
    "deadline_ms": None,
}

# W3C: a version above 00 may add fields, ff is not a version, and ids that are all zeros are not valid.
_TRACE_IDS: Final = "-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_TRACEPARENT: Final = rf"00{_TRACE_IDS}|(?!00|ff)[0-9a-f]{{2}}{_TRACE_IDS}(?:-[\x21-\x7e]{{0,200}})?"
_TRACESTATE_MEMBER: Final = r"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}"
_MAX_TRACESTATE: Final = 512
_MAX_TRACESTATE_MEMBERS: Final = 32
_BAGGAGE: Final = r"[\t\x20-\x7e]{1,8192}"

# Milliseconds since the epoch have 13 digits; int() of a foreign string with thousands of them would be slow.
_NUMBER: Final = "[0-9]{1,15}"

# With the 4 in new_id(), the version and variant bits of RFC 9562.
_VARIANTS: Final = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
_BATCH: Final = 64
_spare: Final[list[str]] = []
register_fork_hooks(in_fork=_spare.clear, before_snapshot=_spare.clear)


class Metadata(NamedTuple):
    """What a caller sends to a callee about their call.

    Attributes:
        correlation_id: The same for all calls that one outermost call leads to.
        depth: How many calls are above this one: 1 for the first function that a function calls.
        attempt: Which attempt of the call this is, from 1.
        idempotency_key: The same for every attempt of one call.
        budget_ms: How long the caller still waits, in milliseconds from when it sent the call.
        deadline_ms: Until when it waits, in milliseconds since the epoch by the caller's clock.
        trace: W3C trace context: ``traceparent``, ``tracestate``, ``baggage``.
        offload: Whether the caller can read a response from S3.
        extra: The texts that interceptors have added, except W3C trace context.
    """

    correlation_id: str
    depth: int
    attempt: int = 1
    idempotency_key: str | None = None
    budget_ms: int | None = None
    deadline_ms: int | None = None
    trace: Mapping[str, str] = {}
    offload: bool = False
    extra: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Metadata(correlation_id={self.correlation_id!r}, depth={self.depth}, attempt={self.attempt})"

    def for_attempt(self, number: int, budget_ms: int | None) -> Metadata:
        """Return it for attempt *number*, with so many milliseconds left."""
        # As _replace() does, at a tenth of its cost.
        id_, depth, _, key, _, until_ms, trace, offload, extra = self
        return Metadata(id_, depth, number, key, budget_ms, until_ms, trace, offload, extra)

    def texts(self) -> dict[str, str]:
        """Return it as flat strings."""
        written = {
            "lc-v": VERSION,
            "lc-id": self.correlation_id,
            "lc-depth": str(self.depth),
            "lc-attempt": str(self.attempt),
        }
        if self.idempotency_key is not None:
            written["lc-idem"] = self.idempotency_key
        if self.budget_ms is not None:
            written["lc-budget-ms"] = str(self.budget_ms)
        if self.deadline_ms is not None:
            written["lc-deadline-ms"] = str(self.deadline_ms)
        if self.offload:
            written["lc-offload"] = "s3"
        if self.trace:
            written.update((name, self.trace[name]) for name in TRACE_NAMES if name in self.trace)
        if self.extra:
            written["lc-metadata"] = encode_extra(self.extra)
        return written


def new_id() -> str:
    """Return a random UUID (version 4), as text; ten times as fast as the standard library's.

    The kernel is asked for many at a time: each system call releases the GIL, and a map's threads would take turns.
    """
    try:
        digits = _spare.pop()
    except IndexError:
        digits = _draw_id()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"


def _draw_id() -> str:
    digits = os.urandom(16 * _BATCH).hex()
    one, *others = [digits[start : start + 32] for start in range(0, len(digits), 32)]
    _spare.extend(others)
    return one


def read_metadata(texts: Mapping[str, Any]) -> Metadata | None:
    """Read a caller's metadata; ``None`` without it. A malformed part counts as absent."""
    if not isinstance(texts.get("lc-v"), str):
        return None
    metadata = Metadata(
        correlation_id=_string(texts, "lc-id") or "",
        depth=_number(texts, "lc-depth") or 0,
        attempt=_number(texts, "lc-attempt") or 1,
        idempotency_key=_string(texts, "lc-idem"),
        budget_ms=_number(texts, "lc-budget-ms"),
        deadline_ms=_number(texts, "lc-deadline-ms"),
        trace=read_trace(texts),
        offload=texts.get("lc-offload") == "s3",
    )
    return metadata._replace(extra=_read_extra(texts["lc-metadata"])) if "lc-metadata" in texts else metadata


def read_trace(texts: Mapping[str, Any]) -> dict[str, str]:
    """Read W3C trace context, from any instrumentation."""
    if not texts:
        return {}
    return {name: texts[name] for name in TRACE_NAMES if isinstance(texts.get(name), str)}


def encode_extra(extra: Mapping[str, str]) -> str:
    """Return the texts of interceptors as one string: a JSON object."""
    return json.dumps(dict(extra), separators=(",", ":"))


def is_extra_text(text: object) -> bool:
    """Check whether *text* may be a value in the metadata of an interceptor: it has no control characters."""
    return isinstance(text, str) and not re.search(_CONTROL_CHARACTERS, text)


def _read_extra(encoded: Any) -> dict[str, str]:
    """Read the texts of interceptors; none of them if one is not valid, or if there are more than can be sent."""
    extra: Any = None
    if isinstance(encoded, str) and len(encoded) <= MAX_EXTRA_BYTES:
        with suppress(ValueError, RecursionError):
            extra = json.loads(encoded)
    if is_mapping(extra) and all(is_plain_text(name) and is_extra_text(text) for name, text in extra.items()):
        return dict(extra)
    _log_ignored(["metadata"])
    return {}


def drop_invalid(metadata: Metadata, epoch: float) -> Metadata:
    """Replace by its default what no client of ours sends: strings that are too long or have control characters, and
    numbers out of range. The call is not rejected for it.

    Args:
        metadata: As received.
        epoch: The time, in seconds since the epoch.
    """
    refused = [name for name, fits in _checks(metadata, epoch) if not fits]
    if refused:
        _log_ignored(refused)
        metadata = metadata._replace(**{name: _ABSENT[name] for name in refused})
    trace = drop_invalid_trace(metadata.trace)
    return metadata if trace is metadata.trace else metadata._replace(trace=trace)


def drop_invalid_trace(trace: Mapping[str, str]) -> Mapping[str, str]:
    """Drop what is not W3C trace context; without a valid ``traceparent``, ``tracestate`` is dropped, too."""
    if not trace:
        return trace
    refused = {name for name, text in trace.items() if not _TRACE_CHECKS[name](text)}
    if "traceparent" in refused:
        refused |= trace.keys() & {"tracestate"}
    if not refused:
        return trace
    _log_ignored(sorted(refused))
    return {name: text for name, text in trace.items() if name not in refused}


def is_plain_text(text: object) -> bool:
    """Check whether *text* has at most 255 characters, without control characters and line breaks."""
    return isinstance(text, str) and len(text) <= MAX_ID_CHARACTERS and not re.search(_CONTROL_CHARACTERS, text)


def _checks(metadata: Metadata, epoch: float) -> tuple[tuple[str, bool], ...]:
    key, budget, deadline = metadata.idempotency_key, metadata.budget_ms, metadata.deadline_ms
    left = None if deadline is None else deadline / 1000 - epoch
    return (
        ("correlation_id", is_plain_text(metadata.correlation_id)),
        ("depth", 0 <= metadata.depth <= MAX_DEPTH),
        ("attempt", 1 <= metadata.attempt <= _MAX_ATTEMPT),
        ("idempotency_key", key is None or (key != "" and is_plain_text(key))),
        ("budget_ms", budget is None or 0 <= budget <= LONGEST_TIMEOUT * 1000),
        ("deadline_ms", left is None or -_MAX_LATENESS <= left <= LONGEST_TIMEOUT),
    )


def _is_traceparent(text: str) -> bool:
    return re.fullmatch(_TRACEPARENT, text) is not None


def _is_tracestate(text: str) -> bool:
    members = [member.strip(" \t") for member in text.split(",", _MAX_TRACESTATE_MEMBERS)]
    return (
        len(text) <= _MAX_TRACESTATE
        and len(members) <= _MAX_TRACESTATE_MEMBERS
        and all(not member or re.fullmatch(_TRACESTATE_MEMBER, member) for member in members)
    )


def _is_baggage(text: str) -> bool:
    return re.fullmatch(_BAGGAGE, text) is not None


_TRACE_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "traceparent": _is_traceparent,
    "tracestate": _is_tracestate,
    "baggage": _is_baggage,
}


def _log_ignored(names: Sequence[str]) -> None:
    """Log which parts of a caller's metadata are ignored, never their values."""
    if "logging" in sys.modules:  # a program that reads logs has loaded it
        from logging import getLogger

        getLogger("lambdachain").debug("ignored invalid metadata from the caller: %s", ", ".join(names))


def merge_custom(texts: Mapping[str, str], custom: Mapping[str, str]) -> Mapping[str, str]:
    """Merge a user's own strings over ours: none of theirs is replaced, and their trace is not mixed with ours."""
    if not custom:
        return texts
    traced = "traceparent" in custom
    return {**{name: text for name, text in texts.items() if not (traced and name in TRACE_NAMES)}, **custom}


def _string(texts: Mapping[str, Any], name: str) -> str | None:
    value = texts.get(name)
    return value if isinstance(value, str) else None


def _number(texts: Mapping[str, Any], name: str) -> int | None:
    value = _string(texts, name)
    return int(value) if value is not None and re.fullmatch(_NUMBER, value) else None
