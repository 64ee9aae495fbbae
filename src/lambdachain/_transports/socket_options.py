"""Timeouts and keep-alive of every connection to AWS; times in seconds."""

from __future__ import annotations

from typing import Final

CONNECT_TIMEOUT: Final = 5.0
# Lambda's longest function timeout, and what a read may take beyond it.
LONGEST_FUNCTION: Final = 900.0
HEADROOM: Final = 10.0

# A NAT gateway drops a connection that is idle for 350 s, and a function may run for 900 s before a byte comes back.
KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 45), ("TCP_KEEPALIVE", 45), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))

# Lambda freezes a sandbox between invocations: when it resumes, nothing reports the connections that were dropped.
MAX_IDLE = 240.0
