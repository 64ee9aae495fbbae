"""The X-Ray trace header of the calls of the current context, for instrumentation; Lambda's own always wins."""

from contextvars import ContextVar
from typing import Final

SENT_TRACE: Final[ContextVar[str]] = ContextVar("lambdachain.sent_trace", default="")
