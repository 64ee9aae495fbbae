"""What every transport to AWS keeps to on the wire, and reads off it: seconds, socket options, hints to wait."""

from __future__ import annotations

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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds the service asks to wait, from the header in milliseconds or the one in seconds."""
    for name, unit in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if text.isascii() and text.isdigit():
            return float(text) * unit
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
