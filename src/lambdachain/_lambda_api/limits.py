"""Lambda's limits, in bytes and seconds: from the quotas page, botocore's service model and recorded responses."""

from __future__ import annotations

from typing import Final

MAX_REQUEST: Final = 6_291_456
MAX_EVENT_REQUEST: Final = 1_048_576
# Recorded: Lambda returned a response of 6,291,556 bytes.
MAX_RESPONSE: Final = MAX_REQUEST + 100
MAX_STREAM: Final = 209_715_200
# Of the base64 text, not of the JSON in it.
MAX_CLIENT_CONTEXT: Final = 3_583
MAX_LOG_TAIL: Final = 4_096
MAX_HEADERS: Final = 1_048_576
# The init phase of an on-demand function; Lambda stops a process that takes longer.
INIT_TIMEOUT: Final = 10.0
