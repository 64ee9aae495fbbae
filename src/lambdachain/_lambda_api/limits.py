"""Lambda's limits, in bytes and seconds: from the quotas page, botocore's service model and recorded answers."""

from __future__ import annotations

from typing import Final

MAX_REQUEST: Final = 6_291_456
MAX_EVENT_REQUEST: Final = 1_048_576
MAX_RESPONSE: Final = MAX_REQUEST + 100
MAX_STREAM: Final = 209_715_200
MAX_CLIENT_CONTEXT: Final = 3_583
MAX_LOG_TAIL: Final = 4_096
MAX_HEADERS: Final = 1_048_576
INIT_TIMEOUT: Final = 10.0
