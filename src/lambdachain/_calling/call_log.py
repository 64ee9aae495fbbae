"""The records of the logger ``lambdachain``: what each says, and the fields that it has for formatters of JSON.

The one place for the names of the fields, which ``docs/reference/logging.md`` documents. No record has a payload, a
ClientContext or a credential. This module is imported when a record is wanted: see ``is_logging``.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from lambdachain._core.errors import Attempt, CallError, Execution, LambdaChainError
from lambdachain._core.escaping import printable
from lambdachain._core.invocation import InvocationType

from .prepared_call import PreparedCall

_LOGGER: Final = logging.getLogger("lambdachain")
_PREFIX: Final = "lambdachain_"
_OPERATIONS: Final = {
    InvocationType.REQUEST_RESPONSE: "call",
    InvocationType.EVENT: "fire",
    InvocationType.DRY_RUN: "can_invoke",
}


def log_attempt(call: PreparedCall, number: int, attempt: Attempt, error: CallError | None) -> None:
    """Log an attempt: at DEBUG if it succeeded, at INFO if it failed."""
    _LOGGER.log(
        logging.DEBUG if error is None else logging.INFO,
        "%s %s: attempt %d: %s, status %s, request %s, %.3f s",
        call.compiled.kind,
        printable(call.compiled.address),
        number,
        attempt.error or "ok",
        attempt.status,
        attempt.request_id and printable(attempt.request_id),
        attempt.elapsed,
        extra=_to_extra(
            "attempt",
            **_describe_call(call),
            **_describe_end(call, error),
            attempt=number,
            status=attempt.status,
            request_id=attempt.request_id and printable(attempt.request_id),
            duration=attempt.elapsed,
        ),
    )


def log_call(call: PreparedCall, attempts: tuple[Attempt, ...], elapsed: float, error: CallError | None) -> None:
    """Log the end of a call: at DEBUG if it succeeded, at INFO if it failed."""
    request_id = attempts[-1].request_id if attempts else None
    _LOGGER.log(
        logging.DEBUG if error is None else logging.INFO,
        "%s %s: %s, attempts %d, %.3f s in all",
        call.compiled.kind,
        printable(call.compiled.address),
        "ok" if error is None else type(error).__name__,
        len(attempts),
        elapsed,
        extra=_to_extra(
            "call",
            **_describe_call(call),
            **_describe_end(call, error),
            attempts=len(attempts),
            request_id=request_id and printable(request_id),
            duration=round(elapsed, 6),
        ),
    )


def log_retry(call: PreparedCall, number: int, error: CallError, pause: float) -> None:
    """Log that attempt *number* will follow after *pause* seconds."""
    _LOGGER.info(
        "%s %s: attempt %d follows in %.3f s, after %s",
        call.compiled.kind,
        printable(call.compiled.address),
        number,
        pause,
        type(error).__name__,
        extra=_to_extra(
            "retry", **_describe_call(call), **_describe_end(call, error), attempt=number, wait=round(pause, 6)
        ),
    )


def log_exhausted_budget(call: PreparedCall, error: CallError, tokens: float) -> None:
    """Log that a call is not retried, because the retry budget of its function is used up."""
    _LOGGER.info(
        "%s %s: not retried after %s: the retry budget is used up",
        call.compiled.kind,
        printable(call.compiled.address),
        type(error).__name__,
        extra=_to_extra("budget", **_describe_call(call), **_describe_end(call, error), tokens=round(tokens, 3)),
    )


def log_concurrency(function: str, before: int, after: int, in_flight: int, pause: float) -> None:
    """Log that a map slows down, because Lambda throttled one of its calls."""
    _LOGGER.info(
        "map %s: throttled: concurrency limit %d -> %d, in flight %d, pause %.3f s",
        printable(function),
        before,
        after,
        in_flight,
        pause,
        extra=_to_extra(
            "concurrency",
            function=printable(function),
            operation="map",
            concurrency_limit=after,
            previous_concurrency_limit=before,
            in_flight=in_flight,
            wait=round(pause, 6),
        ),
    )


def log_warm_up(what: str, error: BaseException | None, elapsed: float) -> None:
    """Log that a target or a region's connection is warm, or why not, at DEBUG: a later call may still succeed."""
    # The message only of an error of this package: that of any other may show what a user keeps secret.
    reason = printable(str(error)) if isinstance(error, LambdaChainError) else ""
    _LOGGER.debug(
        "warm_up %s: %s, %.3f s",
        printable(what),
        "ok" if error is None else f"{type(error).__name__}{': ' * bool(reason)}{reason}",
        elapsed,
        extra=_to_extra(
            "warm_up",
            function=printable(what),
            operation="warm_up",
            error=None if error is None else type(error).__name__,
            duration=round(elapsed, 6),
        ),
    )


def _describe_call(call: PreparedCall) -> dict[str, Any]:
    metadata = call.metadata
    return {
        "function": printable(call.compiled.address),
        "operation": "stream" if call.is_stream else _OPERATIONS[call.compiled.kind],
        "correlation_id": metadata and printable(metadata.correlation_id),
    }


def _describe_end(call: PreparedCall, error: CallError | None) -> dict[str, Any]:
    if error is None:
        # Of an event, only the queue is known; a dry run runs nothing.
        ran = call.compiled.kind is InvocationType.REQUEST_RESPONSE
        return {"error": None, "execution": str(Execution.EXECUTED) if ran else None}
    return {"error": type(error).__name__, "execution": str(error.execution), "retryable": error.retryable}


def _to_extra(record: str, **fields: Any) -> dict[str, Any]:
    """Return the fields of a record under names that no other library uses."""
    return {f"{_PREFIX}record": record, **{f"{_PREFIX}{name}": value for name, value in fields.items()}}
