"""The X-Ray trace header of the calls of the current context, for instrumentation; by default, Lambda's own is sent."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

SENT_TRACE: Final[ContextVar[str]] = ContextVar("lambdachain.sent_trace", default="")


@contextmanager
def send_trace_header(header: str) -> Generator[None]:
    """Send *header* as ``X-Amzn-Trace-Id`` with every call in the block."""
    token = SENT_TRACE.set(header)
    try:
        yield
    finally:
        SENT_TRACE.reset(token)
