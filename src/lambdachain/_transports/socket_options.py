"""What every transport to AWS keeps to on the wire, and reads off it: seconds, socket options, hints to wait."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

CONNECT_TIMEOUT: Final = 5.0
LONGEST_FUNCTION: Final = 900.0
HEADROOM: Final = 10.0

# A NAT gateway forgets a connection that is idle for 350 s, and a function may run for 900 s before a byte comes back.
KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 45), ("TCP_KEEPALIVE", 45), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))

# Lambda freezes a sandbox between invocations, and what the network forgot meanwhile nobody tells it on waking.
MAX_IDLE = 240.0

# Lambda was seen to carry answers of up to 6,291,556 bytes; what is far beyond does not come from it.
MAX_ANSWER_BYTES: Final = 6 * 1024 * 1024 + 64 * 1024
# Lambda's quota of a streamed answer.
MAX_STREAM_BYTES: Final = 200 * 1024 * 1024

# A runtime client ends its process over headers of more than 100 KiB; a trace is a few hundred bytes.
MAX_TRACE: Final = 4096

# Any of these is on each answer of Lambda's, and on nobody else's.
_OF_LAMBDA: Final = (
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-amz-executed-version",
    "x-amz-function-error",
    "x-amzn-errortype",
)

EXPIRED: Final = ("ExpiredTokenException", "ExpiredToken")


# Beyond any wait that somebody asks for in earnest, and well within what a clock can add.
_LONGEST_WAIT: Final = 366 * 86400.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds the service asks to wait; ``None`` if it does not say, or not so that it can be read.

    The header in milliseconds counts before the one in seconds, which may be a date, too; of a header that comes twice,
    which botocore's HTTP client joins by a comma, the first.
    """
    for name, unit in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").partition(",")[0].strip()
        if text.isascii() and text.isdigit():
            return min(float(text) * unit, _LONGEST_WAIT)
    return _until(headers.get("retry-after", ""), headers.get("date", ""))


def _until(text: str, sent: str) -> float | None:
    """Read a date, in any of HTTP's three forms, as seconds from when the answer was *sent*, by the same clock."""
    end = _epoch(text)
    if end is None:
        return None
    now = _epoch(sent)
    return min(max(0.0, end - (time.time() if now is None else now)), _LONGEST_WAIT)


def _epoch(text: str) -> float | None:
    if ":" not in text:  # as in every one of the forms: the parser takes nearly anything for a date
        return None
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def too_long(limit: int, length: int | None = None) -> str:
    """Describe an answer beyond *limit* bytes, which claims to have *length* or goes on without one."""
    claimed = "more" if length is None else f"{length:,} bytes"
    return f"the answer is too long: {claimed}, where Lambda sends at most {limit:,} bytes; the rest was not read"


def is_from_lambda(headers: Mapping[str, str]) -> bool:
    """Check whether an answer comes from Lambda, and not from a proxy or a captive portal on the way.

    Args:
        headers: Its headers, with names in lower case.
    """
    return any(name in headers for name in _OF_LAMBDA)


def has_end(headers: Mapping[str, str]) -> bool:
    """Check whether an answer says where its body ends; else only the end of the connection does, whoever caused it."""
    return "content-length" in headers or headers.get("transfer-encoding", "").lower() == "chunked"
