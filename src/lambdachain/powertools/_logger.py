"""The keys of an invocation in each line of Powertools' Logger."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.lambda_context import build_lambda_context_model

from lambdachain import HandledInvocation, Interceptor, current_invocation

_PROVISIONED: Final = "provisioned-concurrency"


class LoggerInterceptor(Interceptor):
    """Adds the keys of an invocation to what its handler logs, in this process for every handler of ``remote``.

    ``correlation_id`` is the same for all calls that one outermost call leads to. The others are those of
    ``inject_lambda_context``: ``cold_start``, ``function_name``, ``function_memory_size``, ``function_arn`` and
    ``function_request_id``. They are removed when the handler ends. Other threads and tasks do not see them; the
    tasks of a coroutine handler do.

    >>> import lambdachain
    >>> from aws_lambda_powertools import Logger
    >>> logger = Logger(service="orders")
    >>> remove = lambdachain.use(LoggerInterceptor(logger))
    >>> remove()

    Args:
        logger: A Logger. Powertools keeps such keys for the thread, so every Logger with its own formatter shows them.
    """

    _is_cold = True

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    @contextmanager
    def handling(self, invocation: HandledInvocation, /) -> Generator[None]:
        """Add the keys, and restore what they replaced."""
        added = {**_to_context_keys(invocation.context), "cold_start": self._take_cold_start()}
        current = current_invocation()
        if current is not None:
            added["correlation_id"] = current.correlation_id
        before = dict(self._logger.thread_safe_get_current_keys())
        self._logger.thread_safe_append_keys(**added)
        try:
            yield
        finally:
            self._logger.thread_safe_remove_keys(added)
            self._logger.thread_safe_append_keys(**{key: before[key] for key in added if key in before})

    @staticmethod
    def _take_cold_start() -> bool:
        """Return whether this is the first invocation of a process that was started for it."""
        # Not the flag of inject_lambda_context: the first one who asks for that lowers it.
        is_cold, LoggerInterceptor._is_cold = LoggerInterceptor._is_cold, False
        return is_cold and os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != _PROVISIONED


def _to_context_keys(context: Any) -> dict[str, Any]:
    """Return the keys of Lambda's context; none outside Lambda, where a handler may be called without one."""
    context = getattr(context, "lambda_context", None) or context  # of a durable function
    try:
        return dict(vars(build_lambda_context_model(context)))
    except AttributeError:
        return {}
