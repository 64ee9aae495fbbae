"""What travels beside a payload: flat texts in ``ClientContext.custom``, which every runtime hands to its function.

Names are lower case and start with ``lc-``; W3C trace context keeps its own names, where OpenTelemetry's JavaScript
instrumentation puts it too. A callee that knows nothing of lambdachain notices nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ._copies import heed_copies

VERSION: Final = "1"
TRACE_NAMES: Final = ("traceparent", "tracestate", "baggage")

# What is left out first where the 3,583 bytes do not suffice; the idempotency key never is.
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

# Milliseconds since the epoch have 13 digits; a foreign text with thousands of them is no number of ours.
_NUMBER: Final = "[0-9]{1,15}"

_AT_ONCE: Final = 64
_spare: Final[list[str]] = []
heed_copies(in_fork=_spare.clear, before_snapshot=_spare.clear)


class Metadata(NamedTuple):
    """What a caller tells a callee about their call.

    Attributes:
        correlation_id: The same for all that one outermost call sets off.
        depth: How many calls are above this one: 1 for the first function that a function calls.
        attempt: Which attempt of the call this is, from 1.
        idempotency_key: The same for every attempt of one call.
        budget_ms: How long the caller still waits, in milliseconds from when it sent the call.
        deadline_ms: Until when it waits, in milliseconds since the epoch by the caller's clock.
        trace: W3C trace context: ``traceparent``, ``tracestate``, ``baggage``.
        offload: Whether the caller can read an answer that is in S3.
    """

    correlation_id: str
    depth: int
    attempt: int = 1
    idempotency_key: str | None = None
    budget_ms: int | None = None
    deadline_ms: int | None = None
    trace: Mapping[str, str] = {}
    offload: bool = False

    def __repr__(self) -> str:
        return f"Metadata(correlation_id={self.correlation_id!r}, depth={self.depth}, attempt={self.attempt})"

    def texts(self) -> dict[str, str]:
        """Write it as flat texts."""
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
        return written


def new_id() -> str:
    """Make a random UUID (version 4), as text: the standard library takes ten times as long.

    The kernel is asked for many at once: it lets other threads run meanwhile, and those of a map would take turns.
    """
    try:
        digits = _spare.pop()
    except IndexError:
        digits = _drawn()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _drawn() -> str:
    digits = os.urandom(16 * _AT_ONCE).hex()
    one, *others = [digits[start : start + 32] for start in range(0, len(digits), 32)]
    _spare.extend(others)
    return one


def read_metadata(texts: Mapping[str, Any]) -> Metadata | None:
    """Read what a caller wrote; ``None`` if it wrote nothing, and a part that is malformed counts as absent."""
    if not isinstance(texts.get("lc-v"), str):
        return None
    return Metadata(
        correlation_id=_string(texts, "lc-id") or "",
        depth=_number(texts, "lc-depth") or 0,
        attempt=_number(texts, "lc-attempt") or 1,
        idempotency_key=_string(texts, "lc-idem"),
        budget_ms=_number(texts, "lc-budget-ms"),
        deadline_ms=_number(texts, "lc-deadline-ms"),
        trace=read_trace(texts),
        offload=texts.get("lc-offload") == "s3",
    )


def read_trace(texts: Mapping[str, Any]) -> dict[str, str]:
    """Read W3C trace context, whoever wrote it."""
    if not texts:
        return {}
    return {name: texts[name] for name in TRACE_NAMES if isinstance(texts.get(name), str)}


def merged(texts: Mapping[str, str], custom: Mapping[str, str]) -> Mapping[str, str]:
    """Lay a user's own texts over ours: nothing of theirs is replaced, and a trace of theirs is not mixed with ours."""
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
